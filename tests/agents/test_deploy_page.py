"""The Deploy tab as the server sends it, and the code on it."""

import json
import re
import shlex

import pytest

from accounts.models import Membership, Role, Workspace
from agents.deploy_page import PARTS, SCOPE_TEXTS, addresses_of
from agents.deployment import describe_urls
from agents.snippets import make_snippets
from tests.factories import make_agent, make_user

pytestmark = pytest.mark.django_db
# Text that each of the languages must escape.
AWKWARD = 'it\'s "said" \\ $HOME `x` {{y}} </script> é\u2028'


@pytest.fixture
def owner():
    return make_user()


@pytest.fixture
def agent(owner):
    return make_agent(Workspace.objects.get(memberships__user=owner), suggested_questions=("Is it <b>open</b>?",))


def page_of(client, agent) -> str:
    return client.get(f"/agents/{agent.pk}?tab=deploy").content.decode()


def parts_of(page: str) -> list[str]:
    return re.findall(r'id="deploy-tab-([\w-]+)"', page)


def code_of(agent, name: str, number: int = 0, key: str = "", question: str = AWKWARD) -> str:
    snippets = {snippet.id: snippet for snippet in make_snippets(addresses_of(agent), question)}
    return snippets[name].blocks[number].as_text(key)


def test_budgets_warn_in_words_of_a_model_without_a_price(client, owner, agent):
    client.force_login(owner)
    warning = '<a href="/settings/models">Enter its price</a>, or use a budget in tokens.'
    assert page_of(client, agent).count(warning) == 2  # above the list, and in the dialog
    client.cookies["django_language"] = "fr"
    assert page_of(client, agent).count('<a href="/settings/models">Saisissez son prix</a>') == 2


def test_owner_gets_every_part_and_all_addresses(client, owner, agent):
    client.force_login(owner)
    page = page_of(client, agent)
    assert parts_of(page) == [name for name, _label, _template in PARTS]
    for name, url in describe_urls(agent).items():
        assert url in page, name
    for scope, _text in SCOPE_TEXTS:
        assert f'name="scopes" value="{scope}"' in page


def test_scopes_that_can_be_chosen_are_all_that_keys_know():
    from accounts.permissions import SCOPES

    assert [scope for scope, _text in SCOPE_TEXTS] == list(SCOPES)


def test_viewer_gets_no_keys_and_no_way_to_change(client, agent):
    viewer = make_user()
    Membership.objects.filter(user=viewer).delete()
    Membership.objects.create(workspace=agent.workspace, user=viewer, role=Role.VIEWER)
    client.force_login(viewer)
    page = page_of(client, agent)
    assert "api-keys" not in parts_of(page)
    assert re.search(r'id="is-serving"[^>]* disabled', page)
    assert 'id="slug-form"' not in page
    assert 'id="key-dialog"' not in page


def test_question_of_the_agent_is_escaped_in_the_page(client, owner, agent):
    client.force_login(owner)
    page = page_of(client, agent)
    assert "Is it <b>open" not in page.replace("&lt;", "")
    assert "Is it &lt;b&gt;open&lt;/b&gt;?" in page


@pytest.mark.parametrize("number", [0, 1])
def test_shell_reads_the_question_as_one_word(agent, number):
    words = shlex.split(code_of(agent, "curl", number).replace("\\\n", " "))
    assert json.loads(words[words.index("-d") + 1])["message"] == AWKWARD


def test_key_stands_in_the_code_only_when_it_is_given(agent):
    for snippet in make_snippets(addresses_of(agent), AWKWARD):
        for block in snippet.blocks:
            assert "gilo_secret" not in block.as_text()
            assert ("gilo_secret" in block.as_text("gilo_secret")) is True
            assert "os.environ" not in block.as_text("gilo_secret")
            assert "{key}" not in block.as_text("gilo_secret")


def test_mcp_configuration_is_json_with_the_agents_name(agent):
    servers = json.loads(code_of(agent, "mcp", key="gilo_secret"))["mcpServers"]
    assert servers[agent.slug]["headers"] == {"Authorization": "Bearer gilo_secret"}
