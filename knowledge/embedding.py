"""Vectors for texts: the model inside (MiniLM on onnxruntime), or any OpenAI-compatible endpoint of the operator's.

`current_model()` names what is used; the name is stored with every vector, and only vectors of one name are compared.
"""

import threading
from functools import lru_cache
from typing import Protocol

from django.conf import settings

from knowledge.minilm import MODEL_NAME, Floats, MiniLM

_LOCAL_THREADS = 2
_loading = threading.Lock()


class Embedder(Protocol):
    """Texts in, unit vectors out (n x dimensions, float32)."""

    name: str

    def embed(self, texts: list[str]) -> Floats: ...

    def embed_query(self, text: str) -> Floats:
        """One vector, while somebody waits: soon, or an error."""
        ...


class LocalEmbedder:
    """MiniLM in this process, loaded at first use."""

    name = MODEL_NAME

    def embed(self, texts: list[str]) -> Floats:
        return _load_model().embed(texts)

    def embed_query(self, text: str) -> Floats:
        vector: Floats = self.embed([text])[0]
        return vector


def get_embedder() -> Embedder:
    """The embedder that the settings name."""
    if settings.EMBEDDING_BASE_URL:
        return _remote(settings.EMBEDDING_BASE_URL, settings.EMBEDDING_API_KEY, settings.EMBEDDING_MODEL)
    return LocalEmbedder()


def current_model() -> str:
    """The name under which new vectors are stored."""
    return get_embedder().name


@lru_cache(maxsize=4)
def _remote(base_url: str, api_key: str, model: str) -> Embedder:
    from knowledge.remote_embedding import RemoteEmbedder  # its SDK is slow to import: only where it is used

    return RemoteEmbedder(base_url, api_key, model)


def _load_model() -> MiniLM:
    with _loading:  # two first questions at once must not load it twice
        return _model()


@lru_cache(maxsize=1)
def _model() -> MiniLM:
    return MiniLM(settings.DATA_DIR / "models", threads=_LOCAL_THREADS)
