"""The one bridge between the doors and the loop: load, begin, answer, publish, finish.

A run is not a request. `start_run` returns as soon as the question and the run are durable; the answer goes on being
made in a task of this process whatever happens to the client. Every door follows the run that it gets back.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_noop

from accounts.permissions import Principal
from agents.keys import ChatAgent
from billing.budgets import as_reservation, exceeded_from, settle
from billing.errors import BudgetExceeded, SpendingCapReached
from billing.grants import return_use, take_use
from billing.metering import return_overage, take_overage
from billing.models import Meter
from chat.crowd import crowd
from chat.errors import ConversationBusy
from chat.news import news_of_end, news_of_start
from chat.reservations import reserve_for
from chat.runtime.context import build_messages, count_prompt, describe_citations, join_instructions
from chat.runtime.events import CITATIONS, ERROR, RUN_FINISHED, RUN_STARTED
from chat.runtime.loop import stream_answer
from chat.runtime.outcome import CANCELLED, Interrupted, Outcome, outcome_of_error, used_citations
from chat.selectors import StoredMessage, as_prompt, describe_start, describe_usage, has_documents, load_history
from chat.streams import LiveRun, live_runs
from chat.writer import Writer
from core.api import to_gilo_error
from core.errors import GiloError, NotFound, TooManyRequests, Unavailable
from core.ids import uuid7
from knowledge.retrieval import search_passages
from llm.catalog import cost_usd, count_tokens
from llm.routing import resolve_endpoint, stream_chat
from llm.types import ChatMessage, ChatRequest, Passage, Usage

logger = logging.getLogger(__name__)
TITLE_CHARACTERS = 120
PASSAGES_PER_QUESTION = 5
_OUT_OF_REQUESTS = gettext_noop("This agent has no requests left for today. Come back tomorrow.")

process_id: UUID = uuid7()  # this process's name in `Run.process`
writer = Writer()
_is_stopping = False
_conversations_in_start: set[UUID] = set()


@dataclass(slots=True)
class Turn:
    """One question to an agent, and all that shapes its answer. Nobody changes it; freezing it would cost each turn."""

    principal: Principal
    agent: ChatAgent
    channel: str
    message: str
    conversation_id: UUID | None = None
    regenerate: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    end_user: str = ""
    request_id: str = ""
    received_at: float = field(default_factory=time.monotonic)
    # the OpenAI-compatible door sends history and further instructions itself, and may lower the limits
    history: Sequence[ChatMessage] = ()
    extra_instructions: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    # a public request may name itself: the same name and request are answered by the same run
    idempotency_key: str = ""
    request_digest: str = ""


@dataclass(slots=True)
class _Beginning:
    """What a turn adds to its conversation."""

    question: str
    history: Sequence[ChatMessage]
    question_id: UUID | None = None  # of the stored question that is answered again
    supersedes: list[UUID] = field(default_factory=list)


async def start_run(turn: Turn) -> LiveRun:
    """Store the question and the run, then start making the answer; returns the live run to follow.

    Raises NotFound for a conversation that is not the principal's own, ConversationBusy, BudgetExceeded, Unavailable,
    and RequestRepeated when its idempotency key has a run: `chat.repeats` finds that one.
    """
    if _is_stopping:
        raise Unavailable()
    if turn.principal.end_user:  # a visitor cannot speak for another
        turn = replace(turn, end_user=turn.principal.end_user)
    with _alone_in_conversation(turn.conversation_id):
        return await _begin_run(turn)


@contextmanager
def _alone_in_conversation(conversation_id: UUID | None) -> Iterator[None]:
    """Until a turn's run is stored, nobody else sees it: a second turn of the conversation must not slip in."""
    if conversation_id in _conversations_in_start:
        raise ConversationBusy()
    if conversation_id is None:
        yield
        return
    _conversations_in_start.add(conversation_id)
    try:
        yield
    finally:
        _conversations_in_start.discard(conversation_id)


async def _begin_run(turn: Turn) -> LiveRun:
    beginning = await _read_conversation(turn)
    question_id, answer_id = sorted((uuid7(), uuid7()))  # the messages' order is their ids' order
    run = LiveRun(uuid7(), turn.conversation_id or uuid7(), answer_id, turn.principal, turn.received_at)
    run.request_id = turn.request_id
    record = _begin_record(turn, beginning, run, beginning.question_id or question_id)
    reserving = await _reserve(turn, beginning, run, record)
    await _pay_and_store(turn, record, reserving)
    live_runs[run.run_id] = run
    run.publish(RUN_STARTED, describe_start(run.run_id, run.conversation_id, run.answer_id))
    run.task = asyncio.get_running_loop().create_task(_make_answer(run, turn, beginning, record))
    return run


