"""News that higher apps listen to."""

from django.dispatch import Signal

# counter: BudgetCounter with its budget; 80 % of a cap are spent, for the first time in this period. Sent inside the
# transaction that notes it as told: a receiver that raises is asked again by the next round.
budget_alert = Signal()
