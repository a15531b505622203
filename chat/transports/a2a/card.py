"""GET .../a2a/.well-known/agent-card.json: what the agent is, for programs that look for one.

The card of an agent that is deployed and switched on is for everybody, as the protocol's discovery wants it: name,
description, suggested questions, and where to send messages; never its instructions. Any other agent's card asks for
its key, and a stranger cannot tell it from an agent that does not exist.
"""

from typing import Any

from django.conf import settings

from agents.selectors import AgentCard, load_card
from chat.transports.a2a.errors import VERSION
from chat.transports.doors import authorize_key
from chat.transports.http import Endpoint, Request
from chat.transports.jsonrpc import VIEW
from core.errors import NotAuthenticated, NotFound
from core.policy import PUBLIC

TEXT, JSON = "text/plain", "application/json"


async def show_card(request: Request) -> None:
    """The card, when it is public or the key opens the agent."""
    agent_id = request.path_id("agent_id")
    token = request.token
    try:
        card = await load_card(agent_id)
    except NotFound:
        card = None
    if card is None or not card.is_public:
        if not token:
            raise NotAuthenticated("Send an API key of this agent: `Authorization: Bearer gilo_...`.")
        await authorize_key(token, VIEW, agent_id)
    if card is None:
        raise NotFound()
    await request.respond_json(200, describe_card(card))


def describe_card(card: AgentCard) -> dict[str, Any]:
    """The card in the protocol's JSON."""
    agent = card.agent
    description = card.description or agent.name
    address = f"{settings.SITE_URL}/api/v1/agents/{agent.agent_id}/a2a"
    key = {"scheme": "Bearer", "bearerFormat": "API key", "description": "An API key of this agent, `gilo_...`."}
    return {
        "name": agent.name,
        "description": description,
        "version": str(card.version),
        "supportedInterfaces": [{"url": address, "protocolBinding": "JSONRPC", "protocolVersion": VERSION}],
        "capabilities": {"streaming": True, "pushNotifications": False, "extendedAgentCard": False},
        "securitySchemes": {"apiKey": {"httpAuthSecurityScheme": key}},
        "securityRequirements": [{"schemes": {"apiKey": {"list": []}}}],
        "defaultInputModes": [TEXT],
        "defaultOutputModes": [TEXT, JSON],
        "skills": [
            {
                "id": "ask",
                "name": agent.name,
                "description": description,
                "tags": ["chat", "knowledge"] if agent.config.knowledge_enabled else ["chat"],
                "examples": list(agent.config.suggested_questions),
            }
        ],
    }


card_endpoint = Endpoint(PUBLIC, GET=show_card)
