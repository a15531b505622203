"""Mails about webhooks that were switched off: a debt kept in the endpoint's row until the mails are out."""

from typing import Any
from uuid import UUID

from django.conf import settings

from accounts.mails import mail_next_debt
from integrations.models import WebhookEndpoint


def send_next_notice() -> bool:
    """Tell the owners of one switched-off webhook; False when none is owed, or the mail server does not answer."""
    return mail_next_debt(WebhookEndpoint.objects.select_related("agent"), "integrations/email/webhook_off", _describe)


def _describe(endpoint: WebhookEndpoint) -> tuple[UUID, dict[str, Any]]:
    link = f"{settings.SITE_URL}/agents/{endpoint.agent_id}?tab=deploy"
    return endpoint.agent.workspace_id, {"endpoint": endpoint, "agent": endpoint.agent, "link": link}
