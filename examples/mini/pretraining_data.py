"""Packs tokenised text into one compressed numpy file, all that the training stage needs beside the repository."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mini_tokenizer import SPECIAL, starts_word
from pretraining_text import LANGUAGES, Text
from tqdm import tqdm

LONGEST = 510
CHUNK = 5000
CHARACTERS = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\s\u3400-\u4dbf\u4e00-\u9fff]+")


@dataclass(frozen=True)
class Packed:
    """Tokenised sentences and groups of sentences with one meaning.

    Attributes:
        ids: Pieces of all sentences on end, uint16.
        lengths: Pieces of each sentence, S.
        languages: Index into `LANGUAGES` of each sentence, S.
        group_lengths: Sentences of each group, G.
        group_files: Index into `record["groups"]` of each group, G.
        members: Sentences of all groups on end.
        starts_word: Whether a piece begins a word, V.
        record: Where all this comes from: files with SHA-256, the tokenizer, counts.
    """

    ids: np.ndarray
    lengths: np.ndarray
    languages: np.ndarray
    group_lengths: np.ndarray
    group_files: np.ndarray
    members: np.ndarray
    starts_word: np.ndarray
    record: dict[str, Any]

    def save(self, path: Path) -> None:
        """Writes the arrays and the record to one `.npz` file."""
        arrays = {name: value for name, value in vars(self).items() if name != "record"}
        text = json.dumps(self.record, ensure_ascii=False).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez_compressed(file, record=np.frombuffer(text, dtype=np.uint8), **arrays)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Packed:
        """Reads a file that `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return cls(**arrays | {"record": json.loads(arrays["record"].tobytes().decode())})

    @property
    def starts(self) -> np.ndarray:
        """Position in `ids` where each sentence begins, S."""
        return np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)[:-1]])


def pack(text: Text, tokenizer_file: Path, alone: float) -> Packed:
    """Tokenises all sentences.

    Args:
        text: Sentences and groups.
        tokenizer_file: `tokenizer.json` of a tokenizer of at most 65,536 pieces.
        alone: Share of the Chinese sentences whose characters are tokenised alone, as in data sets that are split into
            characters.

    Returns:
        The packed text. Sentences are cut at 510 pieces.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    ids: list[np.ndarray] = []
    lengths = np.zeros(len(text.sentences), dtype=np.uint16)
    chinese = LANGUAGES.index("zh")
    seen = 0
    for start in tqdm(range(0, len(text.sentences), CHUNK), desc="tokenise", unit_scale=CHUNK, unit=" sentences"):
        chunk = text.sentences[start : start + CHUNK]
        encoded = [encoding.ids for encoding in tokenizer.encode_batch(chunk, add_special_tokens=False)]
        split = []
        for offset in range(len(chunk)):
            if text.languages[start + offset] == chinese:
                # The n-th is split where n * alone passes a whole number: evenly spread, the same each time.
                split += [offset] if int((seen + 1) * alone) > int(seen * alone) else []
                seen += 1
        words = [CHARACTERS.findall(chunk[offset]) for offset in split]
        if words:
            again = tokenizer.encode_batch(words, is_pretokenized=True, add_special_tokens=False)
            for offset, encoding in zip(split, again, strict=True):
                encoded[offset] = encoding.ids
        encoded = [row[:LONGEST] for row in encoded]
        lengths[start : start + len(chunk)] = [len(row) for row in encoded]
        ids.append(np.fromiter((piece for row in encoded for piece in row), dtype=np.uint16))
    files = list(text.groups)
    groups = [group for file in files for group in text.groups[file]]
    file_of_group = [index for index, file in enumerate(files) for _ in text.groups[file]]
    vocabulary = [tokenizer.id_to_token(index) or "" for index in range(tokenizer.get_vocab_size())]
    languages = np.array(text.languages, dtype=np.uint8)
    pieces = np.bincount(languages, weights=lengths, minlength=len(LANGUAGES)).astype(int)
    sentences = np.bincount(languages, minlength=len(LANGUAGES))
    record = {
        "files": text.files,
        "tokenizer_sha256": sha256(tokenizer_file),
        "vocab_size": len(vocabulary),
        "special": {token: SPECIAL.index(token) for token in SPECIAL},
        "characters_alone": alone,
        "sentences": dict(zip(LANGUAGES, sentences.tolist(), strict=True)),
        "pieces": dict(zip(LANGUAGES, pieces.tolist(), strict=True)),
        "groups": {file: len(text.groups[file]) for file in files},
    }
    return Packed(
        ids=np.concatenate(ids),
        lengths=lengths,
        languages=languages,
        group_lengths=np.array([len(group) for group in groups], dtype=np.uint8),
        group_files=np.array(file_of_group, dtype=np.uint8),
        members=np.array([member for group in groups for member in group], dtype=np.uint32),
        starts_word=starts_word(vocabulary),
        record=record,
    )


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pairs(packed: Packed) -> Iterator[tuple[int, np.ndarray]]:
    """For each file of groups its sentence pairs of two languages, P x 2: each unordered pair once."""
    ends = np.cumsum(packed.group_lengths, dtype=np.int64)
    begins = ends - packed.group_lengths
    for file in range(len(packed.record["groups"])):
        found = []
        for size in np.unique(packed.group_lengths[packed.group_files == file]):
            chosen = begins[(packed.group_files == file) & (packed.group_lengths == size)]
            first, second = np.triu_indices(int(size), 1)
            left, right = packed.members[chosen[:, None] + first], packed.members[chosen[:, None] + second]
            found.append(np.stack([left.ravel(), right.ravel()], axis=1).astype(np.int64))
        both = np.concatenate(found)
        filled = (packed.lengths[both] > 0).all(axis=1)
        yield file, both[filled & (packed.languages[both[:, 0]] != packed.languages[both[:, 1]])]
