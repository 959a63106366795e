"""The words of labelled rows that can be switched, and the tokens that they are for the teacher."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from ..data.loading import Split, check_max_length
from ..data.places import WORD
from ..data.windows import WordEncoder, split_words
from ..errors import InputError
from ..tasks import Task
from .pieces import is_letters

_JOINTS = re.compile("['’-]")  # Within a word.


@dataclass(frozen=True)
class Word:
    """A word that can be switched: letters, with an apostrophe or a hyphen between them at most.

    Attributes:
        text: The word, without the punctuation around it.
        column: Which of the row's texts it is in, from 0.
        place: Its place there, from 0, among all that stands between white space, or among a sentence's words.
        start: The character of the text with which it begins; of a task that labels words 0.
        tokens: Its first token and the one behind its last, in the encoded row.
    """

    text: str
    column: int
    place: int
    start: int
    tokens: tuple[int, int]


@dataclass(frozen=True)
class Reading:
    """A row, or a window of a long sentence of words, as the model to train reads it.

    Attributes:
        inputs: `input_ids` and what else the tokenizer gives, T each, special tokens included.
        words: The words in it that can be switched; every word of a row is in one window of it.
    """

    inputs: dict[str, list[int]]
    words: list[Word]


class Reader:
    """Encodes rows as training does, and finds their words.

    Args:
        task: The task.
        tokenizer: The teacher's, a fast one.
        max_length: Longest input in tokens; the task's if None.

    Raises:
        InputError: The tokenizer is not fast, or the length does not fit it.
    """

    def __init__(self, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int | None) -> None:
        if not tokenizer.is_fast:
            raise InputError(
                f"{type(tokenizer).__name__} cannot tell which token belongs to which word. Give a teacher with a "
                "fast tokenizer (one with a tokenizer.json)."
            )
        wished = min(task.max_length, tokenizer.model_max_length) if max_length is None else max_length
        self.tokenizer = tokenizer
        self.max_length = check_max_length(tokenizer, task, wished)
        self._windows = WordEncoder(tokenizer, self.max_length) if task.kind == "token" else None

    def __call__(self, split: Split, rows: Sequence[int]) -> list[list[Reading]]:
        """Returns the readings of rows, several where a sentence of words is longer than the model reads."""
        texts = [[column[row] for row in rows] for column in split.texts]
        if self._windows is not None:
            return self._sentences(self._windows, texts[0])
        encoded = self.tokenizer(
            *texts, truncation="longest_first", max_length=self.max_length, return_offsets_mapping=True
        )
        offsets = encoded.pop("offset_mapping")
        readings = []
        for index in range(len(rows)):
            inputs = {name: list(values[index]) for name, values in encoded.items()}
            columns = encoded.sequence_ids(index)
            words = [
                word
                for column, of_rows in enumerate(texts)
                for word in _words(of_rows[index], column, _spans(of_rows[index], column, columns, offsets[index]))
            ]
            readings.append([Reading(inputs, words)])
        return readings

    def _sentences(self, encoder: WordEncoder, sentences: list[list[str]]) -> list[list[Reading]]:
        readings = []
        for words, pieces, windows in zip(
            sentences, split_words(sentences, self.tokenizer), encoder(sentences), strict=True
        ):
            found = []
            for window in windows:
                kept = []
                first, last = len(encoder.frame.before), len(window) - len(encoder.frame.after)
                for place, labelled in zip(window.words, window.positions, strict=True):
                    start = labelled - encoder.label_piece(pieces[place])
                    end = start + len(pieces[place])
                    if is_word(words[place]) and first <= start and end <= last:
                        kept.append(Word(words[place], 0, place, 0, (start, end)))
                found.append(Reading(dict(window.inputs), kept))
            readings.append(found)
        return readings


def is_word(text: str) -> bool:
    """Whether a text is a word that can be switched."""
    return all(map(is_letters, _JOINTS.split(text)))


def bare_words(text: str) -> Iterator[tuple[int, int, int]]:
    """Yields the place of each word that can be switched, its first character and the one behind its last."""
    for place, found in enumerate(WORD.finditer(text)):
        start, end = found.span()
        while start < end and not is_letters(text[start]):
            start += 1
        while start < end and not is_letters(f"a{text[end - 1]}"):  # A mark belongs to the letter before it.
            end -= 1
        if is_word(text[start:end]):
            yield place, start, end


def _spans(text: str, column: int, columns: Sequence[int | None], offsets: Any) -> list[tuple[int, int, int]]:
    """The tokens of a text with their first characters and those behind the last, without white space around them."""
    spans = []
    for token, (owner, (start, end)) in enumerate(zip(columns, offsets, strict=True)):
        if owner == column:
            part = text[start:end]
            spans.append((token, end - len(part.lstrip()), start + len(part.rstrip())))
    return [(token, start, end) for token, start, end in spans if start < end]


def _words(text: str, column: int, spans: list[tuple[int, int, int]]) -> Iterator[Word]:
    """The words whose tokens are theirs alone; what was cut off has none."""
    first = 0
    for place, start, end in bare_words(text):
        while first < len(spans) and spans[first][2] <= start:
            first += 1
        last = first
        while last < len(spans) and spans[last][1] < end:
            last += 1
        own = spans[first:last]
        if own and own[0][1] == start and own[-1][2] == end:
            yield Word(text[start:end], column, place, start, (own[0][0], own[-1][0] + 1))
