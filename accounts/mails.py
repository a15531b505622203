"""Mails to the people who own a workspace, each in their own language."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.template.loader import render_to_string
from django.utils import translation

from accounts.models import Role, User


def mail_owners(workspace_id: UUID, template: str, describe: Callable[[], dict[str, Any]]) -> None:
    """Send `<template>_subject.txt` and `<template>_message.txt` to each owner. Raises SMTPException or OSError.

    `describe()` makes the templates' context, besides the owner's `name` and the `site`; it is called once for each
    owner, while the owner's language is active.
    """
    owners = User.objects.filter(memberships__workspace=workspace_id, memberships__role=Role.OWNER, is_active=True)
    get_connection().send_messages([_write(owner, template, describe) for owner in owners])


def _write(owner: User, template: str, describe: Callable[[], dict[str, Any]]) -> EmailMessage:
    with translation.override(owner.language or settings.LANGUAGE_CODE):
        context = {"name": owner.display_name, "site": settings.SITE_URL, **describe()}
        subject = render_to_string(f"{template}_subject.txt", context)
        text = render_to_string(f"{template}_message.txt", context)
    return EmailMessage(" ".join(subject.split()), text, to=[owner.email])
