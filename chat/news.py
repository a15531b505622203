"""News of a turn for the apps above, as outbox rows of the group commit; only what somebody wants (`wanted_events`)."""

from collections.abc import Iterable
from typing import Any

from agents.keys import ChatAgent
from chat.models import EventType
from core.ids import uuid7

Record = dict[str, Any]


def news_of_start(agent: ChatAgent, record: Record) -> list[Record]:
    """Of a turn's start, as `chat.writer` stores it: a new conversation, the question."""
    if not agent.wanted_events:
        return []
    facts = _facts(agent, record, record["channel"], record["end_user"])
    kinds: list[tuple[str, Record]] = []
    if record["is_new"]:
        kinds.append((EventType.CONVERSATION_STARTED, facts))
    if record["asks"]:
        question = {**facts, "message_id": record["question"], "role": "user", "content": record["content"]}
        kinds.append((EventType.MESSAGE_CREATED, {**question, "status": "complete"}))
    return _rows(agent, record["at"], kinds)


def news_of_end(agent: ChatAgent, record: Record, start: Record) -> list[Record]:
    """Of a run's end: the answer when there is one, and the failure when there was one."""
    if not agent.wanted_events:
        return []
    facts = _facts(agent, {**record, "conversation": start["conversation"]}, start["channel"], start["end_user"])
    answer = {**facts, "message_id": record["answer"], "role": "assistant", "content": record["content"]}
    kinds: list[tuple[str, Record]] = []
    if record["content"]:
        kinds.append((EventType.MESSAGE_CREATED, {**answer, "status": record["status"]}))
    if record["error"] is not None:
        kinds.append((EventType.RUN_FAILED, {**facts, "status": record["status"], "error": record["error"]}))
    return _rows(agent, record["at"], kinds)


def _facts(agent: ChatAgent, record: Record, channel: str, end_user: str) -> Record:
    return {
        "agent_id": agent.agent_id,
        "conversation_id": record["conversation"],
        "run_id": record["run"],
        "channel": channel,
        "end_user": end_user,
    }


def _rows(agent: ChatAgent, at: Any, kinds: Iterable[tuple[str, Record]]) -> list[Record]:
    wanted = [(kind, data) for kind, data in kinds if kind in agent.wanted_events]
    ids = sorted(uuid7() for _ in wanted)  # their order is the order in which they are told
    return [
        {"id": id, "workspace": agent.workspace_id, "agent": agent.agent_id, "type": kind, "data": data, "at": at}
        for id, (kind, data) in zip(ids, wanted, strict=True)
    ]
