"""News that higher apps listen to."""

from django.dispatch import Signal

agent_deleting = Signal()  # agent: Agent; inside the transaction that deletes it
