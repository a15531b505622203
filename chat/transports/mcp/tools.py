"""What a model can do with an agent over MCP: ask it, and search in what it knows."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import mcp_types as types
import orjson
from mcp.server.context import ServerRequestContext

from accounts.permissions import is_allowed
from chat.execution import Turn
from chat.models import Channel
from chat.repeats import Answering, start_once
from chat.runtime.events import ERROR, Event
from chat.runtime.intake import MAX_MESSAGE_CHARACTERS, MessageTooLong
from chat.selectors import has_documents
from chat.transports.mcp.door import Caller
from chat.transports.mcp.resources import KNOWLEDGE, may_read, uri_of
from core.errors import FieldError, GiloError, ValidationFailed
from core.tenancy import parse_id
from knowledge.retrieval import MAX_QUERY_CHARACTERS, search_passages
from llm.types import Passage

PROGRESS_SECONDS = 0.25
DEFAULT_RESULTS = 5
MAX_RESULTS = 50
Context = ServerRequestContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: what it is, who may use it, what it does."""

    name: str
    title: str
    description: str
    action: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    call: Callable[[Caller, dict[str, Any], Context], Awaitable[types.CallToolResult]]
    annotations: types.ToolAnnotations

    def is_for(self, caller: Caller) -> bool:
        """Whether this caller may use it."""
        return may_read(caller) if self.action == KNOWLEDGE else is_allowed(caller.principal, self.action)

    def describe(self, caller: Caller) -> types.Tool:
        return types.Tool(
            name=self.name,
            title=self.title.format(agent=caller.agent.name),
            description=self.description.format(agent=caller.agent.name),
            input_schema=self.input_schema,
            output_schema=self.output_schema,
            annotations=self.annotations,
        )


def describe_failure(error: GiloError, request_id: str) -> types.CallToolResult:
    """The error in words for the model; its code and request id beside them for programs."""
    text = types.TextContent(text=error.message)
    return types.CallToolResult(content=[text], is_error=True, structured_content=error.body(request_id))


async def ask(caller: Caller, arguments: dict[str, Any], context: Context) -> types.CallToolResult:
    """Put the question to the agent and wait for its answer, told in pieces when the client asks for progress."""
    turn = _read_turn(caller, arguments)
    # A client that goes cancels this wait, never the beginning of a run: half of one would be nobody's.
    body = orjson.dumps([turn.message, arguments.get("conversation_id")])
    run = await asyncio.shield(asyncio.ensure_future(start_once(turn, caller.idempotency_key, body)))
    last = await _follow(run, context)
    if last is None or last.name == ERROR:
        raise run.failure or GiloError()
    return _describe_answer(run, last.data)


def _read_turn(caller: Caller, arguments: dict[str, Any]) -> Turn:
    conversation = arguments.get("conversation_id")
    return Turn(
        principal=caller.principal,
        agent=caller.agent,
        channel=Channel.MCP,
        message=_read_text(arguments, "question", MAX_MESSAGE_CHARACTERS),
        conversation_id=None if conversation is None else parse_id(conversation),
        request_id=caller.request_id,
        received_at=caller.received_at,
    )


async def _follow(run: Answering, context: Context) -> Event | None:
    """The run's last event. Each progress notification says how much is written, and what since the one before."""
    wants_progress = bool(context.meta and context.meta.get("progress_token") is not None)
    last, fresh, written, told_at = None, "", 0, 0.0
    async for group in run.follow():
        last = group[-1] if group else last
        fresh += "".join(event.text for event in group)
        is_due = (last is not None and last.is_last) or time.monotonic() - told_at >= PROGRESS_SECONDS
        if wants_progress and fresh and is_due:
            written, told_at = written + len(fresh), time.monotonic()
            await context.session.report_progress(written, message=fresh)
            fresh = ""
    return last


def _describe_answer(run: Answering, end: dict[str, Any]) -> types.CallToolResult:
    """The answer, then its sources and how to go on, for clients that show the model nothing but text."""
    sources = [f"[{one['index']}] {_place(one['filename'], one['page'])}" for one in end["citations"]]
    notes = ["Sources:", *sources, ""] if sources else []
    notes.append(f"To go on in this conversation: conversation_id {run.conversation_id}")
    answer = {
        "text": end["content"],
        "citations": end["citations"],
        "conversation_id": str(run.conversation_id),
        "run_id": str(run.run_id),
        "status": end["status"],
    }
    blocks = [types.TextContent(text=text) for text in (end["content"], "\n".join(notes))]
    return types.CallToolResult(content=list(blocks), structured_content=answer)


