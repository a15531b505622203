"""The streaming client for any OpenAI-compatible endpoint.

Ours, because the openai SDK builds objects for each piece (4 ms of CPU an answer, where this takes less than 0.1).
Tests compare both on the same streams. What is not per piece uses the SDK: see llm/probe.py.
"""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, NoReturn

import orjson

from core.http import EgressBlocked
from llm import reasons
from llm.errors import (
    ModelBlocked,
    ModelError,
    ModelRejected,
    ModelStreamBroken,
    ModelTimeout,
    ModelUnavailable,
)
from llm.providers import http1
from llm.providers.sse import StreamParser, read_whole_answer
from llm.types import ChatRequest, Endpoint, Finished, ModelEvent, TextDelta, ToolCallDelta

FIRST_EVENT_TIMEOUT = 60.0  # seconds until the first event of one attempt; comments do not count
TOTAL_TIMEOUT = 900.0  # seconds for one answer
RETRIES = 2
BACKOFF = (0.15, 0.5)  # seconds before each retry, times 0.5 to 1.5
LONGEST_RETRY_AFTER = 2.0  # seconds; a provider that asks for more gets no retry
DRAIN_TIMEOUT = 0.25  # seconds to wait for the end after [DONE], so that the connection can be used again
MAX_ANSWER_BYTES = 8 * 1024 * 1024  # of an answer in one object
MAX_STREAM_BYTES = 64 * 1024 * 1024  # of a stream: 300 bytes around each token
MAX_TEXT_CHARACTERS = 1_000_000  # of a stream's text: more than any model writes, and read again with its conversation
MAX_ERROR_BYTES = 64 * 1024
_REASONING = re.compile(r"(?:openai/)?(?:o[1-9](?:-|$)|gpt-5)")
_STREAM_OPTIONS = {"include_usage": True}


async def stream_chat(endpoint: Endpoint, request: ChatRequest) -> AsyncIterator[list[ModelEvent]]:
    """Yield a batch of events for each upstream read; the last one holds `Finished`.

    Raises ModelError. Retries up to RETRIES times, and only before the first event. Closing the iterator, or
    cancelling the task, closes the upstream connection at once.
    """
    answer, batch = await _begin_with_retries(endpoint, request)
    try:
        while batch:
            yield batch
            batch = await answer.read_batch()
    finally:
        answer.close()


async def _begin_with_retries(endpoint: Endpoint, request: ChatRequest) -> "tuple[_Answer, list[ModelEvent]]":
    attempt = 0
    while True:
        answer = _Answer(endpoint)
        try:
            return answer, await answer.begin(request)
        except ModelError as error:
            delay = _retry_delay(error, attempt)
            if delay is None:
                raise
        attempt += 1
        await asyncio.sleep(delay)


def _retry_delay(error: ModelError, attempt: int) -> float | None:
    if not error.retryable or attempt >= RETRIES or isinstance(error, ModelTimeout):
        return None
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= LONGEST_RETRY_AFTER else None
    return BACKOFF[attempt] * (0.5 + random.random())  # noqa: S311 - jitter, not a secret


class _Answer:
    """One attempt at one answer: the upstream connection and what was read of it."""

    __slots__ = ("_begun", "_connection", "_endpoint", "_is_stream", "_parser", "_size")

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._parser = StreamParser()
        self._connection: http1.Connection | None = None
        self._is_stream = False
        self._begun = time.monotonic()
        self._size = 0

    async def begin(self, request: ChatRequest) -> list[ModelEvent]:
        """Send the request and return the first batch; closes itself when that fails."""
        first: list[ModelEvent] = []
        try:
            first = await self._begin(request)
        except EgressBlocked as error:
            raise ModelBlocked() from error
        except TimeoutError as error:
            raise ModelTimeout() from error
        except OSError as error:
            raise _unreachable(error) from error
        except ModelStreamBroken as error:
            # nothing came yet, so nothing is kept, and it may be tried again
            raise ModelUnavailable(reasons.BROKE_OFF) from error
        finally:
            if not first:
                self.close()
        return first

    async def _begin(self, request: ChatRequest) -> list[ModelEvent]:
        connection = await self._open(request)
        if not connection.header(b"content-type").lower().startswith("text/event-stream"):
            return await _read_whole(connection, self._endpoint)
        self._is_stream = True
        first = await self._read_events(connection)
        connection.deadline = None  # from now on only silence is too long
        return first

    async def read_batch(self) -> list[ModelEvent]:
        """The events of the next read that has any, [] at the end; raises ModelStreamBroken."""
        if self._connection is None or not self._is_stream:
            return []
        try:
            return await self._read_events(self._connection)
        except TimeoutError as error:
            raise ModelStreamBroken(reasons.FELL_SILENT) from error
        except OSError as error:
            raise ModelStreamBroken() from error

    def close(self) -> None:
        """Give the connection back when the answer was read to its end, else close it: the model stops working."""
        if self._connection is not None:
            self._connection.release()

    async def _open(self, request: ChatRequest) -> http1.Connection:
        endpoint = self._endpoint
        pool = await http1.get_pool()
        target = _target(endpoint.base_url, endpoint.api_key, not endpoint.is_platform)
        body = orjson.dumps(_payload(request, endpoint.model))
        connection = self._connection = await pool.post(target, body, FIRST_EVENT_TIMEOUT)
        if connection.status != 200:
            raise await _refusal(connection, endpoint)
        return connection

    async def _read_events(self, connection: http1.Connection) -> list[ModelEvent]:
        parser = self._parser
        if parser.done:
            await _drain(connection)
            return []
        while True:
            if parser.has_content and self._is_endless():
                raise ModelStreamBroken(reasons.ENDLESS)
            data = await connection.read()
            self._size += len(data)
            try:
                events = parser.feed(data) if data else parser.close()
            except ModelError as error:
                raise _without_key(error, self._endpoint) from None
            if events:
                return events if parser.has_content else _refuse_empty(events)

    def _is_endless(self) -> bool:
        too_much = self._size > MAX_STREAM_BYTES or self._parser.written > MAX_TEXT_CHARACTERS
        return too_much or time.monotonic() - self._begun > TOTAL_TIMEOUT


