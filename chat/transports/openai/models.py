"""`/models`: a key opens one agent, which is its one model, by id or slug."""

from typing import Any

from agents.keys import ChatAgent, KeyIdentity
from chat.transports.doors import authorize_key
from chat.transports.http import Request
from chat.transports.openai.errors import ModelNotFound, open_door
from chat.transports.sse import CHAT
from core.ids import milliseconds_of


async def list_models(request: Request) -> None:
    """GET /api/v1/models: the key's agent."""
    identity, _ = await authorize_key(request.token, CHAT)
    await request.respond_json(200, {"object": "list", "data": [describe_model(identity, identity.agent.slug)]})


async def retrieve_model(request: Request) -> None:
    """GET /api/v1/models/{model}"""
    identity, _ = await authorize_key(request.token, CHAT)
    name = request.scope["url_route"]["kwargs"]["model"]
    require_model(identity.agent, name)
    await request.respond_json(200, describe_model(identity, name))


def require_model(agent: ChatAgent, name: str) -> None:
    """Raises ModelNotFound unless the name is the agent's."""
    if name != agent.slug and name != str(agent.agent_id):
        raise ModelNotFound(param="model")


def describe_model(identity: KeyIdentity, name: str) -> dict[str, Any]:
    """The agent as a model."""
    created = milliseconds_of(identity.agent.agent_id)
    return {"id": name, "object": "model", "created": created // 1000, "owned_by": "gilo"}


models_endpoint = open_door(CHAT, GET=list_models)
model_endpoint = open_door(CHAT, GET=retrieve_model)
