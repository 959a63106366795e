"""Sentences of labelled words ↔ token sequences that fit the encoder: every word is read, and predicted once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .data import Split, check_max_length
from .errors import InputError
from .tasks import Task

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # The label of what does not count, in PyTorch's losses and in the Trainer.


def encode_words(
    splits: Sequence[Split], tokenizer: PreTrainedTokenizerBase, task: Task, max_length: int | None = None
) -> Dataset:
    """Tokenise sentences of words into one data set, in memory.

    The first piece of a word carries its label; further pieces, special tokens and padding do not count. A word that
    the tokenizer makes nothing of (a zero-width character, white space) is read as the unknown token. A sentence that
    is longer than the encoder reads becomes several windows, each overlapping the next by half; a word is labelled, in
    training as in testing, in the one window that gives it the most context on its poorer side.

    Args:
        splits: The sentences.
        tokenizer: The model's tokenizer, a fast one.
        task: The task of the splits.
        max_length: Longest input in tokens, special tokens included; `None` is the task's.

    Returns:
        The splits' windows one after the other, with the columns that the tokenizer gives, `labels` (a class id or
        -100 for each token), `length` (tokens), `language` (index into `splits`), `row` (the sentence, from 0, within
        the split) and `words` (which of the sentence's words are labelled here, in order). A window without such a
        word, which lies in the middle of a very long one, is left out.

    Raises:
        InputError: If the tokenizer is not fast or has no unknown token where one is needed, or as `encode`.
    """
    from datasets import Dataset

    max_length = check_max_length(tokenizer, task, max_length)
    if not tokenizer.is_fast:
        raise InputError(
            f"{type(tokenizer).__name__} cannot tell which token belongs to which word. Use a fast tokenizer (one "
            "with a tokenizer.json), with --tokenizer_name if the model's own has none."
        )
    frame = _Frame.of(tokenizer)
    room = max_length - len(frame.before) - len(frame.after)
    columns: dict[str, list[Any]] = {
        "sentence": [words for split in splits for words in split.texts[0]],
        "tags": [labels for split in splits for labels in split.labels],
        "language": [index for index, split in enumerate(splits) for _ in range(len(split))],
        "row": [row for split in splits for row in range(len(split))],
    }

    def tokenize(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        encoded: dict[str, list[Any]] = {}
        pieces = split_words(batch["sentence"], tokenizer)
        for words, tags, language, row in zip(pieces, batch["tags"], batch["language"], batch["row"], strict=True):
            for window in _windows(words, tags, room):
                example = frame.put_around(window.pieces)
                example["labels"] = frame.ignore_around(window.labels)
                example |= {"length": len(example["labels"]), "language": language, "row": row, "words": window.words}
                for name, value in example.items():
                    encoded.setdefault(name, []).append(value)
        return encoded

    return Dataset.from_dict(columns).map(
        tokenize,
        batched=True,
        remove_columns=list(columns),
        keep_in_memory=True,
        load_from_cache_file=False,
        desc="Tokenising",
    )


def split_words(sentences: Sequence[list[str]], tokenizer: PreTrainedTokenizerBase) -> list[list[list[int]]]:
    """Return the token ids of every word of every sentence, at least one each.

    They are those of the words with a space between: a tokenizer that sees the space as the beginning of a word
    (GPT-2's and RoBERTa's byte-level one, unless `add_prefix_space` is set) is given it with every word but the first.

    Raises:
        InputError: If a word becomes nothing and the tokenizer has no unknown token.
    """
    space = " " if _needs_spaces(tokenizer) else ""
    spaced = [[word if index == 0 else space + word for index, word in enumerate(words)] for words in sentences]
    backend: Any = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    result = []
    for words, encoding in zip(
        sentences, backend.encode_batch(spaced, is_pretokenized=True, add_special_tokens=False), strict=True
    ):
        pieces: list[list[int]] = [[] for _ in words]
        for piece, owner in zip(encoding.ids, encoding.word_ids, strict=True):
            pieces[owner].append(piece)
        for position, word in enumerate(words):
            if pieces[position]:
                continue
            if tokenizer.unk_token_id is None:
                raise InputError(
                    f"The tokenizer makes nothing of the word {word!r} and has no unknown token to read in its place. "
                    "Remove such words, or use a tokenizer that has one."
                )
            pieces[position] = [tokenizer.unk_token_id]
        result.append(pieces)
    return result


def _needs_spaces(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer marks the beginning of a word, but leaves it to the text to have a space there."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())["pre_tokenizer"] or {}
    parts = state.get("pretokenizers", [state])
    return any(
        part["type"] == "ByteLevel"
        and not part["add_prefix_space"]
        or part["type"] == "Metaspace"
        and part.get("prepend_scheme") == "never"
        for part in parts
        if part
    )


def join_words(
    splits: Sequence[Split], dataset: Dataset, predictions: NDArray[np.integer], labels: NDArray[np.integer]
) -> list[list[NDArray[np.int64]]]:
    """Bring the predictions for tokens back to the words.

    Args:
        splits: The sentences that `encode_words` was given.
        dataset: What it returned, in any order.
        predictions: (N, T) class ids, a row for each of the data set, padded with anything.
        labels: (N, T) labels as the collator made them, in the same places: what is not -100 is a word.

    Returns:
        For each split and each of its sentences an array with a class id for every word.
    """
    answers = [[np.full(len(words), IGNORED, dtype=np.int64) for words in split.texts[0]] for split in splits]
    columns = (dataset[name][:] for name in ("language", "row", "words"))
    for language, row, words, predicted, label in zip(*columns, predictions, labels, strict=True):
        answers[language][row][words] = predicted[label != IGNORED]
    if any((answer == IGNORED).any() for sentences in answers for answer in sentences):
        raise RuntimeError("A word has no prediction: the data set does not hold all windows of these sentences.")
    return answers


@dataclass(frozen=True)
class _Window:
    pieces: list[int]
    labels: list[int]
    words: list[int]


def _windows(words: Sequence[Sequence[int]], tags: Sequence[int], room: int) -> list[_Window]:
    """Cut a sentence into windows of at most `room` pieces and label each word in one of them."""
    pieces = [piece for word in words for piece in word]
    first = np.cumsum([0, *map(len, words)])[:-1].tolist()
    spans = window_spans(len(pieces), room)
    labels = [[IGNORED] * (end - start) for start, end in spans]
    labelled: list[list[int]] = [[] for _ in spans]
    for word, position in enumerate(first):
        best = best_window(position, spans, len(pieces)) if len(spans) > 1 else 0
        labels[best][position - spans[best][0]] = tags[word]
        labelled[best].append(word)
    return [
        _Window(pieces[start:end], labels[index], labelled[index])
        for index, (start, end) in enumerate(spans)
        if labelled[index]
    ]


def window_spans(length: int, room: int) -> list[tuple[int, int]]:
    """Return starts and ends of windows of `room` that cover `length`, each overlapping the next by half or more."""
    if length <= room:
        return [(0, length)]
    stride = room - room // 2
    starts = [*range(0, length - room, stride), length - room]
    return [(start, start + room) for start in starts]


def best_window(position: int, spans: Sequence[tuple[int, int]], length: int) -> int:
    """Return the index of the window in which a position is farthest from an edge that is not the sentence's."""

    def context(span: tuple[int, int]) -> int:
        start, end = span
        if not start <= position < end:
            return -1
        left = position - start if start > 0 else length
        right = end - 1 - position if end < length else length
        return min(left, right)

    return max(range(len(spans)), key=lambda index: context(spans[index]))


@dataclass(frozen=True)
class _Frame:
    """The special tokens that a tokenizer puts around a sequence, and what else the model wants to know of it."""

    before: list[int]
    after: list[int]
    types: tuple[list[int], int, list[int]] | None
    has_mask: bool

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> _Frame:
        encoding = tokenizer("a")
        is_piece = [owner is not None for owner in encoding.word_ids()]
        if not any(is_piece):
            raise InputError(f"{type(tokenizer).__name__} makes nothing of the letter a. Use another tokenizer.")
        first, last = is_piece.index(True), len(is_piece) - is_piece[::-1].index(True)
        ids, types = encoding["input_ids"], encoding.get("token_type_ids")
        return cls(
            list(ids[:first]),
            list(ids[last:]),
            (list(types[:first]), types[first], list(types[last:])) if types is not None else None,
            "attention_mask" in encoding,
        )

    def put_around(self, pieces: list[int]) -> dict[str, Any]:
        example: dict[str, Any] = {"input_ids": [*self.before, *pieces, *self.after]}
        if self.types is not None:
            before, piece, after = self.types
            example["token_type_ids"] = [*before, *[piece] * len(pieces), *after]
        if self.has_mask:
            example["attention_mask"] = [1] * len(example["input_ids"])
        return example

    def ignore_around(self, labels: list[int]) -> list[int]:
        return [*[IGNORED] * len(self.before), *labels, *[IGNORED] * len(self.after)]
