import re
from dataclasses import dataclass

import pytest
from django.conf import settings

from agents.config import Appearance
from gilo.templatetags import ui


@dataclass
class Agent:
    id: str
    name: str
    appearance: Appearance | None = None


def test_agent_icon_is_drawn_from_the_id_and_keeps_its_colours():
    first, again = ui.agent_icon(Agent("a", "Guide")), ui.agent_icon(Agent("a", "Guide"))
    colours = [icon.split('stop-color="')[1][:7] for icon in (first, again)]
    assert colours[0] == colours[1]
    assert ">G</text>" in first
    assert "style=" not in first


def test_agent_icon_with_own_look_uses_it_and_escapes():
    icon = ui.agent_icon(Agent("a", "x", Appearance("#111111", "#222222", "<")))
    assert "#111111" in icon
    assert "&lt;</text>" in icon
    assert "#life-buoy" in ui.agent_icon(Agent("a", "x", Appearance(glyph="life-buoy")))


def test_highlight_marks_tokens_and_escapes_the_rest():
    marked = ui.highlight('import x  # <b>\nprint("<i>")')
    assert '<span class="tok-keyword">import</span> x' in marked
    assert '<span class="tok-comment"># &lt;b&gt;</span>' in marked
    assert '<span class="tok-string">&quot;&lt;i&gt;&quot;</span>' in marked


def test_names_in_a_description_are_marked_as_code_and_the_rest_is_escaped():
    assert ui.code_marks("Scope `chat`; <b>`<i>`") == "Scope <code>chat</code>; &lt;b&gt;<code>&lt;i&gt;</code>"


def test_icon_with_a_label_is_named_and_without_is_hidden():
    assert 'aria-label="Close"' in ui.icon("x", label="Close")
    assert 'aria-hidden="true"' in ui.icon("x")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_screenshots_are_there_in_the_pages_language_and_both_themes(language, client, db):
    page = client.get("/", headers={"Accept-Language": language}).content.decode()
    pictures = re.findall(r"/images/screen-(\w+)-(\w+)-(light|dark)", page)
    names = {name for name, _, _ in pictures}
    assert names >= {"instructions", "knowledge", "code", "builder", "chat"}
    assert sorted(pictures) == sorted((name, language, theme) for name in names for theme in ("light", "dark"))
    for name, _, theme in pictures:
        assert (settings.BASE_DIR / "assets" / "images" / f"screen-{name}-{language}-{theme}.webp").exists()
