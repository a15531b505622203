"""The API of one agent, described from the true schema and from the agent itself: what its reference page shows."""

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from agents.config import AgentConfig
from agents.models import Agent
from billing.plans import Plan
from chat.runtime.intake import MAX_MESSAGE_CHARACTERS, MAX_VARIABLE_CHARACTERS, MAX_VARIABLES
from gilo.api_docs import Operation, describe_api

_VARIABLE = re.compile(r"\{\{\s*([^\W\d]\w{0,49})\s*\}\}")
_PUBLIC = "/api/v1/"


@dataclass(frozen=True, slots=True)
class Example:
    """A request to the agent and what it may answer, as JSON texts."""

    request: str
    answer: str


def find_variables(instructions: str) -> list[str]:
    """The names in the {{variables}} of a text, each once, in order."""
    return list(dict.fromkeys(_VARIABLE.findall(instructions)))


def list_operations(agent: Agent) -> list[Operation]:
    """The operations that an API key of this agent opens, with its id in their paths; the chat first."""
    groups = [group for group in describe_api() if any(one.path.startswith(_PUBLIC) for one in group.operations)]
    found = [_of_agent(one, agent) for group in groups for one in group.operations if one.path.startswith(_PUBLIC)]
    return sorted(found, key=lambda one: (not one.path.endswith(f"{agent.pk}/chat"), "openai" in one.id))


def _of_agent(operation: Operation, agent: Agent) -> Operation:
    parameters = tuple(field for field in operation.parameters if field.name != "agent_id")
    return replace(operation, path=operation.path.replace("{agent_id}", str(agent.pk)), parameters=parameters)


def list_errors(operations: list[Operation]) -> list[tuple[str, str]]:
    """Status and words of everything that can go wrong in a chat."""
    chat = operations[0] if operations else None
    return [(code, words) for code, words, _fields in (chat.answers if chat else ()) if code >= "400"]


def make_example(agent: Agent, config: AgentConfig) -> Example:
    """One turn with the agent's own question and variables."""
    question = next(iter(config.suggested_questions), "") or _("What can you do?")
    request: dict[str, Any] = {"message": question, "stream": False}
    variables = find_variables(config.instructions)
    if variables:
        request["variables"] = dict.fromkeys(variables, "…")
    citation = {"index": 1, "document_id": "…", "filename": "…", "page": 1, "score": 0.87, "snippet": "…"}
    answer = {
        "id": "…",
        "conversation_id": "…",
        "run_id": "…",
        "status": "complete",
        "content": "… [1]" if config.knowledge_enabled else "…",
        "citations": [citation] if config.knowledge_enabled else [],
        "tool_calls": [],
        "usage": {"input_tokens": 612, "output_tokens": 48, "cost_usd": 0.0004},
        "latency_ms": 1400,
        "ttft_ms": 310,
        "finish_reason": "stop",
    }
    return Example(_as_text(request), _as_text(answer))


def describe_reference(agent: Agent, config: AgentConfig, plan: Plan) -> dict[str, Any]:
    """The template context of an agent's reference page."""
    operations = list_operations(agent)
    return {
        "agent": agent,
        "config": config,
        "operations": operations,
        "variables": find_variables(config.instructions),
        "example": make_example(agent, config),
        "errors": list_errors(operations),
        "plan": plan,
        "most_characters": MAX_MESSAGE_CHARACTERS,
        "most_variables": MAX_VARIABLES,
        "most_variable_characters": MAX_VARIABLE_CHARACTERS,
    }


def _as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
