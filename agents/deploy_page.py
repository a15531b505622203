"""What the builder's Deploy tab shows: its parts, the agent's addresses and the code that calls it."""

from functools import cache
from typing import Any

from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agents.config import AgentConfig
from agents.deployment import describe_urls, find_hosted_key, hosted_url
from agents.models import Agent
from agents.snippets import Addresses, Snippet, make_snippets

# Name (the address's #hash), label, template. Higher apps bring theirs: a part without a template is left out.
PARTS = (
    ("overview", gettext_lazy("Overview"), "agents/deploy/_overview.html"),
    ("api-keys", gettext_lazy("API keys"), "agents/deploy/_keys.html"),
    ("code", gettext_lazy("Code"), "agents/deploy/_code.html"),
    ("widget", gettext_lazy("Widget"), "integrations/_widget_panel.html"),
    ("webhooks", gettext_lazy("Webhooks"), "integrations/_webhooks.html"),
    ("limits", gettext_lazy("Limits & budgets"), "billing/_budgets.html"),
    ("calls", gettext_lazy("Calls"), "agents/deploy/_calls.html"),
)
# scope (accounts.permissions.SCOPES), what it lets a program do
SCOPE_TEXTS = (
    ("chat", gettext_lazy("ask the agent, and continue its own conversations")),
    ("conversations", gettext_lazy("read and delete its own conversations")),
    ("knowledge", gettext_lazy("search the agent's documents")),
)


def describe_deploy_tab(agent: Agent, config: AgentConfig) -> dict[str, Any]:
    """The template context of the Deploy tab."""
    addresses = addresses_of(agent)
    return {
        "deploy_parts": [part for part in PARTS if _exists(part[2])],
        "addresses": addresses,
        "is_hosted": find_hosted_key(agent) is not None,
        "hosted_url": hosted_url(agent),
        "key_scopes": SCOPE_TEXTS,
        "snippets": make_snippets_for(agent, config),
    }


def make_snippets_for(agent: Agent, config: AgentConfig) -> list[Snippet]:
    """The agent's snippets, asking its first suggested question."""
    question = next(iter(config.suggested_questions), "") or _("What can you do?")
    return make_snippets(addresses_of(agent), question)


def addresses_of(agent: Agent) -> Addresses:
    """Where the agent is called, on this site."""
    return Addresses(model=str(agent.pk), slug=agent.slug, **describe_urls(agent))


@cache
def _exists(template: str) -> bool:
    try:
        get_template(template)
    except TemplateDoesNotExist:
        return False
    return True