async def _pay_and_store(turn: Turn, record: dict[str, Any], reserving: list[dict[str, Any]]) -> None:
    """Take what a turn costs besides budgets, then store its start; what was taken goes back when nothing begins.

    What a run took goes back in the statement that ends it, if it fails, or is found dead without a word.
    """
    async with AsyncExitStack() as paid:
        if turn.principal.grant_id is not None:
            await take_use(turn.principal.grant_id)
            paid.push_async_callback(return_use, turn.principal.grant_id)
        if record["meter"]:
            await _take_overage(turn.principal, record)
            paid.push_async_callback(return_overage, record["workspace"], record["meter"], record["at"])
        await _store_start(turn, record, reserving)
        paid.pop_all()


async def _take_overage(principal: Principal, record: dict[str, Any]) -> None:
    try:
        await take_overage(record["workspace"], record["meter"])
    except SpendingCapReached:
        if principal.end_user:  # how much the builder allows is not a visitor's matter
            raise TooManyRequests(_OUT_OF_REQUESTS) from None
        raise


async def _store_start(turn: Turn, record: dict[str, Any], reserving: list[dict[str, Any]]) -> None:
    try:
        await writer.begin(record, reserving, news_of_start(turn.agent, record))
    except BudgetExceeded:
        if turn.principal.end_user:
            raise  # how much the builder allows is not a visitor's matter
        raise await exceeded_from(reserving, record["at"]) from None


