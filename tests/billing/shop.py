"""A workspace that buys a plan at the fake Stripe, through GiLo's own API."""

from typing import Any

from django.test import Client

from accounts.models import Role, Workspace
from billing.events import apply_due_events, receive_event
from billing.models import Customer, Subscription
from tests.factories import make_workspace
from tests.fake_stripe import FakeStripe


class Buyer:
    """One workspace, its owner's browser, and Stripe."""

    def __init__(self, stripe: FakeStripe, role: Role = Role.OWNER) -> None:
        self.stripe = stripe
        self.workspace, self.user = make_workspace(role=role)
        self.client = Client()
        self.client.force_login(self.user)

    def ask(self, path: str, body: Any = None) -> Any:
        return self.client.post(f"/api/billing/{path}", body, content_type="application/json")

    def checkout(self, plan: str = "pro") -> Any:
        """The session at Stripe that the API's address leads to."""
        answer = self.ask("checkout", {"plan": plan})
        assert answer.status_code == 200, answer.content
        return self.session(answer.json()["url"])

    def session(self, url: str) -> Any:
        kind = "checkout.session" if "/pay/" in url else "billing_portal.session"
        return self.stripe.state.get(kind, url.rpartition("/")[2])

    def buy(self, plan: str = "pro") -> Subscription:
        """Buy the plan, and hear of it from Stripe."""
        self.stripe.complete_checkout(self.checkout(plan)["id"])
        self.hear()
        return Subscription.objects.get(workspace=self.workspace)

    def hear(self) -> None:
        """Deliver what happened at Stripe so far, and apply it."""
        for event in self.stripe.take_events():
            body, signature = self.stripe.sign(event)
            receive_event(body=body, signature=signature)
        apply_due_events()

    @property
    def plan(self) -> str:
        return Workspace.objects.get(pk=self.workspace.pk).plan

    @property
    def customer(self) -> Customer:
        return Customer.objects.get(workspace=self.workspace)
