"""The landing page's live agent: answers visitors, each of whom sees what they have asked and nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect

from core.embedded_postgres import EmbeddedPostgres
from tests.e2e.conftest import Visitor, answer, ask
from tests.processes import running


@pytest.fixture
def home(tmp_path: Path) -> Iterator[str]:
    """A machine with demo data."""
    data_dir = tmp_path / "data"
    with running(data_dir, env={"GILO_SEED_DEMO": "1"}, is_first_start=False) as process:
        yield process.url
    EmbeddedPostgres(data_dir / "postgres").stop()


def test_visitors_of_the_landing_page_never_see_each_others_questions(visitor: Visitor, home: str) -> None:
    anna, boris = visitor(), visitor()
    anna.open("/")
    ask(anna.page, "My order is number 4711. Which file formats can an agent read?")
    expect(answer(anna.page)).to_have_attribute("data-state", "complete")
    assert "4711" in requests.get(f"{home}/api/v1/conversations", headers=proof_of(anna), timeout=30).text

    boris.open("/")
    ask(boris.page, "How do I connect a model?")
    expect(answer(boris.page)).to_have_attribute("data-state", "complete")
    seen = requests.get(f"{home}/api/v1/conversations", headers=proof_of(boris), timeout=30).json()["data"]
    assert [row["title"] for row in seen] == ["How do I connect a model?"]

    key = re.search(r'"key": "([^"]+)"', requests.get(home, timeout=30).text)[1]
    refused = requests.get(f"{home}/api/v1/conversations", headers={"Authorization": f"Bearer {key}"}, timeout=30)
    assert refused.status_code == 401


def proof_of(visit) -> dict[str, str]:
    """What the page's own requests say of who its visitor is."""
    kept = visit.page.evaluate("Object.entries(localStorage).find(([name]) => name.startsWith('gilo:'))[1]")
    return {"Authorization": f"Bearer {json.loads(kept)['token']}"}
