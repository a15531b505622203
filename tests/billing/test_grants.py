"""Grants: exact whoever takes at once, all levels or none, dead at once."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from billing import grants
from billing.errors import AllowanceUsedUp, GrantEnded, GrantUsedUp
from billing.models import Grant

pytestmark = pytest.mark.django_db(transaction=True)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    async def wait() -> Any:
        return await work

    return async_to_sync(wait)()


def uses(*wanted: Grant) -> list[int]:
    return [Grant.objects.get(pk=grant.pk).uses for grant in wanted]


def test_parallel_takers_get_exactly_what_is_there() -> None:
    grant = grants.create_grant(most_uses=7)

    async def take_at_once() -> list[Any]:
        return await asyncio.gather(*(grants.take_use(grant.pk) for _ in range(20)), return_exceptions=True)

    results = run(take_at_once())
    assert results.count(None) == 7
    assert {type(item) for item in results if item is not None} == {GrantUsedUp}
    assert uses(grant) == [7]


def test_a_grant_without_a_number_is_not_counted_out() -> None:
    grant = grants.create_grant()
    for _ in range(3):
        run(grants.take_use(grant.pk))
    assert uses(grant) == [3]


def test_a_full_grant_above_refuses_and_counts_nothing_below() -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    platform = grants.create_grant(most_uses=1, expires_at=tomorrow)
    listing = grants.create_grant(most_uses=5, expires_at=tomorrow, parent=platform)
    address = grants.create_grant(most_uses=5, expires_at=tomorrow, parent=listing)
    run(grants.take_use(address.pk))
    with pytest.raises(AllowanceUsedUp) as caught:
        run(grants.take_use(address.pk))
    assert 86_000 < (caught.value.retry_after or 0) <= 86_401
    assert uses(platform, listing, address) == [1, 1, 1]
    run(grants.return_use(address.pk))
    assert uses(platform, listing, address) == [0, 0, 0]


@pytest.mark.parametrize("which", [0, 1])
def test_a_dead_grant_at_any_level_refuses(which: int) -> None:
    above = grants.create_grant(most_uses=5)
    below = grants.create_grant(most_uses=5, parent=above)
    grants.revoke_grant(grant_id=(above, below)[which].pk)
    with pytest.raises(GrantEnded):
        run(grants.take_use(below.pk))
    assert uses(above, below) == [0, 0]


def test_an_expired_or_missing_grant_refuses() -> None:
    over = grants.create_grant(expires_at=timezone.now() - timedelta(seconds=1))
    for grant_id in (over.pk, uuid4()):
        with pytest.raises(GrantEnded):
            run(grants.take_use(grant_id))
    assert run(grants.find_live_grants([over.pk, uuid4()])) == set()


def test_an_extended_grant_opens_again_but_a_revoked_one_does_not() -> None:
    grant = grants.create_grant(most_uses=1, expires_at=timezone.now() - timedelta(seconds=1))
    grants.extend_grant(grant_id=grant.pk, expires_at=timezone.now() + timedelta(days=1), more_uses=2)
    assert run(grants.find_live_grants([grant.pk])) == {grant.pk}
    for _ in range(3):
        run(grants.take_use(grant.pk))
    with pytest.raises(GrantUsedUp):
        run(grants.take_use(grant.pk))
    grants.revoke_grant(grant_id=grant.pk)
    grants.extend_grant(grant_id=grant.pk, expires_at=timezone.now() + timedelta(days=2))
    with pytest.raises(GrantEnded):
        run(grants.take_use(grant.pk))


def test_an_allowance_is_made_once() -> None:
    wanted = uuid4()
    tomorrow = timezone.now() + timedelta(days=1)
    for _ in range(2):
        grants.ensure_allowance(grant_id=wanted, most_uses=3, expires_at=tomorrow)
        run(grants.take_use(wanted))
    assert Grant.objects.get(pk=wanted).uses == 2
