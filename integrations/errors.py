"""What can go wrong with ways in and out.

core.ValidationFailed
└── TooManyWebhooks      422 too_many_webhooks     the agent has as many endpoints as it may have
core.NotFound
└── ChatNotFound         404 not_found             no widget or hosted page has this key
agents.OriginNotAllowed
└── OriginsMissing       403 origins_missing       the key lists no origin at all
core.Conflict
└── WebhookSwitchedOff   409 webhook_switched_off  nothing can be sent again to an endpoint that is off
"""

from agents.errors import OriginNotAllowed
from core.errors import Conflict, NotFound, ValidationFailed


class TooManyWebhooks(ValidationFailed):
    code = "too_many_webhooks"
    message = "An agent can have at most 20 webhooks. Delete one first."


class WebhookSwitchedOff(Conflict):
    code = "webhook_switched_off"
    message = "This webhook is switched off. Switch it on, then send again."


class ChatNotFound(NotFound):
    message = "There is no chat with this key. It may have been revoked or have expired."


class OriginsMissing(OriginNotAllowed):
    code = "origins_missing"
    message = (
        "This key has no allowed origins yet, so its widget shows on no site. "
        "Add an origin to the key on the agent's Deploy tab."
    )
