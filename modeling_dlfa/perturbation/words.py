"""Chooses which share of a text's words to change, by place alone, and counts what became of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from transformers import PreTrainedTokenizerBase

from ..data.places import WORD, draw
from ..errors import InputError
from ..glyphs.scripts import text_script
from .noises import NOISES, Noise


@dataclass
class Counts:
    """Words of one script.

    Attributes:
        words: Number of words.
        chosen: How many of them were to be changed.
        changed: How many of those the noise could change.
        undone: How many of the changed ones a tokenizer splits into the same pieces as before.
    """

    words: int = 0
    chosen: int = 0
    changed: int = 0
    undone: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in vars(self)))


class Changer:
    """Changes words of the rows of one file.

    Whether a word is chosen depends only on the seed, its row, which of the row's texts it is in, and its place there:
    the same places are chosen in every language and for every noise, and those of a smaller share are among
    those of a larger one.

    Args:
        noise: A key of `NOISES`.
        share: Share of the words, above 0 and up to 1.
        seed: Seed of the choice.
        tokenizer: Used to see whether its normalisation undoes the noise.

    Attributes:
        noise: The noise.
        counts: What became of the words so far, by their scripts' ISO 15924 codes; `"Zyyy"`: no letters.

    Raises:
        InputError: The noise does not exist, or the share is not a valid one.
    """

    noise: Noise

    def __init__(
        self, noise: str, *, share: float = 0.1, seed: int = 0, tokenizer: PreTrainedTokenizerBase | None = None
    ) -> None:
        if noise not in NOISES:
            raise InputError(f"There is no noise {noise!r}. Choose: {', '.join(NOISES)}.")
        if not 0 < share <= 1:
            raise InputError(f"A share of {share} of the words: give a number above 0, and up to 1 for all words.")
        self.noise, self.share, self.seed = NOISES[noise], share, seed
        self.counts: dict[str, Counts] = {}
        self._script = lru_cache(maxsize=1 << 16)(text_script)
        self._undone: Callable[[str, str], bool] = lru_cache(maxsize=1 << 16)(
            lambda word, changed: tokenizer is not None and tokenizer.tokenize(word) == tokenizer.tokenize(changed)
        )

    def text(self, text: str, row: int, column: int) -> str:
        """Returns a text with some words changed; words are separated by white space, which is kept.

        Args:
            text: The text.
            row: Its row, from 0.
            column: Which of the row's texts it is, from 0.
        """
        place = -1

        def change(found: re.Match[str]) -> str:
            nonlocal place
            place += 1
            return self.word(found[0], row, place, column)

        return WORD.sub(change, text)

    def word(self, word: str, row: int, place: int, column: int = 0) -> str:
        """Returns a word, changed if it is chosen and the noise can change it.

        Args:
            word: The word.
            row: Its row or sentence, from 0.
            place: Its place there, from 0.
            column: Which of the row's texts it stands in, from 0.
        """
        counts = self.counts.setdefault(self._script(word), Counts())
        counts.words += 1
        if draw(self.seed, row, column, place) >= self.share:
            return word
        counts.chosen += 1
        changed = self.noise.change(word)
        if changed != word:
            counts.changed += 1
            counts.undone += self._undone(word, changed)
        return changed

    @property
    def total(self) -> Counts:
        """What became of the words of all scripts together."""
        return sum(self.counts.values(), Counts())

    def ordered(self) -> list[tuple[str, Counts]]:
        """Returns scripts with what became of their words, the most frequent first."""
        return sorted(self.counts.items(), key=lambda item: (-item[1].words, item[0]))

    def record(self) -> dict[str, Any]:
        """Returns the counts as JSON holds them."""
        return {**vars(self.total), "scripts": {script: vars(counts) for script, counts in self.ordered()}}
