"""Sentences of words → token sequences that fit the encoder: every word is read, and has a place in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from ..errors import InputError


@dataclass(frozen=True)
class Window:
    """A part of a sentence, or the whole, as the encoder reads it.

    Attributes:
        inputs: What the model takes, special tokens included: `input_ids` and what else the tokenizer gives, T each.
        words: Which of the sentence's words are labelled here, in order.
        positions: For each of them the token, from 0, that carries its label: the first of its pieces that has text.
    """

    inputs: dict[str, list[int]]
    words: list[int]
    positions: list[int]

    def __len__(self) -> int:
        return len(self.inputs["input_ids"])


class WordEncoder:
    """Cuts sentences of words into windows.

    A word without any token (a zero-width character, white space) is read as the unknown token. A
    sentence that is longer than the encoder reads becomes several windows, each overlapping the next by half; a word
    is labelled in the one window that gives it the most context on its poorer side.

    Args:
        tokenizer: The model's tokenizer, a fast one.
        max_length: Longest window in tokens, special tokens included.

    Raises:
        InputError: If the tokenizer is not fast, or leaves no room for words.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        if not tokenizer.is_fast:
            raise InputError(
                f"{type(tokenizer).__name__} cannot tell which token belongs to which word. Use a fast tokenizer (one "
                "with a tokenizer.json), with --tokenizer_name if the model's own has none."
            )
        self.tokenizer = tokenizer
        self.frame = _Frame.of(tokenizer)
        self.room = max_length - len(self.frame.before) - len(self.frame.after)
        self._blank: dict[int, bool] = {}

    def __call__(self, sentences: Sequence[list[str]]) -> list[list[Window]]:
        """Return the windows of every sentence; one in which no word is labelled is left out.

        Raises:
            InputError: If a word has no token and the tokenizer has no unknown token.
        """
        return [self._windows(words) for words in split_words(sentences, self.tokenizer)]

    def label_piece(self, pieces: Sequence[int]) -> int:
        """Returns which of a word's pieces, from 0, carries its label: the first that has text.

        XLM-R's tokenizer begins most Chinese, Japanese and Thai words with the mark of a word's beginning, `▁`, alone.
        Only a word without any text is labelled at such a mark.
        """
        return next((index for index, piece in enumerate(pieces) if not self._is_blank(piece)), 0)

    def _is_blank(self, piece: int) -> bool:
        if piece not in self._blank:
            backend: Any = self.tokenizer.backend_tokenizer
            self._blank[piece] = not backend.decode([piece], skip_special_tokens=False).strip()
        return self._blank[piece]

    def _windows(self, words: Sequence[Sequence[int]]) -> list[Window]:
        pieces = [piece for word in words for piece in word]
        starts = np.cumsum([0, *map(len, words)])[:-1].tolist()
        labelled_pieces = [start + self.label_piece(word) for start, word in zip(starts, words, strict=True)]
        spans = window_spans(len(pieces), self.room)
        labelled: list[list[int]] = [[] for _ in spans]
        for word, position in enumerate(labelled_pieces):
            labelled[best_window(position, spans, len(pieces)) if len(spans) > 1 else 0].append(word)
        return [
            Window(
                self.frame.put_around(pieces[start:end]),
                chosen,
                [labelled_pieces[word] - start + len(self.frame.before) for word in chosen],
            )
            for (start, end), chosen in zip(spans, labelled, strict=True)
            if chosen
        ]


def split_words(sentences: Sequence[list[str]], tokenizer: PreTrainedTokenizerBase) -> list[list[list[int]]]:
    """Return the token ids of every word of every sentence, at least one each.

    They are those of the words with a space between: a tokenizer that sees the space as the beginning of a word
    (GPT-2's and RoBERTa's byte-level one, unless `add_prefix_space` is set; Gemma's, which mmBERT has) is given it
    with every word but the first.

    Raises:
        InputError: If a word has no token and the tokenizer has no unknown token.
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
                    f"The word {word!r} tokenises to nothing, and the tokenizer has no unknown token for it. "
                    "Remove such words, or use a tokenizer that has one."
                )
            pieces[position] = [tokenizer.unk_token_id]
        result.append(pieces)
    return result


def _needs_spaces(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer sees the beginning of a word in the space before it, and sets none there itself."""
    backend: Any = tokenizer.backend_tokenizer
    bare, spaced = backend.encode_batch([["a"], [" a"]], is_pretokenized=True, add_special_tokens=False)
    return bare.ids != spaced.ids


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
            raise InputError(f"{type(tokenizer).__name__} tokenises the letter a to nothing. Use another tokenizer.")
        first, last = is_piece.index(True), len(is_piece) - is_piece[::-1].index(True)
        ids, types = encoding["input_ids"], encoding.get("token_type_ids")
        return cls(
            list(ids[:first]),
            list(ids[last:]),
            (list(types[:first]), types[first], list(types[last:])) if types is not None else None,
            "attention_mask" in encoding,
        )

    def put_around(self, pieces: list[int]) -> dict[str, list[int]]:
        example: dict[str, list[int]] = {"input_ids": [*self.before, *pieces, *self.after]}
        if self.types is not None:
            before, piece, after = self.types
            example["token_type_ids"] = [*before, *[piece] * len(pieces), *after]
        if self.has_mask:
            example["attention_mask"] = [1] * len(example["input_ids"])
        return example
