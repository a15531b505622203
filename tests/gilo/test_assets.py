"""What the browser loads: every icon that is named exists, and the first page stays small."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from agents.gallery import list_templates
from gilo.assets import AssetStorage

ROOT = Path(settings.BASE_DIR)
ICONS = {line for line in (ROOT / "assets" / "icons.txt").read_text().split() if not line.startswith("#")}
FIRST_PAGE_BYTES = 150 * 1024


def named_icons():
    for path in (ROOT / "templates").rglob("*.html"):
        yield from re.findall(r'{%\s*icon\s+"([a-z0-9-]+)"', path.read_text(encoding="utf-8"))
    for path in (ROOT / "assets" / "js").rglob("*.js"):
        yield from re.findall(r'\bicon\("([a-z0-9-]+)"', path.read_text(encoding="utf-8"))
    yield from (template.glyph for template in list_templates())


def test_sprite_has_every_icon_that_is_named():
    assert set(named_icons()) - ICONS == set()


def test_storage_names_an_asset_that_was_never_built_as_it_is():
    assert AssetStorage().stored_name("js/never-built.js") == "js/never-built.js"


def test_first_page_is_small():
    built = Path(settings.STATIC_ROOT)
    if not (built / "staticfiles.json").exists():
        pytest.skip("the assets are not built")
    files = [built / name for name in ("css/main.css", "css/pages/landing.css", "js/main.js", "icons.svg")]
    chunks = set(re.findall(r'"\./(chunks/[\w-]+\.js)"', files[2].read_text()))
    sizes = [Path(f"{path}.br").stat().st_size for path in [*files, *(built / "js" / name for name in chunks)]
             if Path(f"{path}.br").exists()]  # fmt: skip
    assert len(sizes) >= 4
    assert sum(sizes) < FIRST_PAGE_BYTES
