"""One loader per format: bytes in, sections of text out. To add a format: one file, one line here, one in sniffing."""

from importlib import import_module

from knowledge.loaders.types import Loader

_MODULES = {
    "pdf": "knowledge.loaders.pdf",
    "docx": "knowledge.loaders.docx",
    "html": "knowledge.loaders.html",
    "csv": "knowledge.loaders.csv",
    "json": "knowledge.loaders.json",
    "markdown": "knowledge.loaders.text",
    "text": "knowledge.loaders.text",
}


def loader_for(kind: str) -> Loader:
    """The loader of a kind that `knowledge.sniffing` names. Imported on demand: the child starts fast."""
    loader: Loader = import_module(_MODULES[kind]).load
    return loader
