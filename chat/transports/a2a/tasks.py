"""A run as an A2A task: its state, its artifacts (the answer, then its sources), and its events as updates."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from chat.runtime.events import DELTA, ERROR, KEEP_ALIVE, RUN_FINISHED, RUN_STARTED, Event
from chat.selectors import STREAMING, StoredMessage, StoredRun
from chat.transports.a2a.card import JSON, TEXT
from core.ids import milliseconds_of

WORKING, COMPLETED = "TASK_STATE_WORKING", "TASK_STATE_COMPLETED"
FAILED, CANCELED = "TASK_STATE_FAILED", "TASK_STATE_CANCELED"
# a run's status → the task's state: half an answer is no answer that another program can build on
_STATES = {
    STREAMING: WORKING,
    "complete": COMPLETED,
    "partial": FAILED,
    "failed": FAILED,
    "cancelled": CANCELED,
}
_ROLES = {"user": "ROLE_USER", "assistant": "ROLE_AGENT"}


def statuses_of(state: str) -> list[str] | None:
    """The run statuses behind a task's state; None for no state in particular."""
    return [status for status, one in _STATES.items() if one == state] if state else None


def describe_stored(run: StoredRun, history: Iterable[StoredMessage] = ()) -> dict[str, Any]:
    """The task as the run's rows tell it."""
    words = "" if run.error is None else str(run.error.get("message", ""))
    task = {
        **_names(run.id, run.conversation_id),
        "status": _status(_STATES[run.status], run.finished_at or run.started_at, words, run.id),
        "artifacts": _artifacts(run.content, run.citations),
        "history": [_message(one, run.conversation_id) for one in history],
    }
    return {name: value for name, value in task.items() if value}


def describe_working(run_id: UUID, conversation_id: UUID, text: str = "") -> dict[str, Any]:
    """The task while its answer is being written."""
    began_at = datetime.fromtimestamp(milliseconds_of(run_id) / 1000, UTC)
    task = {**_names(run_id, conversation_id), "status": _status(WORKING, began_at)}
    return {**task, "artifacts": _artifacts(text, [])} if text else task


def _names(run_id: UUID, conversation_id: UUID) -> dict[str, Any]:
    return {"id": str(run_id), "contextId": str(conversation_id)}


def _status(state: str, since: datetime, words: str = "", run_id: UUID | None = None) -> dict[str, Any]:
    status: dict[str, Any] = {"state": state, "timestamp": since.isoformat().replace("+00:00", "Z")}
    if words:
        status["message"] = {"messageId": f"{run_id}-status", "role": "ROLE_AGENT", "parts": [{"text": words}]}
    return status


def _artifacts(text: str, citations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answer = [_answer(text)] if text else []
    return [*answer, _sources(citations)] if citations else answer


def _answer(text: str) -> dict[str, Any]:
    return {"artifactId": "answer", "name": "answer", "parts": [{"text": text, "mediaType": TEXT}]}


def _sources(citations: list[dict[str, Any]]) -> dict[str, Any]:
    parts = [{"data": {"citations": citations}, "mediaType": JSON}]
    return {"artifactId": "citations", "name": "citations", "parts": parts}


def _message(message: StoredMessage, conversation_id: UUID) -> dict[str, Any]:
    return {
        "messageId": str(message.id),
        "contextId": str(conversation_id),
        "role": _ROLES[message.role],
        "parts": [{"text": message.content}],
    }


class TaskStream:
    """Translates a run's events to the updates of one streaming response, each in its JSON-RPC envelope."""

    def __init__(
        self, message_id: Any, run_id: UUID, conversation_id: UUID, snapshot: dict[str, Any] | None = None
    ) -> None:
        self._message_id = message_id
        self._run_id = run_id
        self._conversation_id = conversation_id
        self._snapshot = snapshot  # of a task that is joined under way: told before anything else
        self._has_text = bool(snapshot and snapshot.get("artifacts"))

    def encode(self, group: list[Event]) -> bytes:
        """A group of events as server-sent events; none is a comment, unless the snapshot is still to be told."""
        updates = [] if self._snapshot is None else [{"task": self._snapshot}]
        self._snapshot = None
        updates += [update for event in _join_texts(group) for update in self._translate(event)]
        return b"".join(map(self._envelop, updates)) or KEEP_ALIVE

    def _translate(self, event: Event) -> list[dict[str, Any]]:
        if event.name == RUN_STARTED:
            return [{"task": describe_working(self._run_id, self._conversation_id)}]
        if event.name == DELTA:
            return [self._artifact(_answer(event.text), is_more=True)]
        if event.name == RUN_FINISHED:
            citations = event.data["citations"]
            sources = [self._artifact(_sources(citations))] if citations else []
            return [*sources, self._end(_STATES[event.data["status"]])]
        if event.name == ERROR:
            return [self._end(FAILED, event.data["error"]["message"])]
        return []

    def _artifact(self, artifact: dict[str, Any], *, is_more: bool = False) -> dict[str, Any]:
        update = {**self._ids(), "artifact": artifact, "append": is_more and self._has_text, "lastChunk": not is_more}
        self._has_text = self._has_text or is_more
        return {"artifactUpdate": update}

    def _end(self, state: str, words: str = "") -> dict[str, Any]:
        return {"statusUpdate": {**self._ids(), "status": _status(state, datetime.now(UTC), words, self._run_id)}}

    def _ids(self) -> dict[str, Any]:
        return {"taskId": str(self._run_id), "contextId": str(self._conversation_id)}

    def _envelop(self, update: dict[str, Any]) -> bytes:
        return b"data: %b\n\n" % orjson.dumps({"jsonrpc": "2.0", "id": self._message_id, "result": update})


def _join_texts(group: list[Event]) -> Iterable[Event]:
    """The events with texts that follow one another joined: one update for all that leaves together."""
    text: list[str] = []
    for event in group:
        if event.name == DELTA:
            text.append(event.text)
            continue
        if text:
            yield Event(0, DELTA, {"text": "".join(text)})
            text = []
        yield event
    if text:
        yield Event(0, DELTA, {"text": "".join(text)})
