"""The public history: what a key's conversations hold, feedback on its answers, and facts about its agent.

Reads here are Django's, in threads: they are not hot. A visitor sees its own conversations only, and of a run no more
than how it went.
"""

from typing import Any
from uuid import UUID

from accounts.permissions import Principal
from chat.api import ConversationOutput, MessageOutput
from chat.models import Message
from chat.paging import PageQuery, page_by_activity, page_by_id, read_page_query
from chat.selectors import get_conversation, list_conversations, list_messages
from chat.services import delete_conversation, give_feedback
from chat.transports.doors import authorize_key
from chat.transports.http import Endpoint, Request
from chat.transports.sse import CHAT
from core.api import check_fields
from core.async_db import run_in_thread
from core.errors import FieldError, ValidationFailed
from core.text import is_storable
from knowledge.api import PassageOutput, SearchInput
from knowledge.retrieval import search_passages

LIST = "history.view"
DELETE = "history.delete"
SEARCH = "knowledge.view"
FACTS = "agent.view"
MAX_COMMENT_CHARACTERS = 1000
_RUN_FACTS_FOR_VISITORS = ("id", "status")


async def show_conversations(request: Request) -> None:
    """GET /api/v1/conversations?limit&cursor&user"""
    identity, principal = await authorize_key(request.token, LIST)
    page = read_page_query(request.scope["query_string"])
    answer = await run_in_thread(_list_conversations, principal, identity.agent.agent_id, page)
    await request.respond_json(200, answer)


async def show_messages(request: Request) -> None:
    """GET /api/v1/conversations/{id}/messages?limit&cursor"""
    _, principal = await authorize_key(request.token, LIST)
    page = read_page_query(request.scope["query_string"])
    answer = await run_in_thread(_list_messages, principal, request.path_id("conversation_id"), page)
    await request.respond_json(200, answer)


async def remove_conversation(request: Request) -> None:
    """DELETE /api/v1/conversations/{id}"""
    _, principal = await authorize_key(request.token, DELETE)
    conversation_id = request.path_id("conversation_id")
    await run_in_thread(lambda: delete_conversation(principal=principal, conversation_id=conversation_id))
    await request.respond_json(200, {"id": str(conversation_id), "deleted": True})


async def rate_message(request: Request) -> None:
    """POST /api/v1/messages/{id}/feedback"""
    _, principal = await authorize_key(request.token, CHAT)
    message_id = request.path_id("message_id")
    value, comment = read_feedback(await request.read_json())
    message = await run_in_thread(
        lambda: give_feedback(principal=principal, message_id=message_id, value=value, comment=comment)
    )
    answer = {"id": str(message.pk), "feedback": message.feedback, "feedback_comment": message.feedback_comment}
    await request.respond_json(200, answer)


async def search_knowledge(request: Request) -> None:
    """POST /api/v1/knowledge/search"""
    identity, _ = await authorize_key(request.token, SEARCH)
    asked = check_fields(SearchInput, await request.read_json())
    passages = await search_passages(identity.agent.agent_id, asked["query"], asked["limit"])
    await request.respond_json(200, {"data": PassageOutput(passages, many=True).data})


async def show_agent(request: Request) -> None:
    """GET /api/v1/agent"""
    identity, _ = await authorize_key(request.token, FACTS)
    config = identity.agent.config.as_json()
    shown = ("welcome_message", "suggested_questions", "appearance", "language")
    facts = {name: config[name] for name in shown}
    named = {"id": str(identity.agent.agent_id), "name": identity.agent.name, "slug": identity.agent.slug}
    await request.respond_json(200, {**named, **facts})


def read_feedback(body: Any) -> tuple[int | None, str]:
    """`value` and `comment` of a feedback; raises ValidationFailed."""
    if not isinstance(body, dict):
        raise ValidationFailed("The body must be a JSON object.")
    unknown = body.keys() - {"value", "comment"}
    if unknown:
        raise ValidationFailed(errors=[FieldError(name, "This field is not known here.") for name in sorted(unknown)])
    value, comment = body.get("value", 0), body.get("comment") or ""
    if value is not None and (type(value) is not int or abs(value) != 1):
        raise ValidationFailed("`value` must be 1, -1 or null.", param="value")
    if not isinstance(comment, str) or len(comment) > MAX_COMMENT_CHARACTERS:
        raise ValidationFailed(
            f"`comment` must be a text of at most {MAX_COMMENT_CHARACTERS} characters.", param="comment"
        )
    return value, comment


def _list_conversations(principal: Principal, agent_id: UUID, page: PageQuery) -> dict[str, Any]:
    conversations = list_conversations(principal, agent_id)
    user = page.filters.get("user", "")
    if user:
        conversations = conversations.filter(end_user=user) if is_storable(user) else conversations.none()
    shown, following = page_by_activity(conversations, page)
    return {"data": ConversationOutput(shown, many=True).data, "next": following}


def _list_messages(principal: Principal, conversation_id: UUID, page: PageQuery) -> dict[str, Any]:
    conversation = get_conversation(principal, conversation_id)
    shown, following = page_by_id(list_messages(conversation), page)
    return {"data": [_describe_message(principal, message) for message in shown], "next": following}


def _describe_message(principal: Principal, message: Message) -> dict[str, Any]:
    described = dict(MessageOutput(message).data)
    if principal.end_user and described["run"]:
        described["run"] = {name: described["run"][name] for name in _RUN_FACTS_FOR_VISITORS}
    return described


conversations_endpoint = Endpoint(LIST, GET=show_conversations)
messages_endpoint = Endpoint(LIST, GET=show_messages)
conversation_endpoint = Endpoint(DELETE, DELETE=remove_conversation)
feedback_endpoint = Endpoint(CHAT, POST=rate_message)
search_endpoint = Endpoint(SEARCH, POST=search_knowledge)
agent_endpoint = Endpoint(FACTS, GET=show_agent)
