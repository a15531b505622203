"""Mails to the people who own a workspace, each in their own language."""

import logging
from collections.abc import Callable
from smtplib import SMTPException
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


def mail_owners(workspace_id: UUID, template: str, describe: Callable[[], dict[str, Any]]) -> None:
    """Send `<template>_subject.txt` and `<template>_message.txt` to each owner. Raises SMTPException or OSError.

    `describe()` makes the templates' context, besides the owner's `name` and the `site`; it is called once for each
    owner, while the owner's language is active.
    """
    owners = User.objects.filter(memberships__workspace=workspace_id, memberships__role=Role.OWNER, is_active=True)
    get_connection().send_messages([_write(owner, template, describe) for owner in owners])


@transaction.atomic
def mail_next_debt(rows: QuerySet[M], template: str, describe: Callable[[M], tuple[UUID, dict[str, Any]]]) -> bool:
    """Tell the owners about one row that `owes_notice`; False when none does, or no mail server answers.

    `describe(row)` gives the workspace and the templates' context. The row stays locked meanwhile: two workers do not
    write twice, and one that dies leaves the debt.
    """
    row = rows.filter(owes_notice=True).select_for_update(of=("self",), skip_locked=True).first()
    if row is None:
        return False
    workspace_id, context = describe(row)
    try:
        mail_owners(workspace_id, template, lambda: context)
    except (SMTPException, OSError):
        logger.exception("the mail %s about %s was not sent; the next round tries again", template, row.pk)
        return False
    rows.filter(pk=row.pk).update(owes_notice=False)
    return True


def _write(owner: User, template: str, describe: Callable[[], dict[str, Any]]) -> EmailMessage:
    with translation.override(owner.language or settings.LANGUAGE_CODE):
        context = {"name": owner.display_name, "site": settings.SITE_URL, **describe()}
        subject = render_to_string(f"{template}_subject.txt", context)
        text = render_to_string(f"{template}_message.txt", context)
    return EmailMessage(" ".join(subject.split()), text, to=[owner.email])
