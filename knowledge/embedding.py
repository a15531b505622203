"""Vectors for texts: the model inside (MiniLM on onnxruntime), or any OpenAI-compatible endpoint of the operator's.

`current_model()` names what is used; the name is stored with every vector, and only vectors of one name are compared.
"""

import threading
from functools import lru_cache
from typing import Protocol

import numpy as np
import openai
from django.conf import settings

from knowledge.errors import EmbeddingRejected, EmbeddingUnavailable
from knowledge.minilm import MODEL_NAME, Floats, MiniLM

_REMOTE_BATCH = 64
_REMOTE_TIMEOUT_SECONDS = 20
_LOCAL_THREADS = 2
_loading = threading.Lock()


class Embedder(Protocol):
    """Texts in, unit vectors out (n x dimensions, float32)."""

    name: str

    def embed(self, texts: list[str]) -> Floats: ...


class LocalEmbedder:
    """MiniLM in this process, loaded at first use."""

    name = MODEL_NAME

    def embed(self, texts: list[str]) -> Floats:
        return _load_model().embed(texts)


class RemoteEmbedder:
    """POST {base}/embeddings. Raises EmbeddingUnavailable for what may pass, EmbeddingRejected for what will not."""

    def __init__(self, base_url: str, api_key: str, model: str) -> None:
        self.name = f"{model}@{base_url.partition('://')[2]}"[:120]
        self._model = model
        self._client = openai.OpenAI(
            base_url=base_url, api_key=api_key or "none", timeout=_REMOTE_TIMEOUT_SECONDS, max_retries=0
        )

    def embed(self, texts: list[str]) -> Floats:
        parts = [self._request(texts[start : start + _REMOTE_BATCH]) for start in range(0, len(texts), _REMOTE_BATCH)]
        return np.concatenate(parts)

    def _request(self, texts: list[str]) -> Floats:
        try:
            answer = self._client.embeddings.create(model=self._model, input=texts, encoding_format="float")
            vectors = np.array(
                [item.embedding for item in sorted(answer.data, key=lambda item: item.index)], np.float32
            )
        except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
            raise EmbeddingUnavailable() from error
        except openai.APIStatusError as error:
            raise EmbeddingRejected(f"{EmbeddingRejected.message} (HTTP {error.status_code})") from error
        except (openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
            raise EmbeddingUnavailable("The embedding service gave an answer that cannot be read.") from error
        return _normalise(vectors, len(texts))


def get_embedder() -> Embedder:
    """The embedder that the settings name."""
    if settings.EMBEDDING_BASE_URL:
        return _remote(settings.EMBEDDING_BASE_URL, settings.EMBEDDING_API_KEY, settings.EMBEDDING_MODEL)
    return LocalEmbedder()


def current_model() -> str:
    """The name under which new vectors are stored."""
    return get_embedder().name


@lru_cache(maxsize=4)
def _remote(base_url: str, api_key: str, model: str) -> RemoteEmbedder:
    return RemoteEmbedder(base_url, api_key, model)


def _load_model() -> MiniLM:
    with _loading:  # two first questions at once must not load it twice
        return _model()


@lru_cache(maxsize=1)
def _model() -> MiniLM:
    return MiniLM(settings.DATA_DIR / "models", threads=_LOCAL_THREADS)


def _normalise(vectors: Floats, count: int) -> Floats:
    if vectors.ndim != 2 or len(vectors) != count or not np.isfinite(vectors).all():
        raise EmbeddingUnavailable("The embedding service gave an answer that cannot be read.")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
    return unit
