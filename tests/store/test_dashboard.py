"""A creator's figures over all listings."""

import pytest

from store import dashboard
from store.days import add_to_day
from tests.factories import make_workspace
from tests.store.making import make_listing

pytestmark = pytest.mark.django_db


def test_revenue_of_different_moneys_is_never_added_up() -> None:
    workspace, _ = make_workspace()
    for currency, amount in (("usd", 1_500), ("eur", 900), ("eur", 800)):
        listing = make_listing(workspace, price_kind="month", price=500, currency=currency)
        add_to_day(listing.pk, sales=1, revenue=amount, views=1)
    make_listing(workspace)
    listings = dashboard.list_with_figures(workspace.pk, 30)
    assert dashboard.sum_revenue(listings) == [("eur", 1_700), ("usd", 1_500)]
    today = dashboard.describe_workspace_days(workspace.pk, 30, "eur")[-1]
    assert (today["revenue"], today["views"]) == (1_700, 3)
