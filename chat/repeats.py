"""A public request that names itself (`Idempotency-Key`) is answered once, however often it is sent.

The key is kept with the run for a day; a run that failed gives it back, so that trying again tries again.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Protocol
from uuid import UUID

from accounts.permissions import Principal
from chat.errors import IdempotencyMismatch, RequestRepeated
from chat.execution import Turn, start_run
from chat.runtime.events import ERROR, Event
from chat.selectors import StoredRun, follow_run, load_run
from chat.streams import live_runs
from core.async_db import fetch_all
from core.errors import GiloError, NotFound, Unavailable, ValidationFailed

KEY_LENGTH = 255
_FIND_QUERY = "SELECT id, request_digest FROM chat_run WHERE api_key_id = %s AND idempotency_key = %s"
_FORGET_QUERY = """
UPDATE chat_run SET idempotency_key = '', request_digest = ''
WHERE idempotency_key <> '' AND started_at < clock_timestamp() - interval '24 hours' RETURNING 1
"""


class Answering(Protocol):
    """A run that a request is answered with, live or stored."""

    @property
    def run_id(self) -> UUID: ...
    @property
    def conversation_id(self) -> UUID: ...
    @property
    def answer_id(self) -> UUID: ...
    @property
    def failure(self) -> GiloError | None: ...
    @property
    def so_far(self) -> tuple[str, int, int]: ...
    def follow(self, after: int = 0) -> AsyncIterator[list[Event]]: ...


@dataclass(slots=True)
class StoredAnswer:
    """The run of the first request, for one that repeats it."""

    principal: Principal
    run: StoredRun

    @property
    def run_id(self) -> UUID:
        return self.run.id

    @property
    def conversation_id(self) -> UUID:
        return self.run.conversation_id

    @property
    def answer_id(self) -> UUID:
        return self.run.answer_id

    @property
    def failure(self) -> GiloError | None:
        live = live_runs.get(self.run.id)
        return live.failure if live is not None else _failure_of(self.run.error)

    @property
    def so_far(self) -> tuple[str, int, int]:
        """As of a live run."""
        live = live_runs.get(self.run.id)
        return live.so_far if live is not None else (self.run.content, self.run.input_tokens, self.run.output_tokens)

    async def follow(self, after: int = 0) -> AsyncIterator[list[Event]]:
        """The run's events; `failure` and `so_far` know of its end when an `error` tells it."""
        async for group in follow_run(self.principal, self.run, after):
            if group and group[-1].name == ERROR:
                with suppress(NotFound, Unavailable):  # deleted meanwhile; or only the database is away
                    self.run = await load_run(self.principal, self.run.id)
            yield group


async def start_once(turn: Turn, key: str, body: bytes) -> Answering:
    """Start the turn's run, or find the one that the same request started before. `key` "" starts it in any case.

    Raises what `start_run` does, ValidationFailed for an unusable key, IdempotencyMismatch for another body.
    """
    if not key:
        return await start_run(turn)
    if len(key) > KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise ValidationFailed(
            f"`Idempotency-Key` may hold up to {KEY_LENGTH} printable ASCII characters.", param="Idempotency-Key"
        )
    key = _own_name(turn.principal, key)
    # the agent belongs to the request as much as its body does
    digest = hashlib.sha256(turn.channel.encode() + b"\0" + body).hexdigest()
    found = await _find(turn.principal, key, digest)
    if found is not None:
        return found
    try:
        return await start_run(replace(turn, idempotency_key=key, request_digest=digest))
    except RequestRepeated:  # at the same moment, here or in another process
        found = await _find(turn.principal, key, digest)
        if found is None:
            raise
        return found


async def forget_old_keys() -> None:
    """End the day of idempotency keys."""
    await fetch_all(_FORGET_QUERY)


def _own_name(principal: Principal, key: str) -> str:
    """A widget's key is shared by all its visitors, who cannot know what names the others chose."""
    if not principal.end_user:
        return key
    return hashlib.sha256(f"{principal.end_user}\0{key}".encode()).hexdigest()


async def _find(principal: Principal, key: str, digest: str) -> StoredAnswer | None:
    rows = await fetch_all(_FIND_QUERY, [principal.api_key_id, key])
    if not rows:
        return None
    run_id, stored_digest = rows[0]
    if stored_digest != digest:
        raise IdempotencyMismatch(param="Idempotency-Key")
    return StoredAnswer(principal, await load_run(principal, run_id))


def _failure_of(stored: dict[str, Any] | None) -> GiloError | None:
    if stored is None:
        return None
    failure = GiloError(str(stored.get("message") or ""))
    failure.code, failure.status = str(stored.get("code")), HTTPStatus.BAD_GATEWAY
    return failure
