"""The house's rules, held against the code: sizes, layers, names, the environment, what must never be committed."""

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db.models import ForeignKey

ROOT = Path(__file__).resolve().parent.parent
# the top may know what is below
LAYERS = ["gilo", "store", "integrations", "chat", "knowledge", "agents", "billing", "llm", "accounts", "core"]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_MEDIAN_FUNCTION_LINES = 10
MAX_FILE_BYTES = 1024 * 1024


def tracked(*patterns: str) -> list[Path]:
    """The files that git knows, and new ones that it would not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(path for path in map(ROOT.joinpath, set(listing.splitlines())) if path.is_file())


CODE = [
    path
    for path in tracked(*(f"{app}/**.py" for app in LAYERS), *(f"{app}/*.py" for app in LAYERS), "scripts/*.py")
    if "migrations" not in path.parts
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions_of(path: Path) -> Iterator[tuple[str, int]]:
    """(name, lines) of every function; decorators do not count."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{name_of(path)}:{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def test_files_are_short():
    long = {name_of(path): count for path in CODE if (count := len(path.read_text().splitlines())) > MAX_FILE_LINES}
    assert long == {}


def test_functions_are_short():
    sizes = dict(size for path in CODE for size in functions_of(path))
    assert {name: size for name, size in sizes.items() if size > MAX_FUNCTION_LINES} == {}
    assert statistics.median(sizes.values()) <= MAX_MEDIAN_FUNCTION_LINES


def test_only_settings_read_the_environment():
    readers = {
        name_of(path)
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"})
        and not path.is_relative_to(ROOT / "scripts")
    }
    # asgi.py only names the settings module, which Django asks for in the environment.
    assert readers <= {"gilo/settings.py", "gilo/asgi.py"}


def test_no_module_is_a_drawer():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "shared"}
    assert [name_of(path) for path in CODE if path.stem in drawers or path.parent.name in drawers] == []


def test_broad_excepts_give_their_reason():
    unexplained = []
    for path in CODE:
        lines = path.read_text().splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.ExceptHandler) and _is_broad(node) and "#" not in lines[node.lineno - 1]:
                unexplained.append(f"{name_of(path)}:{node.lineno}")
    assert unexplained == []


def _is_broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in {"Exception", "BaseException"}
    )


def test_broad_excepts_are_few():
    count = sum(
        isinstance(node, ast.ExceptHandler) and _is_broad(node)
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text()))
    )
    assert count <= 16


def test_foreign_keys_point_down():
    upward = [
        f"{model._meta.label}.{field.name} → {field.related_model._meta.label}"
        for app in LAYERS
        for model in apps.get_app_config(app).get_models()
        for field in model._meta.get_fields()
        if isinstance(field, ForeignKey)
        and field.related_model._meta.app_label in LAYERS
        and LAYERS.index(field.related_model._meta.app_label) < LAYERS.index(app)
    ]
    assert upward == []


def test_import_contracts_hold():
    result = subprocess.run(
        [ROOT / ".venv/bin/lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_migrations_are_one_line_without_gaps():
    for app in LAYERS:
        numbers = sorted(path.name[:4] for path in (ROOT / app / "migrations").glob("[0-9]*.py"))
        assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)], app


@pytest.mark.django_db
def test_migrations_match_the_models():
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_writes_and_reads_live_where_they_should():
    """Views and transports do not write rows: that is what services are for."""
    writes = re.compile(
        r"\.objects\.(create|bulk_create|update_or_create|get_or_create)\(|(?<!form)\.save\(|\.delete\(\)"
    )
    doors = [path for path in CODE if path.stem in {"api", "views"} or "transports" in path.parts]
    assert {name_of(path) for path in doors if writes.search(path.read_text())} == set()


def test_nothing_runs_user_input():
    """No exec, eval, pickle, os.system or shell: user input never becomes code (SAFETY, lesson 4)."""
    banned = {"exec", "eval", "compile", "__import__"}
    found = []
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in banned:
                found.append(f"{name_of(path)}:{node.lineno}")
            if isinstance(node, ast.keyword) and node.arg == "shell" and getattr(node.value, "value", False):
                found.append(f"{name_of(path)}:{node.value.lineno}")
            if isinstance(node, ast.Import) and {alias.name for alias in node.names} & {"pickle", "marshal", "shelve"}:
                found.append(f"{name_of(path)}:{node.lineno}")
    assert found == []


def test_templates_keep_to_the_content_security_policy():
    """No inline script, style or handler: the policy would block it."""
    inline = re.compile(
        r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>|<style|\sstyle=|\son[a-z]+=", re.IGNORECASE
    )
    templates = [path for path in tracked("templates/**") if path.suffix == ".html" and "email" not in path.parts]
    found = [f"{name_of(path)}: {match.group(0)}" for path in templates for match in inline.finditer(path.read_text())]
    assert found == []


TEXT = [
    path
    for path in tracked()
    if path.suffix
    in {".py", ".md", ".txt", ".in", ".toml", ".json", ".yaml", ".yml", ".sh", ".html", ".js", ".mjs", ".css", ".po"}
    or path.name in {"Makefile", "Dockerfile", "run"}
]


def test_no_path_of_a_developers_machine_is_committed():
    machine = re.compile(
        r"/(?:wor" + r"k|far" + r"m)/(?:main|in|steering|\.library|shared)|/ro" + r"ot/|/hom" + r"e/[a-z]+/"
    )
    allowed = {"Dockerfile", "compose.yaml"}
    found = [
        name_of(path) for path in TEXT if path.name not in allowed and machine.search(path.read_text(errors="replace"))
    ]
    assert found == []


def test_locks_name_no_registry():
    pattern = re.compile(r'"resolved": *"http|^--(extra-)?index-url|source = \{ registry', re.MULTILINE)
    locks = [path for path in tracked() if "lock" in path.name or path.parent.name == "requirements"]
    assert [name_of(path) for path in locks if path.suffix != ".py" and pattern.search(path.read_text())] == []


def test_every_locked_package_has_hashes():
    for lock in ("base.txt", "dev.txt"):
        entries = re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements" / lock).read_text())
        bare = [
            entry.split("==")[0] for entry in entries if "==" in entry.splitlines()[0] and "--hash=sha256:" not in entry
        ]
        assert bare == []


def test_no_large_or_minified_file_is_committed():
    files = tracked()
    assert [name_of(path) for path in files if path.stat().st_size > MAX_FILE_BYTES] == []
    assert [name_of(path) for path in files if re.search(r"\.min\.(js|css)$", path.name)] == []


def test_slow_libraries_are_imported_where_they_are_used():
    """A web process starts in half the time, and in less memory, without what few requests need."""
    code = (
        "import django, sys; django.setup(); import gilo.asgi, gilo.server, gilo.urls, gilo.worker; "
        "print(*{'openai', 'mcp', 'onnxruntime', 'pypdfium2'} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.strip() == ""
