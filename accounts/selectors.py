"""Reads about users and workspaces."""

from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db.models import Case, IntegerField, Value, When

from accounts.models import Membership, Role, User, Workspace
from accounts.permissions import Principal
from core.errors import NotFound
from core.tenancy import parse_id

WORKSPACE_HEADER = "X-Workspace-Id"
WORKSPACE_SESSION_KEY = "workspace_id"


def principal_of(user: Any, request: Any = None, session: Any = None) -> Principal | None:
    """The member that acts, in one query: in the workspace that the header names, else the session, else the oldest.

    Raises NotFound when the header names a workspace that is not the user's. Suspended users are nobody.
    """
    if not getattr(user, "is_authenticated", False) or not user.is_active:
        return None
    session = session if session is not None else getattr(request, "session", None)
    wanted = wanted_workspace(request.headers if request is not None else {}, session or {})
    membership = _choose_membership(user.pk, wanted)
    if wanted[1] and (membership is None or membership.workspace_id != wanted[0]):
        raise NotFound()
    if membership is None:
        return None
    key = getattr(session, "session_key", None)
    role = Role(membership.role)
    return Principal(
        workspace_id=membership.workspace_id, user_id=user.pk, role=role, session_key=key, is_operator=user.is_staff
    )


def wanted_workspace(headers: Any, session: Any) -> tuple[UUID | None, bool]:
    """The workspace that the request asks for, and whether it insists (the header does, the session does not)."""
    named = headers.get(WORKSPACE_HEADER)
    if named:
        return parse_id(named), True
    remembered = session.get(WORKSPACE_SESSION_KEY)
    return (parse_id(remembered), False) if remembered else (None, False)


def _choose_membership(user_id: UUID, wanted: tuple[UUID | None, bool]) -> Membership | None:
    first = Case(When(workspace_id=wanted[0], then=Value(0)), default=Value(1), output_field=IntegerField())
    return Membership.objects.filter(user_id=user_id).order_by(first, "created_at", "id").first()


def workspace_of(principal: Principal) -> Workspace:
    return Workspace.objects.get(pk=principal.workspace_id)


def describe_user(user: User) -> dict[str, Any]:
    """The user as the API shows it. Two queries."""
    memberships = Membership.objects.filter(user=user).select_related("workspace").order_by("created_at", "id")
    return {
        "id": str(user.pk),
        "email": user.email,
        "name": user.name,
        "language": user.language,
        "email_verified": EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists(),
        "workspaces": [
            {
                "id": str(row.workspace_id),
                "name": row.workspace.name,
                "role": row.role,
                "personal": row.workspace.is_personal,
            }
            for row in memberships
        ],
        "created_at": user.created_at.isoformat(),
    }


def has_verified_address(user: User) -> bool:
    """Whether any of the user's addresses is confirmed."""
    return bool(EmailAddress.objects.filter(user=user, verified=True).exists())


def describe_security(user: User) -> dict[str, Any]:
    """What the security page shows. Four queries."""
    kinds = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    return {
        "addresses": list(EmailAddress.objects.filter(user=user).order_by("-primary", "email")),
        "has_password": user.has_usable_password(),
        "has_totp": Authenticator.Type.TOTP in kinds,
        "connections": list(SocialAccount.objects.filter(user=user).order_by("provider")),
        "providers": settings.SOCIALACCOUNT_PROVIDERS.keys(),
    }
