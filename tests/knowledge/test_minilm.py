"""The ONNX graph against a plain reading of the paper in numpy."""

import math
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from gilo.settings import BASE_DIR
from knowledge.minilm import MiniLM, load_tokenizer, load_weights, quantise


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return MiniLM(tmp_path_factory.mktemp("models"), threads=1)


def layer_norm(x, weights, name):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def exact_dense(x, weights, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def integer_dense(x, weights, name):
    """As the graph does it: weights as integers, what comes in as integers from 0 to 255."""
    matrix, factors = quantised(name)
    low, high = min(x.min(), 0), max(x.max(), 0)
    step = (high - low) / 255
    zero = round(-low / step)
    whole = np.clip(np.round(x / step) + zero, 0, 255) - zero
    return whole @ matrix.T.astype(np.float64) * step * factors + weights[f"{name}.bias"]


@cache
def exact_weights():
    return {name: value.astype(np.float64) for name, value in load_weights().items() if "position_ids" not in name}


@cache
def quantised(name):
    return quantise(exact_weights()[f"{name}.weight"])


def reference(text: str, dense) -> np.ndarray:
    """One text through BERT's encoder, float64."""
    weights = exact_weights()
    ids = load_tokenizer().encode(text).ids
    prefix = "embeddings"
    words = weights[f"{prefix}.word_embeddings.weight"][ids].astype(np.float16)
    x = words + weights[f"{prefix}.position_embeddings.weight"][: len(ids)]
    x = layer_norm(x + weights[f"{prefix}.token_type_embeddings.weight"][0], weights, f"{prefix}.LayerNorm")
    for number in range(6):
        name = f"encoder.layer.{number}"
        heads = [
            dense(x, weights, f"{name}.attention.self.{part}").reshape(-1, 12, 32) for part in ("query", "key", "value")
        ]
        query, key, value = (head.transpose(1, 0, 2) for head in heads)
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(32)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ value
        mixed = dense(mixed.transpose(1, 0, 2).reshape(-1, 384), weights, f"{name}.attention.output.dense")
        x = layer_norm(x + mixed, weights, f"{name}.attention.output.LayerNorm")
        wide = dense(x, weights, f"{name}.intermediate.dense")
        wide = wide * 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
        x = layer_norm(x + dense(wide, weights, f"{name}.output.dense"), weights, f"{name}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


TEXTS = ["A cat.", "Ein längerer Satz über Geometrie und Topologie, mit Zahlen: 3.14.", "x", "The sea is calm. " * 30]


def test_embed_equals_the_reference_in_the_same_integers(model):
    # A number that lies between two integers may go the other way in float32: three tokens have none, more have some.
    for text, vector in zip(TEXTS, model.embed(TEXTS), strict=True):
        assert reference(text, integer_dense) @ vector > (0.99999 if text == "x" else 0.995)


def test_embed_is_near_the_exact_reference(model):
    for text, vector in zip(TEXTS, model.embed(TEXTS), strict=True):
        assert reference(text, exact_dense) @ vector > 0.97


def test_embed_does_not_depend_on_the_batch(model):
    texts = ["short", "a much longer sentence that makes the batch wide " * 8, "middle length of words"]
    together = model.embed(texts)
    assert np.array_equal(together, np.concatenate([model.embed([text]) for text in texts]))
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_embed_takes_any_text(model):
    assert model.embed(["", " ", "\U0001f600" * 5000, "word " * 5000]).shape == (4, 384)
    assert model.embed([]).shape == (0, 384)


def test_embed_puts_near_what_means_the_same(model):
    money, price, weather = model.embed(["How much does it cost?", "What is the price?", "It rained all day."])
    assert money @ price > 0.6 > 0.3 > money @ weather


def test_graph_that_does_not_fit_leaves_nothing_behind(tmp_path):
    """Tried again and again on a full disk, halves of files would keep it full."""
    path = tmp_path / "model.onnx"
    limit = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20)); "
    code = f"{limit}sys.argv = ['minilm', {str(path)!r}]; runpy.run_module('knowledge.minilm', run_name='__main__')"
    failed = subprocess.run([sys.executable, "-c", code], cwd=BASE_DIR, capture_output=True, text=True, check=False)
    assert "File too large" in failed.stderr
    assert list(tmp_path.iterdir()) == []
