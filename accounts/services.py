"""Writes about users: registration and profile. Passwords and e-mail addresses are changed by allauth's own flows."""

from allauth.account.internal.userkit import filter_users_by_email
from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from accounts.errors import EmailTaken
from accounts.models import User, Workspace


@transaction.atomic
def register_user(
    *, email: str, password: str | None, name: str = "", language: str = "", verified: bool = False
) -> User:
    """A new user with a personal workspace and an e-mail address that is not verified yet unless the caller says so.

    Raises EmailTaken. The password must have passed the validators.
    """
    email = email.strip().lower()
    if filter_users_by_email(email):
        raise EmailTaken()
    try:
        with transaction.atomic():
            user = User.objects.create_user(email, password, name=name, language=language)
    except IntegrityError:  # two sign-ups at once: the constraint let one through
        raise EmailTaken() from None
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=verified)
    return user


def update_profile(*, user: User, name: str | None = None, language: str | None = None) -> User:
    """Change the given fields only."""
    changes = {key: value for key, value in (("name", name), ("language", language)) if value is not None}
    for key, value in changes.items():
        setattr(user, key, value)
    user.save(update_fields=[*changes, "updated_at"])
    return user


def rename_workspace(*, workspace: Workspace, name: str) -> Workspace:
    """Give the workspace another name; its address and ids stay."""
    workspace.name = name
    workspace.save(update_fields=["name", "updated_at"])
    return workspace
