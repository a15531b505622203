"""What can go wrong with agents and their keys.

core.Conflict
├── VersionConflict       409 version_conflict        another edit came first
└── SlugTaken             409 slug_taken              another agent has this address
core.PermissionDenied
├── AgentOff              403 agent_off               the agent is switched off for the outside
├── KeyNotForPrograms     403 key_not_for_programs    a widget's key or a visitor's token where a program's is needed
├── KeyNotForPages        403 key_not_for_pages       a program's key where a page's is needed
├── OriginNotAllowed      403 origin_not_allowed      a page that is not on the key's list
├── IdentityRequired      403 identity_required       the key takes only visitors with a signed identity
└── IdentityInvalid       403 identity_invalid        the identity is forged, expired, or not what we ask for
"""

from core.errors import Conflict, PermissionDenied


class VersionConflict(Conflict):
    code = "version_conflict"
    message = "This agent was changed meanwhile. Load the newer version, then repeat your change."


class SlugTaken(Conflict):
    code = "slug_taken"
    message = "Another agent has this address. Choose another one."


class AgentOff(PermissionDenied):
    code = "agent_off"
    message = "This agent is switched off. Its owner can switch it on again."


class KeyNotForPrograms(PermissionDenied):
    code = "key_not_for_programs"
    message = "This key belongs to a web page: it opens visitors' chats only. Use a secret key in programs."


class KeyNotForPages(PermissionDenied):
    code = "key_not_for_pages"
    message = "This key is secret and must not stand in a web page. Make a widget key."


class OriginNotAllowed(PermissionDenied):
    code = "origin_not_allowed"
    message = "This key may not be used from this web page. Add the page's origin to the key."


class IdentityRequired(PermissionDenied):
    code = "identity_required"
    message = "This chat is for signed-in people only: the page must send a signed identity."


class IdentityInvalid(PermissionDenied):
    code = "identity_invalid"
    message = "The signed identity is not valid or not valid any more. Make a new one."
