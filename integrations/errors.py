"""What can go wrong with ways in and out.

core.ValidationFailed
└── TooManyWebhooks      422 too_many_webhooks     the agent has as many endpoints as it may have
core.Conflict
└── WebhookSwitchedOff   409 webhook_switched_off  nothing can be sent again to an endpoint that is off
"""

from core.errors import Conflict, ValidationFailed


class TooManyWebhooks(ValidationFailed):
    code = "too_many_webhooks"
    message = "An agent can have at most 20 webhooks. Delete one first."


class WebhookSwitchedOff(Conflict):
    code = "webhook_switched_off"
    message = "This webhook is switched off. Switch it on, then send again."
