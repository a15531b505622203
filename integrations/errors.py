"""What can go wrong with ways in and out.

core.ValidationFailed
└── TooManyWebhooks      422 too_many_webhooks     the agent has as many endpoints as it may have
core.Conflict
└── WebhookSwitchedOff   409 webhook_switched_off  nothing can be sent again to an endpoint that is off
"""

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict, ValidationFailed


class TooManyWebhooks(ValidationFailed):
    code = "too_many_webhooks"
    message = _("An agent can have at most 20 webhooks. Delete one first.")  # type: ignore[assignment]


class WebhookSwitchedOff(Conflict):
    code = "webhook_switched_off"
    message = _("This webhook is switched off. Switch it on, then send again.")  # type: ignore[assignment]
