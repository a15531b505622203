"""Vectors from any OpenAI-compatible endpoint of the operator's (EMBEDDING_BASE_URL)."""

import numpy as np
import openai

from knowledge.errors import EmbeddingRejected, EmbeddingUnavailable
from knowledge.minilm import Floats

_BATCH = 64
_TIMEOUT_SECONDS = 20


class RemoteEmbedder:
    """POST {base}/embeddings. Raises EmbeddingUnavailable for what may pass, EmbeddingRejected for what will not."""

    def __init__(self, base_url: str, api_key: str, model: str) -> None:
        self.name = f"{model}@{base_url.partition('://')[2]}"[:120]
        self._model = model
        self._client = openai.OpenAI(
            base_url=base_url, api_key=api_key or "none", timeout=_TIMEOUT_SECONDS, max_retries=0
        )

    def embed(self, texts: list[str]) -> Floats:
        parts = [self._request(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
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


def _normalise(vectors: Floats, count: int) -> Floats:
    if vectors.ndim != 2 or len(vectors) != count or not np.isfinite(vectors).all():
        raise EmbeddingUnavailable("The embedding service gave an answer that cannot be read.")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
    return unit
