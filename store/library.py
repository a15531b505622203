"""What a signed-in reader has in the store: agents opened, bought, and copied into the own workspace."""

from typing import Any

from accounts.models import User
from accounts.permissions import Principal
from store.models import Purchase, PurchaseStatus, Remix, Use

SHOWN = 60


def describe_library(user: User, principal: Principal | None) -> dict[str, Any]:
    """The latest of each, with what the page shows of them. Three queries, whatever there is."""
    used = Use.objects.filter(user=user).select_related("listing__creator").order_by("-opened_at")
    bought = Purchase.objects.filter(user=user).exclude(status=PurchaseStatus.PENDING)
    workspace = principal.workspace_id if principal else None
    remixes = Remix.objects.for_workspace(workspace).select_related("agent__draft_version", "listing")
    return {
        "used": list(used[:SHOWN]),
        "bought": list(bought.select_related("listing__creator", "grant").order_by("-created_at")[:SHOWN]),
        "remixes": list(remixes.order_by("-created_at")[:SHOWN]),
    }
