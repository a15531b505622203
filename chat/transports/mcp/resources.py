"""The agent's documents as MCP resources: `gilo://documents/{id}`, each read as plain text."""

from typing import Any
from uuid import UUID

import mcp_types as types

from accounts.permissions import is_allowed
from chat.transports.mcp.door import Caller
from core.errors import CursorInvalid, NotFound
from core.tenancy import parse_id
from knowledge.reading import ReadableDocument, list_readable, read_document

SCHEME = "gilo://documents/"
PAGE_SIZE = 50
KNOWLEDGE = "knowledge.view"


def uri_of(document_id: Any) -> str:
    """A document's name among the resources."""
    return f"{SCHEME}{document_id}"


def may_read(caller: Caller) -> bool:
    """Whether this caller may read what the agent knows: the agent uses it, and the key opens it."""
    return caller.agent.config.knowledge_enabled and is_allowed(caller.principal, KNOWLEDGE)


async def list_resources(caller: Caller, cursor: str | None) -> types.ListResourcesResult:
    """One page of the ready documents, newest first; the cursor is the last one's id."""
    after = None if cursor is None else _read_cursor(cursor)
    found = await list_readable(caller.agent.workspace_id, caller.agent.agent_id, PAGE_SIZE + 1, after)
    page = found[:PAGE_SIZE]
    following = str(page[-1].id) if len(found) > PAGE_SIZE else None
    return types.ListResourcesResult(resources=[_describe(one) for one in page], next_cursor=following)


async def read_resource(caller: Caller, uri: str) -> types.ReadResourceResult:
    """The document's text; NotFound for a name that is none of ours or of another agent's document."""
    if not uri.startswith(SCHEME):
        raise NotFound()
    document_id = parse_id(uri.removeprefix(SCHEME))
    _, text = await read_document(caller.agent.workspace_id, caller.agent.agent_id, document_id)
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type="text/plain", text=text)])


def _describe(document: ReadableDocument) -> types.Resource:
    pages = "" if document.page_count is None else f", {document.page_count} pages"
    return types.Resource(
        uri=uri_of(document.id),
        name=document.name,
        description=f"The text of {document.name} ({document.mime_type}{pages})",
        mime_type="text/plain",
    )


def _read_cursor(cursor: str) -> UUID:
    try:
        return UUID(cursor)
    except ValueError:
        raise CursorInvalid() from None
