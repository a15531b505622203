"""A creator's account at Stripe: made and completed on Stripe's pages, shown on ours."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from billing.stripe import ask
from billing.subscriptions import at
from store.errors import PayoutsNotReady
from store.models import Creator
from store.payments_mirror import mirror_account
from store.services import update_creator

SHOWN_PAYOUTS = 20


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account holds in one currency, in minor units: ready to be paid out, and on its way to that."""

    currency: str
    available: int
    pending: int


@dataclass(frozen=True, slots=True)
class Payout:
    """Money on its way to the creator's bank, in minor units."""

    amount: int
    currency: str
    status: str
    arrives_at: datetime | None


@transaction.atomic
def start_onboarding(*, workspace_id: UUID) -> str:
    """The address of Stripe's page where the creator tells who is paid; once that is done, of the account's own pages.

    Raises what `billing.stripe.ask` raises.
    """
    creator = Creator.objects.select_for_update().get(pk=update_creator(workspace_id=workspace_id).pk)
    if not creator.stripe_account_id:
        creator.stripe_account_id = _make_account(creator)
        creator.save(update_fields=["stripe_account_id", "updated_at"])
    mirror_account(creator)
    account = creator.stripe_account_id
    if creator.stripe_payouts_enabled:
        return ask(lambda client: client.v1.accounts.login_links.create(account)).url
    page = f"{settings.SITE_URL}/store/mine"
    return ask(
        lambda client: client.v1.account_links.create(
            {
                "account": account,
                "type": "account_onboarding",
                "return_url": f"{page}#payouts",
                "refresh_url": f"{page}?again=1#payouts",
            }
        )
    ).url


def _make_account(creator: Creator) -> str:
    """An account with Stripe's own pages for its owner; the platform pays Stripe's fees and answers for losses."""
    return ask(
        lambda client: client.v1.accounts.create(
            {
                "controller": {
                    "stripe_dashboard": {"type": "express"},
                    "fees": {"payer": "application"},
                    "losses": {"payments": "application"},
                },
                "capabilities": {"card_payments": {"requested": True}, "transfers": {"requested": True}},
                "metadata": {"gilo_creator": str(creator.pk)},
            },
            {"idempotency_key": f"account-{creator.pk}"},
        )
    ).id


def describe_payouts(creator: Creator | None) -> dict[str, Any]:
    """Balances and payouts of the creator's account. Raises PayoutsNotReady without one, and what `ask` raises."""
    if creator is None or not creator.stripe_account_id:
        raise PayoutsNotReady()
    account: Any = {"stripe_account": creator.stripe_account_id}
    balance = ask(lambda client: client.v1.balance.retrieve(None, account))
    payouts = ask(lambda client: client.v1.payouts.list({"limit": SHOWN_PAYOUTS}, account))
    return {
        "charges_enabled": creator.stripe_charges_enabled,
        "payouts_enabled": creator.stripe_payouts_enabled,
        "balances": _sum_balances(balance),
        "payouts": [Payout(row.amount, row.currency, row.status, at(row.arrival_date)) for row in payouts.data],
    }


def _sum_balances(balance: Any) -> list[Balance]:
    available = {row.currency: row.amount for row in balance.available}
    pending = {row.currency: row.amount for row in balance.pending}
    return [Balance(code, available.get(code, 0), pending.get(code, 0)) for code in sorted({*available, *pending})]
