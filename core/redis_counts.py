"""Counts in Redis that several processes share: checked against their limits and raised by one script, in one step.

All that a process asks at the same time goes out together, over one connection. Redis may be away: then every answer
is None, at once but for the question that finds out, and one question a second looks whether it is back.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

logger = logging.getLogger(__name__)
_ANSWER_SECONDS = 0.5  # an answer that takes longer counts as none
_RETRY_SECONDS = 1.0
_LARGEST_GROUP = 200

# KEYS: one per count. ARGV: for each its limit, the least that the caller knows it to be, the key's life in seconds.
# Answers the counts before this request; when one of them is at its limit, nothing was counted.
_SCRIPT = """
local counts, full = {}, false
for i = 1, #KEYS do
    local used = math.max(tonumber(redis.call('GET', KEYS[i]) or '0'), tonumber(ARGV[3 * i - 1]))
    counts[i] = used
    full = full or used >= tonumber(ARGV[3 * i - 2])
end
if not full then
    for i = 1, #KEYS do
        redis.call('SET', KEYS[i], counts[i] + 1, 'EX', ARGV[3 * i])
    end
end
return counts
"""
_SCRIPT_DIGEST = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()  # Redis's name for it


class Count(NamedTuple):
    """One count: its key, and for how many seconds after its last change Redis keeps it."""

    key: str
    seconds: int


class _Question(NamedTuple):
    arguments: tuple[Any, ...]  # of the script: how many keys, the keys, the values
    answer: asyncio.Future[list[int] | None]


class _Link:
    """One event loop's connection, and what waits for it."""

    def __init__(self, url: str) -> None:
        self.client = Redis.from_url(url, retry=Retry(NoBackoff(), 0))  # whoever asks again is a later request
        self.waiting: list[_Question] = []
        self.task: asyncio.Task[None] | None = None


class RedisCounts:
    """The counts behind one URL, and whether they are there."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._links: WeakKeyDictionary[asyncio.AbstractEventLoop, _Link] = WeakKeyDictionary()
        self._is_away = False
        self._retry_at = 0.0

    def is_worth_a_try(self) -> bool:
        """False while Redis is away, but for the one question that looks whether it is back."""
        if not self._is_away:
            return True
        now = time.monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + _RETRY_SECONDS
        return True

    async def hit(self, counts: Sequence[Count], limits: Sequence[int], known: Sequence[int]) -> list[int] | None:
        """The counts before this request, which counts only if none is at its limit; None when Redis is away.

        `known` is the least that each count is, whatever Redis has forgotten.
        """
        values: list[int] = []
        for count, limit, least in zip(counts, limits, known, strict=True):
            values += (limit, least, count.seconds)
        link = self._link()
        arguments = (len(counts), *(count.key for count in counts), *values)
        question = _Question(arguments, asyncio.get_running_loop().create_future())
        link.waiting.append(question)
        if link.task is None:
            link.task = asyncio.create_task(self._ask_waiting(link))
        return await question.answer

    async def read(self, counts: Sequence[Count]) -> list[int] | None:
        """The counts as they are; None when Redis is away."""
        values = await self._await(self._link().client.mget([count.key for count in counts]))
        return None if values is None else [int(value or 0) for value in values]

    async def close(self) -> None:
        """Close this loop's connection."""
        link = self._links.pop(asyncio.get_running_loop(), None)
        if link is not None:
            await link.client.aclose()

    def _link(self) -> _Link:
        loop = asyncio.get_running_loop()
        link = self._links.get(loop)
        if link is None:
            link = self._links[loop] = _Link(self._url)
        return link

    async def _ask_waiting(self, link: _Link) -> None:
        group: list[_Question] = []
        try:
            while link.waiting:
                group, link.waiting = link.waiting[:_LARGEST_GROUP], link.waiting[_LARGEST_GROUP:]
                answers = await self._await(_run_scripts(link.client, group))
                for index, question in enumerate(group):
                    if not question.answer.done():
                        question.answer.set_result(None if answers is None else answers[index])
        finally:
            link.task = None
            _answer_none([*group, *link.waiting])  # nobody waits for ever, whatever went wrong

    async def _await(self, question: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = await question
        except (RedisError, OSError, TimeoutError) as error:
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            if not self._is_away:
                self._is_away = True
                logger.warning("Redis is away, rate limits are counted in this process meanwhile: %s", error)
            return None
        if self._is_away:
            self._is_away = False
            logger.warning("Redis is back: rate limits are counted there again")
        return answer


def _answer_none(questions: Sequence[_Question]) -> None:
    for question in questions:
        if not question.answer.done():
            question.answer.set_result(None)


async def _run_scripts(client: Redis, group: Sequence[_Question]) -> list[list[int]]:
    answers = await _send(client, group)
    forgotten = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if forgotten:  # by a Redis that was started anew: what it did not know it did not count
        await client.script_load(_SCRIPT)
        again = await _send(client, [group[index] for index in forgotten])
        for index, answer in zip(forgotten, again, strict=True):
            answers[index] = answer
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


async def _send(client: Redis, group: Sequence[_Question]) -> list[Any]:
    async with client.pipeline(transaction=False) as pipeline:
        for question in group:
            pipeline.evalsha(_SCRIPT_DIGEST, *question.arguments)
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
    return answers
