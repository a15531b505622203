"""Why a model did not answer, in both languages."""

import ast
from pathlib import Path

import pytest
from django.template import Context, Template
from django.utils.translation import gettext, override

from llm import errors
from llm.reasons import FAILED, KEY_REFUSED, MAX_WORDS, REASONS, find_reason, say, tidy_words

LLM = Path(errors.__file__).parent
KINDS = {name for name in vars(errors) if name.startswith("Model")}


def test_every_reason_has_french_of_its_own() -> None:
    assert KEY_REFUSED in REASONS
    with override("fr"):
        assert [reason for reason in REASONS if gettext(reason) == reason] == []


def test_errors_of_models_say_reasons_never_texts_that_no_catalogue_holds() -> None:
    found = []
    for path in LLM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in KINDS and node.args:
                is_text = isinstance(node.args[0], ast.Constant | ast.JoinedStr)
                found += [f"{path.name}:{node.lineno}"] if is_text else []
    assert not found, "write the sentence in llm/reasons.py"


def test_page_holds_each_sentence_beside_its_translation() -> None:
    with override("fr"):
        page = Template("{% load model_reasons %}{% model_reasons %}").render(Context())
    assert "status %(status)s." in page
    assert "statut %(status)s." in page


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.ModelRejected),
        (401, errors.ModelRejected),
        (404, errors.ModelRejected),
        (307, errors.ModelRejected),
        (408, errors.ModelUnavailable),
        (429, errors.ModelRateLimited),
        (503, errors.ModelUnavailable),
    ],
)
def test_find_reason_knows_every_status(status: int, kind: type[errors.ModelError]) -> None:
    assert find_reason(status)[0] is kind


def test_say_puts_the_providers_words_behind() -> None:
    assert say(FAILED, "Too hot: 100 %", status=500) == "The model's provider failed with status 500. (Too hot: 100 %)"
    assert say(KEY_REFUSED) == KEY_REFUSED


def test_tidy_words_hides_a_key_also_where_the_words_are_cut() -> None:
    words = "x" * (MAX_WORDS - 3) + " sk-secret\n is wrong"
    assert "sk-" not in tidy_words(words, "sk-secret")
    assert len(tidy_words(words, "sk-secret")) == MAX_WORDS
    assert tidy_words(None) == ""
