"""Vectors from any OpenAI-compatible endpoint of the operator's (EMBEDDING_BASE_URL)."""

import threading
import time

import numpy as np
import openai

from knowledge.errors import EmbeddingRejected, EmbeddingUnavailable
from knowledge.minilm import Floats

_BATCH = 64
_TIMEOUT_SECONDS = 20.0
QUERY_SECONDS = 2.0  # to connect, and to answer: somebody waits for the answer to a question
PAUSE_SECONDS = 30.0  # how long a service that failed is not asked for questions' vectors


class RemoteEmbedder:
    """POST {base}/embeddings. Raises EmbeddingUnavailable for what may pass, EmbeddingRejected for what will not."""

    def __init__(self, base_url: str, api_key: str, model: str) -> None:
        self.name = f"{model}@{base_url.partition('://')[2]}"[:120]
        self._model = model
        self._client = openai.OpenAI(base_url=base_url, api_key=api_key or "none", max_retries=0)
        self._pause = _Pause()

    def embed(self, texts: list[str]) -> Floats:
        batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
        return np.concatenate([self._request(batch, _TIMEOUT_SECONDS) for batch in batches])

    def embed_query(self, text: str) -> Floats:
        """One vector within about QUERY_SECONDS. After a failure nobody waits: EmbeddingUnavailable at once."""
        self._pause.check()
        try:
            vector: Floats = self._request([text], QUERY_SECONDS)[0]
        except EmbeddingUnavailable:
            self._pause.begin()
            raise
        except EmbeddingRejected:
            self._pause.end()  # it answers: what it refused was this question
            raise
        self._pause.end()
        return vector

    def _request(self, texts: list[str], timeout: float) -> Floats:
        try:
            answer = self._client.embeddings.create(
                model=self._model, input=texts, encoding_format="float", timeout=timeout
            )
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


class _Pause:
    """After a failure: PAUSE_SECONDS in which nobody asks; then one does, and the others not before that went well."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: float | None = None

    def check(self) -> None:
        """Raises EmbeddingUnavailable unless the caller may ask."""
        now = time.monotonic()
        with self._lock:
            if self._until is None:
                return
            if now < self._until:
                raise EmbeddingUnavailable()
            self._until = now + PAUSE_SECONDS

    def begin(self) -> None:
        with self._lock:
            self._until = time.monotonic() + PAUSE_SECONDS

    def end(self) -> None:
        with self._lock:
            self._until = None


def _normalise(vectors: Floats, count: int) -> Floats:
    if vectors.ndim != 2 or len(vectors) != count or not np.isfinite(vectors).all():
        raise EmbeddingUnavailable("The embedding service gave an answer that cannot be read.")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
    return unit