async def _reserve(turn: Turn, beginning: _Beginning, run: LiveRun, record: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of what the turn may cost; the run keeps them until it is settled."""
    if not turn.agent.caps:
        return []
    rows = await reserve_for(
        turn.agent,
        turn.principal,
        conversation_id=run.conversation_id,
        end_user=turn.end_user,
        extra_instructions=turn.extra_instructions,
        question=beginning.question,
        history=beginning.history,
        variables=turn.variables,
        passages=PASSAGES_PER_QUESTION,
        max_tokens=turn.max_tokens,
        now=record["at"],
    )
    record["reservation"] = as_reservation(rows) or None
    return rows


def refuse_runs() -> None:
    """From now on new runs are refused with `Unavailable`: the process is stopping."""
    global _is_stopping
    _is_stopping = True


def accept_runs() -> None:
    global _is_stopping
    _is_stopping = False


async def _read_conversation(turn: Turn) -> _Beginning:
    if turn.conversation_id is None:
        return _Beginning(turn.message, turn.history)
    stored = await load_history(turn.principal, turn.agent.agent_id, turn.conversation_id)
    if any(message.status == "streaming" for message in stored):
        raise ConversationBusy()
    if turn.regenerate:
        return _answer_again(turn, stored)
    return _Beginning(turn.message, as_prompt(stored))


def _answer_again(turn: Turn, stored: list[StoredMessage]) -> _Beginning:
    """The last question once more, with new words if the turn has some: what it replaces is superseded."""
    asked = max((index for index, message in enumerate(stored) if message.role == "user"), default=None)
    if asked is None:
        raise NotFound("There is no question in this conversation that could be answered again.")
    history = as_prompt(stored[:asked])
    if turn.message and turn.message != stored[asked].content:
        return _Beginning(turn.message, history, None, [message.id for message in stored[asked:]])
    replaced = [message.id for message in stored[asked + 1 :]]
    return _Beginning(stored[asked].content, history, stored[asked].id, replaced)


def _begin_record(turn: Turn, beginning: _Beginning, run: LiveRun, question_id: UUID) -> dict[str, Any]:
    agent, principal = turn.agent, turn.principal
    return {
        "conversation": run.conversation_id,
        "is_new": turn.conversation_id is None,
        "workspace": agent.workspace_id,
        "agent": agent.agent_id,
        "channel": turn.channel,
        "user": principal.user_id,
        "api_key": principal.api_key_id,
        "end_user": turn.end_user,
        "title": " ".join(beginning.question[: 2 * TITLE_CHARACTERS].split())[:TITLE_CHARACTERS],
        "at": datetime.now(UTC),
        "question": question_id,
        "asks": beginning.question_id is None,
        "content": beginning.question,
        "answer": run.answer_id,
        "run": run.run_id,
        "version": agent.version_id,
        "process": process_id,
        "supersedes": beginning.supersedes or None,
        "idempotency_key": turn.idempotency_key,
        "request_digest": turn.request_digest,
        "reservation": None,
        "meter": _meter_of(turn),
        "grant": principal.grant_id,
        "platform_pays": principal.is_platform_paid,
    }


def _meter_of(turn: Turn) -> str:
    """What is billed for a turn beyond the plan: a visitor's conversation when it begins, a program's every request."""
    if not turn.principal.is_over_quota:
        return ""
    if turn.principal.end_user:
        return Meter.CONVERSATIONS.value if turn.conversation_id is None else ""
    return Meter.REQUESTS.value


async def _make_answer(run: LiveRun, turn: Turn, beginning: _Beginning, record: dict[str, Any]) -> None:
    run.is_generating = True
    try:
        outcome = run.stopping or await _generate(run, turn, beginning)
    except asyncio.CancelledError:
        outcome = run.stopping or outcome_of_error(Interrupted(), run.answer.text)
    except Exception as error:  # noqa: BLE001 - any fault must end the run in words; to_gilo_error logs the unforeseen
        outcome = outcome_of_error(to_gilo_error(error), run.answer.text)
    run.is_generating = False
    try:
        await _finish(run, turn, outcome, record)
    except Exception as error:  # noqa: BLE001 - whoever follows must hear of an end; to_gilo_error logs the fault
        live_runs.pop(run.run_id, None)
        run.failure = to_gilo_error(error)
        run.publish(ERROR, run.failure.body(run.request_id))


async def _generate(run: LiveRun, turn: Turn, beginning: _Beginning) -> Outcome:
    config = turn.agent.config
    passages = await _find_passages(run, turn, beginning.question) if config.knowledge_enabled else ()
    endpoint = await resolve_endpoint(turn.agent.workspace_id, config.endpoint_id, config.model)
    run.model, run.prices = endpoint.model, endpoint.prices
    request = ChatRequest(
        messages=build_messages(
            instructions=join_instructions(config.instructions, turn.extra_instructions),
            variables=turn.variables,
            passages=passages,
            history=beginning.history,
            question=beginning.question,
            count_tokens=count_tokens,
        ),
        temperature=config.temperature if turn.temperature is None else turn.temperature,
        max_tokens=config.max_tokens if turn.max_tokens is None else min(turn.max_tokens, config.max_tokens),
        passages=tuple(passages),
        language=config.language,
        question=beginning.question,
    )
    run.request = request
    return await stream_answer(stream_chat(endpoint, request), run.answer, run.publish_text, crowd.rest)


async def _find_passages(run: LiveRun, turn: Turn, question: str) -> Sequence[Passage]:
    """The passages for the question, told to the followers before the answer begins."""
    if not await has_documents(turn.agent.agent_id):
        return ()
    passages = await search_passages(turn.agent.agent_id, question, PASSAGES_PER_QUESTION, turn.agent.documents)
    if passages:
        run.citations = describe_citations(passages)
        run.publish(CITATIONS, run.citations)
    return passages


def _estimate_usage(run: LiveRun, outcome: Outcome) -> Usage:
    """What an endpoint that did not say so has read and written: nothing when it was not asked or did not begin.

    One that was stopped before its first word has read the question, and providers bill that.
    """
    text = run.answer.text
    if run.request is None or not (text or outcome.status == CANCELLED):
        return Usage(0, 0)
    return Usage(count_prompt(run.request.messages, count_tokens), count_tokens(text))


async def _finish(run: LiveRun, turn: Turn, outcome: Outcome, start: dict[str, Any]) -> None:
    """Make the end durable, then tell it."""
    now = time.monotonic()
    content = run.answer.text
    usage = run.answer.usage = run.answer.usage or _estimate_usage(run, outcome)
    cost = cost_usd(run.model, usage.input_tokens, usage.output_tokens, run.prices)
    latency_ms = round((now - run.received_at) * 1000)
    ttft_ms = None if run.first_text_at is None else round((run.first_text_at - run.received_at) * 1000)
    citations = used_citations(content, run.citations)
    record = {
        "run": run.run_id,
        "answer": run.answer_id,
        "status": outcome.status,
        "content": content,
        "citations": citations,
        "trace": run.trace,
        "model": run.model,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": str(cost),
        "ttft_ms": ttft_ms,
        "latency_ms": latency_ms,
        "finish_reason": outcome.finish_reason,
        "error": None if outcome.error is None else outcome.error.body(run.request_id)["error"],
        "at": datetime.now(UTC),
    }
    try:
        settling = settle(start["reservation"], usd=cost, tokens=usage.input_tokens + usage.output_tokens)
        await writer.finish(record, settling, news_of_end(turn.agent, record, start))
    except GiloError as error:
        outcome = replace(outcome, error=error)
    _tell_end(run, outcome, record, usage, cost)


def _tell_end(run: LiveRun, outcome: Outcome, record: dict[str, Any], usage: Usage, cost: Decimal) -> None:
    live_runs.pop(run.run_id, None)
    if outcome.error is not None:
        run.failure = outcome.error
        run.publish(ERROR, outcome.error.body(run.request_id))
    else:
        run.publish(
            RUN_FINISHED,
            {
                "status": outcome.status,
                "outcome": "answer",
                "content": record["content"],
                "citations": record["citations"],
                "usage": describe_usage(
                    usage.input_tokens, usage.output_tokens, None if run.principal.end_user else cost
                ),
                "latency_ms": record["latency_ms"],
                "ttft_ms": record["ttft_ms"],
                "finish_reason": outcome.finish_reason,
            },
        )
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("run %s %s in %s ms, %s", run.run_id, outcome.status, record["latency_ms"], usage)
