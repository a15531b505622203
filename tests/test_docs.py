"""The documents against the repository: links lead somewhere, named files and commands exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def anchors_of(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), f"{document.name} → {target}"
        if anchor:
            assert anchor in anchors_of(linked), f"{document.name} → {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_exist(document):
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", document.read_text(), re.MULTILINE):
        assert target in TARGETS, f"{document.name}: make {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_files_exist(document):
    for name in re.findall(
        r"`((?:tests|scripts|core|gilo|chat|knowledge|accounts|agents|llm|deploy|bench)/[\w./-]+\.\w+)`",
        document.read_text(),
    ):
        assert (ROOT / name).exists(), f"{document.name}: {name}"


def test_first_screen_of_the_readme_shows_both_commands():
    first = (ROOT / "README.md").read_text().splitlines()[:20]
    assert any(line.startswith("make run") for line in first)
    assert any(line.startswith("make test") for line in first)


def test_ci_runs_the_readmes_test_command():
    runner = ROOT / ".ci" / "run"
    assert runner.stat().st_mode & 0o111
    assert "make --no-print-directory test" in runner.read_text()
