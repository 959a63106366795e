"""The pieces of a vocabulary as text to draw: no markers, and what each marker said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from ..errors import InputError

TEXT, SPECIAL, BYTE = "text", "special", "byte"

_METASPACE = "▁"
_BYTE_PIECE = re.compile(r"<0x[0-9A-F]{2}>")
# Slots that a vocabulary keeps for later, such as [unused7] in BERT's.
_RESERVED = re.compile(r"[\[<]\|?(?:unused|reserved|extra_id|madeupword)[\w ]*\|?[\]>]")


@dataclass(frozen=True)
class Piece:
    """An entry of a vocabulary.

    Attributes:
        text: What it stands for, without markers; empty where it stands for no text, or for a space alone.
        kind: `"text"`; `"special"` for special tokens, reserved slots and ids without a token; `"byte"` for a byte,
            or for bytes that are not whole characters.
        starts_word: Whether its marker says that it begins a word.
        continues_word: Whether its marker, or the lack of one, says that it continues the token before it. A word
            that was added to a tokenizer can stand anywhere: neither holds.
    """

    text: str
    kind: str
    starts_word: bool = False
    continues_word: bool = False


def read_pieces(tokenizer: PreTrainedTokenizerBase) -> list[Piece]:
    """Reads a vocabulary, an entry for each id from 0 to the last.

    Args:
        tokenizer: A fast one, whose pieces are marked in one of three ways: `##x` where a word goes on (WordPiece),
            `▁x` where a word begins (SentencePiece), or bytes with `Ġx` where a word begins (GPT-2, RoBERTa).

    Raises:
        InputError: It is another one.
    """
    vocabulary = _vocabulary(tokenizer)
    read = _reader(tokenizer)
    special = set(tokenizer.all_special_ids)
    added = {}
    for index, token in tokenizer.added_tokens_decoder.items():
        added[index] = token.content
        if token.special:
            special.add(index)
    pieces = []
    for index in range(max(vocabulary) + 1):
        if index in special or index not in vocabulary or _RESERVED.fullmatch(vocabulary[index]):
            pieces.append(Piece("", SPECIAL))
        elif index in added:
            pieces.append(Piece(added[index].strip(), TEXT))
        else:
            pieces.append(read(vocabulary[index]))
    return pieces


def _vocabulary(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    vocabulary = {index: token for token, index in tokenizer.get_vocab().items()}
    if not vocabulary:
        raise InputError("The tokenizer has no tokens. Give the one that the model was trained with.")
    return vocabulary


def _reader(tokenizer: PreTrainedTokenizerBase) -> Callable[[str], Piece]:
    """What turns a token of this tokenizer into a piece."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise InputError(
            f"{type(tokenizer).__name__} does not show how its pieces are marked. Give a fast tokenizer, as "
            "AutoTokenizer loads it."
        )
    settings: dict[str, Any] = json.loads(backend.to_str())
    model = settings["model"]
    around = [settings[part] for part in ("normalizer", "pre_tokenizer", "decoder")]
    if model["type"] == "WordPiece":
        prefix = model["continuing_subword_prefix"]
        return lambda token: _from_wordpiece(token, prefix)
    if model["type"] in ("BPE", "Unigram"):
        if any(value == "ByteLevel" for value in _values(around)):
            return _from_bytes
        if any(value == _METASPACE for value in _values(around)):
            with_bytes = bool(model.get("byte_fallback"))
            return lambda token: _from_metaspace(token, with_bytes)
    raise InputError(
        f"How this {model['type']} tokenizer marks the beginnings of words is not known. Known are WordPiece ('##x'), "
        "SentencePiece ('▁x') and byte-level BPE ('Ġx')."
    )


def _values(content: Any) -> list[Any]:
    """All values of nested dictionaries and lists."""
    if isinstance(content, dict):
        content = list(content.values())
    return [leaf for value in content for leaf in _values(value)] if isinstance(content, list) else [content]


def _from_wordpiece(token: str, prefix: str) -> Piece:
    continues = len(token) > len(prefix) and token.startswith(prefix)
    return Piece(token.removeprefix(prefix) if continues else token, TEXT, not continues, continues)


def _from_metaspace(token: str, with_bytes: bool) -> Piece:
    if with_bytes and _BYTE_PIECE.fullmatch(token):
        return Piece("", BYTE)
    starts = token.startswith(_METASPACE)
    return Piece(token.replace(_METASPACE, " ").strip(), TEXT, starts, not starts)


def _byte_alphabet() -> dict[str, int]:
    """The printable character that GPT-2's byte-level BPE writes for each byte."""
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in own]
    return {chr(byte): byte for byte in own} | {chr(0x100 + index): byte for index, byte in enumerate(others)}


_BYTES = _byte_alphabet()


def _from_bytes(token: str) -> Piece:
    try:
        text = bytes(_BYTES[character] for character in token).decode("utf-8")
    except KeyError:  # A token that does not come from bytes.
        return Piece(token.strip(), TEXT)
    except UnicodeDecodeError:
        return Piece("", BYTE)
    starts = text.startswith(" ")
    return Piece(text.strip(), TEXT, starts, not starts)
