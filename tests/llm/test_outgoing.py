"""How many calls to users' servers wait at once, and what they hold meanwhile."""

from contextlib import ExitStack
from uuid import uuid4

import pytest
from django.db import connection

from llm.errors import TooManyProbes
from llm.outgoing import PROBES_PER_WORKSPACE, Slots, probing


def test_slots_are_bounded_for_a_workspace_and_in_all():
    slots, one = Slots(2, 3), uuid4()
    with slots.take(one) as first, slots.take(one) as second:
        assert first and second
        with slots.take(one) as third, slots.take(uuid4()) as of_another, slots.take(uuid4()) as beyond:
            assert (third, of_another, beyond) == (False, True, False)
        with slots.take(uuid4()) as after:
            assert after
    with slots.take(one) as again:
        assert again


def test_probing_gives_its_slot_back_after_a_failure():
    workspace = uuid4()
    for _ in range(PROBES_PER_WORKSPACE + 1):
        with pytest.raises(ZeroDivisionError), probing(workspace):
            raise ZeroDivisionError
    with ExitStack() as stack:
        for _ in range(PROBES_PER_WORKSPACE):
            stack.enter_context(probing(workspace))
        with pytest.raises(TooManyProbes), probing(workspace):
            pass


@pytest.mark.django_db(transaction=True)
def test_probing_holds_no_connection():
    connection.ensure_connection()
    with probing(uuid4()):
        assert connection.connection is None