async def _read_whole(connection: http1.Connection, endpoint: Endpoint) -> list[ModelEvent]:
    try:
        events = read_whole_answer(await _read_at_most(connection, MAX_ANSWER_BYTES))
    except ModelError as error:
        raise _without_key(error, endpoint) from None
    return events if isinstance(events[0], TextDelta | ToolCallDelta) else _refuse_empty(events)


def _refuse_empty(events: list[ModelEvent]) -> NoReturn:
    reason = next((event.reason for event in events if isinstance(event, Finished)), "")
    if reason == "length":
        raise ModelRejected(reasons.OUT_OF_TOKENS)
    if reason == "content_filter":
        raise ModelRejected(reasons.WITHHELD)
    raise ModelUnavailable(reasons.EMPTY)


async def _drain(connection: http1.Connection) -> None:
    # [DONE] came, the end of the response mostly with it: wait for it shortly, so that the connection is kept
    if not connection.has_more:
        return
    with suppress(OSError):
        async with asyncio.timeout(DRAIN_TIMEOUT):
            while await connection.read():
                pass


async def _read_at_most(connection: http1.Connection, limit: int) -> bytes:
    body = bytearray()
    while len(body) < limit and (data := await connection.read()):
        body += data
    return bytes(body[:limit])


def _unreachable(error: OSError) -> ModelError:
    if isinstance(error, http1.NameUnknown):
        return ModelUnavailable(reasons.NAME_UNKNOWN)
    if isinstance(error, http1.NotTrusted):
        return ModelUnavailable(reasons.NOT_TRUSTED)
    if isinstance(error, http1.ConnectFailed):
        return ModelUnavailable(reasons.NOT_CONNECTED)
    return ModelUnavailable()


async def _refusal(connection: http1.Connection, endpoint: Endpoint) -> ModelError:
    """The error for a status other than 200: what is wrong, in words, with the provider's own words after it."""
    words = _words_of(await _read_at_most(connection, MAX_ERROR_BYTES), endpoint)
    kind, reason = reasons.find_reason(connection.status)
    message = reasons.say(reason, words, status=connection.status, model=endpoint.model)
    retry_after = _retry_after(connection.header(b"retry-after"))
    return kind(message, retry_after=retry_after if kind.retryable else None)


def _without_key(error: ModelError, endpoint: Endpoint) -> ModelError:
    """The same error, if the provider's words in it do not repeat the key."""
    if not endpoint.api_key or endpoint.api_key not in error.message:
        return error
    return type(error)(error.message.replace(endpoint.api_key, "…"), retry_after=error.retry_after)


def _words_of(body: bytes, endpoint: Endpoint) -> str:
    try:
        answer = orjson.loads(body)
        error = answer.get("error", answer) if isinstance(answer, dict) else ""
        words = error.get("message") or error.get("detail") or "" if isinstance(error, dict) else error
    except orjson.JSONDecodeError:
        return ""  # an HTML page of some proxy helps nobody
    return reasons.tidy_words(words, endpoint.api_key)


def _retry_after(header: str) -> int | None:
    return int(header) if header.isascii() and header.isdigit() else None


@lru_cache(maxsize=256)
def _target(base_url: str, api_key: str, guarded: bool) -> http1.Target:
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream", "User-Agent": "GiLo"}
    headers["Accept-Encoding"] = "identity"
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    try:
        return http1.make_target(f"{base_url.rstrip('/')}/chat/completions", headers, guarded=guarded)
    except ValueError:
        raise ModelRejected(reasons.NOT_SENDABLE) from None


def _payload(request: ChatRequest, model: str) -> dict[str, Any]:
    return {
        "model": model,
        "messages": request.messages,
        **sampling_parameters(model, request.temperature, request.max_tokens),
        "stream": True,
        "stream_options": _STREAM_OPTIONS,
    }


def sampling_parameters(model: str, temperature: float, max_tokens: int) -> dict[str, Any]:
    """Temperature and length as this model wants them: OpenAI's reasoning models take no temperature."""
    if _is_reasoning(model):
        return {"max_completion_tokens": max_tokens}
    return {"temperature": temperature, "max_tokens": max_tokens}


@lru_cache(maxsize=1024)
def _is_reasoning(model: str) -> bool:
    return _REASONING.match(model) is not None
