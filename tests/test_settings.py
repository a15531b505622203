"""docs/settings.md against the code: the same variables, the same defaults."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Loads the settings in a process of its own, with every branch open, and notes each variable asked for.
RECORDER = """
import json, os, sys
asked = {}
class Recorder(dict):
    def get(self, name, default=None):
        asked.setdefault(name, default)
        return super().get(name, default)
os.environ = Recorder(os.environ)
import gilo.settings
print(json.dumps(asked))
"""
OPEN_ALL_BRANCHES = {
    "GILO_SITE_URL": "https://gilo.test",
}


@pytest.fixture(scope="module")
def read_by_code(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    environment = {
        "PATH": os.environ["PATH"],
        "GILO_DATA_DIR": str(tmp_path_factory.mktemp("settings")),
        **OPEN_ALL_BRANCHES,
    }
    output = subprocess.run(
        [sys.executable, "-c", RECORDER], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    asked: dict[str, str] = json.loads(output)
    return {name: default for name, default in asked.items() if f"{name}_FILE" in asked}


@pytest.fixture(scope="module")
def documented() -> dict[str, str]:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    return dict(rows)


def test_every_variable_is_documented_and_every_documented_one_is_read(read_by_code, documented):
    assert set(documented) == set(read_by_code)


def test_documented_defaults_are_those_of_the_code(read_by_code, documented):
    for name, words in documented.items():
        default = read_by_code[name]
        literal = re.match(r"`([^`]*)`", words)
        if default and not default.startswith("/") and name not in OPEN_ALL_BRANCHES:
            assert literal, f"{name}: the code's default is {default!r}"
            assert literal.group(1) == default, name
        elif literal and literal.group(1) not in {".data", "http://localhost:PORT"}:
            pytest.fail(f"{name}: documented as {words}, but the code has no default")


def test_each_variable_may_come_from_a_file(tmp_path):
    secret = tmp_path / "model"
    secret.write_text("a-model-of-mine\n")
    output = subprocess.run(
        [sys.executable, "-c", "import gilo.settings as s; print(s.OPENAI_MODEL)"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "GILO_DATA_DIR": str(tmp_path), "OPENAI_MODEL_FILE": str(secret)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert output.strip() == "a-model-of-mine"


@pytest.mark.parametrize(
    ("prices", "complaint"),
    [
        ({"OPENAI_INPUT_PRICE": "1"}, "both"),
        ({"OPENAI_INPUT_PRICE": "NaN", "OPENAI_OUTPUT_PRICE": "1"}, "OPENAI_INPUT_PRICE must be"),
        ({"OPENAI_INPUT_PRICE": "1", "OPENAI_OUTPUT_PRICE": "-1"}, "OPENAI_OUTPUT_PRICE must be"),
        ({"OPENAI_INPUT_PRICE": "$1", "OPENAI_OUTPUT_PRICE": "1"}, "OPENAI_INPUT_PRICE must be"),
    ],
)
def test_prices_that_make_no_sense_stop_the_start(tmp_path, prices, complaint):
    refused = read_prices(tmp_path, **prices)
    assert refused.returncode != 0
    assert complaint in refused.stderr


def test_prices_are_read_and_may_be_empty(tmp_path):
    assert read_prices(tmp_path, OPENAI_INPUT_PRICE="0.25", OPENAI_OUTPUT_PRICE="0").stdout == "0.25 0\n"
    assert read_prices(tmp_path, OPENAI_INPUT_PRICE="", OPENAI_OUTPUT_PRICE="").stdout == "None None\n"


def read_prices(tmp_path, **environment):
    code = "import gilo.settings as s; print(s.OPENAI_INPUT_PRICE, s.OPENAI_OUTPUT_PRICE)"
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False, cwd=ROOT, env={"PATH": os.environ["PATH"], "GILO_DATA_DIR": str(tmp_path), **environment},
        capture_output=True, text=True,
    )  # fmt: skip


def test_processes_that_start_together_agree_on_the_secret_they_make(monkeypatch, tmp_path):
    from gilo import settings

    monkeypatch.setattr(settings, "DATA_DIR", tmp_path)
    read_by_the_other = []

    def make_slowly():
        read_by_the_other.append(settings._kept_secret("A_KEY", lambda: "the other one's"))
        return "ours"

    assert settings._kept_secret("A_KEY", make_slowly) == "the other one's"
    assert read_by_the_other == ["the other one's"]
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["a_key"]
