"""Hashing passwords in turns."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, identify_hasher, make_password
from django.db import connection, connections

from accounts.hashers import AT_ONCE, Argon2InTurns
from tests.processes import wait_until

GUESSES = 4 * AT_ONCE


@pytest.fixture
def hashing(monkeypatch):
    """Holds every hash that begins until it is set; knows how many are under way."""
    go_on = threading.Event()
    go_on.under_way, go_on.most = [], 0
    verify = Argon2PasswordHasher.verify

    def held(*args):
        go_on.under_way.append(1)
        go_on.most = max(go_on.most, len(go_on.under_way))
        go_on.wait(20)
        go_on.under_way.pop()
        return verify(*args)

    monkeypatch.setattr(Argon2PasswordHasher, "verify", held)
    yield go_on
    go_on.set()


@pytest.mark.django_db(transaction=True)
def test_guesses_are_hashed_in_turns_and_wait_without_a_connection(hashing):
    stored = make_password("tidal-lantern-42")
    opened = []

    def guess(password):
        connection.ensure_connection()
        opened.append(connections["default"])  # this thread's own
        try:
            return check_password(password, stored)
        finally:
            connection.close()

    def all_wait():
        without = [one for one in opened if one.connection is None]
        return len(hashing.under_way) == AT_ONCE and len(without) == GUESSES - AT_ONCE

    with ThreadPoolExecutor(GUESSES) as pool:
        guesses = [pool.submit(guess, f"guess {number}") for number in range(GUESSES)]
        wait_until(all_wait, 10, "all guesses' waiting")
        hashing.set()
        assert [one.result(20) for one in guesses] == [False] * GUESSES
    assert hashing.most == AT_ONCE
    assert check_password("tidal-lantern-42", stored)


def test_stored_hashes_are_argon2_as_before():
    assert isinstance(identify_hasher(make_password("tidal-lantern-42")), Argon2InTurns)
    assert Argon2PasswordHasher().verify("tidal-lantern-42", make_password("tidal-lantern-42"))
