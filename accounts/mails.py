"""Mails to the people who own a workspace, each in their own language."""

import logging
from collections.abc import Callable
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import Model, QuerySet
from django.template.loader import render_to_string
from django.utils import translation

from accounts.models import Role, User

logger = logging.getLogger(__name__)
M = TypeVar("M", bound=Model)
_REFUSED_FOR_GOOD = 500  # codes of SMTP from here on; those below ask to come again


def mail_owners(workspace_id: UUID, template: str, describe: Callable[[], dict[str, Any]]) -> None:
    """Send `<template>_subject.txt` and `<template>_message.txt` to each owner. Raises SMTPException or OSError.

    An owner whose mail is refused for good goes without: to try again would mail the others once more each time.
    `describe()` makes the templates' context, besides the owner's `name` and the `site`; it is called once for each
    owner, while the owner's language is active.
    """
    owners = User.objects.filter(memberships__workspace=workspace_id, memberships__role=Role.OWNER, is_active=True)
    messages = [_write(owner, template, describe) for owner in owners]
    with get_connection() as connection:
        for message in messages:
            try:
                connection.send_messages([message])
            except (SMTPRecipientsRefused, SMTPDataError) as error:
                if not _is_final(error):
                    raise
                logger.warning("the mail server refuses for good the mail %s to an owner of %s", template, workspace_id)


def _is_final(error: SMTPRecipientsRefused | SMTPDataError) -> bool:
    """Whether the server says that it will say no tomorrow, too."""
    if isinstance(error, SMTPDataError):
        return error.smtp_code >= _REFUSED_FOR_GOOD
    return all(code >= _REFUSED_FOR_GOOD for code, _words in error.recipients.values())


def tell_next(owing: QuerySet[M], tell: Callable[[M], None]) -> bool:
    """Have `tell(row)` mail and settle what one of these rows owes; False when none does, or no mail server answers.

    The row stays locked meanwhile: two workers do not write twice, and one that dies leaves the debt.
    """
    try:
        with transaction.atomic():
            row = owing.select_for_update(of=("self",), skip_locked=True).first()
            if row is not None:
                tell(row)
            return row is not None
    except (SMTPException, OSError):
        logger.exception("a mail about a %s was not sent; the next round tries again", owing.model.__name__)
        return False


def mail_next_debt(rows: QuerySet[M], template: str, describe: Callable[[M], tuple[UUID, dict[str, Any]]]) -> bool:
    """`tell_next` for rows that say `owes_notice`; `describe(row)` gives the workspace and the templates' context."""

    def tell(row: M) -> None:
        workspace_id, context = describe(row)
        mail_owners(workspace_id, template, lambda: context)
        rows.filter(pk=row.pk).update(owes_notice=False)

    return tell_next(rows.filter(owes_notice=True), tell)


def _write(owner: User, template: str, describe: Callable[[], dict[str, Any]]) -> EmailMessage:
    with translation.override(owner.language or settings.LANGUAGE_CODE):
        context = {"name": owner.display_name, "site": settings.SITE_URL, **describe()}
        subject = render_to_string(f"{template}_subject.txt", context)
        text = render_to_string(f"{template}_message.txt", context)
    return EmailMessage(" ".join(subject.split()), text, to=[owner.email])
