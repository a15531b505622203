"""News that higher apps listen to."""

from django.dispatch import Signal

# counter: BudgetCounter with its budget; 80 % of a cap are spent, for the first time in this period. Sent inside the
# transaction that notes it as told: a receiver that raises is asked again by the next round.
budget_alert = Signal()

# kind: "account", "charge", "checkout.session", "invoice", "subscription", ...; object: Stripe's object as the event
# carried it, which may be old; account: the connected account that it is of, "" for the platform's own. Sent inside the
# transaction that applies the event. A receiver that finds it its own locks its rows, reads the object anew from Stripe
# (billing.stripe.ask), and answers True.
stripe_object_changed = Signal()

# mend: bool. The nightly comparison with Stripe has come to what higher apps keep: a receiver returns what differs as a
# list of billing.reconcile.Drift, and takes over what Stripe says when `mend` is set.
stripe_compared = Signal()