async def search(caller: Caller, arguments: dict[str, Any], context: Context) -> types.CallToolResult:
    """The passages of the agent's documents that fit the query best."""
    query = _read_text(arguments, "query", MAX_QUERY_CHARACTERS)
    limit = arguments.get("limit", DEFAULT_RESULTS)
    if type(limit) is not int or not 1 <= limit <= MAX_RESULTS:
        raise ValidationFailed(f"`limit` must be a whole number from 1 to {MAX_RESULTS}.", param="limit")
    agent_id = caller.agent.agent_id
    passages = await search_passages(agent_id, query, limit) if await has_documents(agent_id) else []
    blocks = [
        types.TextContent(text=f"[{one.index}] {_place(one.filename, one.page)}\n{one.content}") for one in passages
    ]
    found = [describe_passage(one) for one in passages]
    nothing = types.TextContent(text="Nothing was found.")
    return types.CallToolResult(content=list(blocks or [nothing]), structured_content={"results": found})


def describe_passage(passage: Passage) -> dict[str, Any]:
    """A found passage; `uri` names its document among the resources."""
    return {
        "index": passage.index,
        "content": passage.content,
        "score": passage.score,
        "document_id": passage.document_id,
        "filename": passage.filename,
        "page": passage.page,
        "uri": uri_of(passage.document_id),
    }


def _place(filename: str, page: int | None) -> str:
    return filename if page is None else f"{filename}, page {page}"


def refuse_unknown(arguments: dict[str, Any], tool: Tool) -> None:
    """Raise ValidationFailed for arguments that the tool does not know: a typing error must not pass."""
    unknown = sorted(arguments.keys() - tool.input_schema["properties"].keys())
    if unknown:
        errors = [FieldError(name, "This argument is not known here.") for name in unknown]
        raise ValidationFailed(f"Unknown arguments: {', '.join(unknown)[:200]}.", errors=errors)


def _read_text(arguments: dict[str, Any], name: str, most: int) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValidationFailed(f"`{name}` must be a text, and not empty.", param=name)
    if len(value) > most:
        raise MessageTooLong(f"`{name}` is too long: at most {most} characters.", param=name)
    return value


_TEXT = {"type": "string"}
_ID = {"type": "string", "format": "uuid"}
_PAGE = {"type": ["integer", "null"]}
_CITATION = {
    "type": "object",
    "properties": {
        "index": {"type": "integer", "description": "The number in brackets in the text."},
        "document_id": _ID,
        "filename": _TEXT,
        "page": _PAGE,
        "score": {"type": "number"},
        "snippet": _TEXT,
    },
}
_PASSAGE = {
    "type": "object",
    "properties": {
        "index": {"type": "integer"},
        "content": _TEXT,
        "score": {"type": "number", "description": "Orders the results of one search; means nothing across searches."},
        "document_id": _ID,
        "filename": _TEXT,
        "page": _PAGE,
        "uri": {"type": "string", "description": "The document among the resources."},
    },
}
ASK = Tool(
    name="ask",
    title="Ask {agent}",
    description="Ask the agent “{agent}” a question. It answers in text, with citations of its documents.",
    action="agent.chat",
    input_schema={
        "type": "object",
        "additionalProperties": False,
        "required": ["question"],
        "properties": {
            "question": {"type": "string", "minLength": 1, "maxLength": MAX_MESSAGE_CHARACTERS},
            "conversation_id": {**_ID, "description": "From an earlier answer, to go on in that conversation."},
        },
    },
    output_schema={
        "type": "object",
        "required": ["text", "citations", "conversation_id", "run_id", "status"],
        "properties": {
            "text": _TEXT,
            "citations": {"type": "array", "items": _CITATION},
            "conversation_id": _ID,
            "run_id": _ID,
            "status": {"type": "string", "enum": ["complete", "cancelled"]},
        },
    },
    call=ask,
    annotations=types.ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=True),
)
SEARCH = Tool(
    name="search",
    title="Search the documents of {agent}",
    description="Find passages in the documents that the agent “{agent}” knows, by words and by meaning.",
    action=KNOWLEDGE,
    input_schema={
        "type": "object",
        "additionalProperties": False,
        "required": ["query"],
        "properties": {
            "query": {"type": "string", "minLength": 1, "maxLength": MAX_QUERY_CHARACTERS},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_RESULTS, "default": DEFAULT_RESULTS},
        },
    },
    output_schema={
        "type": "object",
        "required": ["results"],
        "properties": {"results": {"type": "array", "items": _PASSAGE}},
    },
    call=search,
    annotations=types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
)
TOOLS = (ASK, SEARCH)
