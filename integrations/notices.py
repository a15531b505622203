"""Mails about webhooks that were switched off: a debt kept in the endpoint's row until the mails are out."""

import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation

from accounts.models import Role, User
from integrations.models import WebhookEndpoint

logger = logging.getLogger(__name__)


@transaction.atomic
def send_next_notice() -> bool:
    """Tell the owners of one switched-off webhook; False when none is owed, or the mail server does not answer.

    The row stays locked meanwhile: two workers do not write twice, and one that dies leaves the debt.
    """
    owed = WebhookEndpoint.objects.filter(owes_notice=True).select_related("agent")
    endpoint = owed.select_for_update(of=("self",), skip_locked=True).first()
    if endpoint is None:
        return False
    owners = User.objects.filter(
        memberships__workspace=endpoint.agent.workspace_id, memberships__role=Role.OWNER, is_active=True
    )
    try:
        get_connection().send_messages([_write_mail(endpoint, owner) for owner in owners])
    except (SMTPException, OSError):
        logger.exception("the mail about webhook %s was not sent; the next round tries again", endpoint.pk)
        return False
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(owes_notice=False)
    return True


def _write_mail(endpoint: WebhookEndpoint, owner: User) -> EmailMessage:
    link = f"{settings.SITE_URL}/agents/{endpoint.agent_id}?tab=deploy"
    context = {"endpoint": endpoint, "agent": endpoint.agent, "owner": owner, "link": link}
    with translation.override(owner.language or settings.LANGUAGE_CODE):
        subject = render_to_string("integrations/email/webhook_off_subject.txt", context)
        text = render_to_string("integrations/email/webhook_off_message.txt", context)
    return EmailMessage(" ".join(subject.split()), text, to=[owner.email])
