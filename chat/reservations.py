"""What a turn may cost at most, reserved from the agent's budgets before the model is called."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.permissions import Principal
from agents.keys import ChatAgent
from billing.budgets import reserve
from chat.runtime.context import build_messages, count_prompt, join_instructions
from llm.catalog import cost_usd, count_tokens
from llm.routing import resolve_endpoint
from llm.types import ChatMessage

PASSAGE_TOKENS = 600  # of one passage with its source: chunks have about 500


async def reserve_for(
    agent: ChatAgent,
    principal: Principal,
    *,
    conversation_id: UUID,
    end_user: str,
    extra_instructions: str,
    question: str,
    history: Sequence[ChatMessage],
    variables: Mapping[str, str],
    passages: int,
    max_tokens: int | None,
    now: datetime,
) -> list[dict[str, Any]]:
    """The rows that `chat.writer` reserves with the run, by the agent's caps."""
    config = agent.config
    endpoint = await resolve_endpoint(agent.workspace_id, config.endpoint_id, config.model)
    # The very messages that the model will read: only what is found for the question is not known yet.
    prompt = build_messages(
        instructions=join_instructions(config.instructions, extra_instructions),
        variables=variables,
        passages=(),
        history=history,
        question=question,
        count_tokens=count_tokens,
    )
    read = count_prompt(prompt, count_tokens)
    read += passages * PASSAGE_TOKENS if config.knowledge_enabled else 0
    written = config.max_tokens if max_tokens is None else min(max_tokens, config.max_tokens)
    return reserve(
        agent.caps,
        api_key_id=principal.api_key_id,
        key_family=principal.key_family,
        end_user=end_user,
        conversation_id=conversation_id,
        usd=cost_usd(endpoint.model, read, written, endpoint.prices),
        tokens=read + written,
        now=now,
    )
