"""What runs used, and what of it is billed beyond the plan.

Each run leaves a `UsageRecord` in the statement that ends it (`record_usage`), so none is lost and none counts twice.
A request beyond the day's quota is let in where the customer wants that: it takes its price from the month's spending
cap before the model is called (`take_overage`), exactly, whoever else takes at that moment.
"""

from datetime import datetime
from uuid import UUID

import psycopg

from billing.errors import SpendingCapReached
from billing.models import OVERAGE_ROOM, Meter
from core.async_db import fetch_all

PRICES = {Meter.CONVERSATIONS.value: 10, Meter.REQUESTS.value: 1}  # in thousandths of a dollar
MILLS_PER_CENT = 10

# A scalar for a query in which `workspace` is the workspace's row: whether it wants requests beyond its plan.
WANTS_OVERAGE = """
COALESCE((SELECT overage_enabled FROM billing_customer WHERE billing_customer.workspace_id = workspace.id), false)
"""
_TAKE = f"""
INSERT INTO billing_overage (workspace_id, month, spent, cap)
SELECT workspace_id, date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC')::date, %s,
    spending_cap::bigint * {MILLS_PER_CENT}
FROM billing_customer WHERE workspace_id = %s AND overage_enabled
ON CONFLICT (workspace_id, month) DO UPDATE SET spent = billing_overage.spent + excluded.spent, cap = excluded.cap
RETURNING spent
"""  # noqa: S608 - constants of ours
_MILLS = f"CASE taken.meter {' '.join(f'WHEN {meter!r} THEN {mills}' for meter, mills in PRICES.items())} ELSE 0 END"


def record_usage(runs: str) -> str:
    """The SQL of a common table expression that keeps what runs used.

    `runs` is a SELECT of: id, workspace, agent, key, channel, model, when, input and output tokens, dollars, meter.
    Written twice it keeps the first.
    """
    return f"""
usage AS (
    INSERT INTO billing_usagerecord
        (id, workspace_id, agent_id, api_key_id, channel, model, at, input_tokens, output_tokens, cost_usd, meter)
    {runs}
    ON CONFLICT (id) DO NOTHING
)"""


def return_overages(taken: str) -> str:
    """The SQL of a common table expression that gives overage back: `taken` is a SELECT of workspace, meter, when."""
    return f"""
overage_returned AS (
    UPDATE billing_overage SET spent = greatest(spent - back.mills, 0)
    FROM (
        SELECT taken.workspace, date_trunc('month', taken.at AT TIME ZONE 'UTC')::date AS month, sum({_MILLS}) AS mills
        FROM ({taken}) taken(workspace, meter, at) GROUP BY 1, 2
    ) back
    WHERE billing_overage.workspace_id = back.workspace AND billing_overage.month = back.month
)"""  # noqa: S608 - constants of ours


_RETURN = f"WITH {return_overages('SELECT %s::uuid, %s::text, %s::timestamptz')} SELECT 1"


async def take_overage(workspace_id: UUID, meter: str) -> None:
    """Take the price of one more from this month's cap. Raises SpendingCapReached."""
    try:
        rows = await fetch_all(_TAKE, [PRICES[meter], workspace_id])
    except psycopg.errors.CheckViolation as error:
        if error.diag.constraint_name != OVERAGE_ROOM:
            raise
        rows = []
    if not rows:
        raise SpendingCapReached()


async def return_overage(workspace_id: UUID, meter: str, at: datetime) -> None:
    """Give back what was taken then: nothing began. A run that fails gives it back as it ends (`return_overages`)."""
    await fetch_all(_RETURN, [workspace_id, meter, at])
