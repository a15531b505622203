"""Mails about webhooks that were switched off: a debt kept in the endpoint's row until the mails are out."""

import logging
from smtplib import SMTPException

from django.conf import settings
from django.db import transaction

from accounts.mails import mail_owners
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
    link = f"{settings.SITE_URL}/agents/{endpoint.agent_id}?tab=deploy"
    context = {"endpoint": endpoint, "agent": endpoint.agent, "link": link}
    try:
        mail_owners(endpoint.agent.workspace_id, "integrations/email/webhook_off", lambda: context)
    except (SMTPException, OSError):
        logger.exception("the mail about webhook %s was not sent; the next round tries again", endpoint.pk)
        return False
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(owes_notice=False)
    return True
