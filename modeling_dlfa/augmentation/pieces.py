"""Which pieces of a vocabulary are whole words of which language: told by script and by frequency in text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from ..errors import InputError
from ..glyphs.pieces import TEXT, Piece, read_pieces
from ..glyphs.scripts import text_script
from ..languages import get_language, language_label

LINES = 20_000  # Of a text; tokenising them takes seconds, and words that are rarer hardly matter.
LEAST_COUNT = 3
# A word of a target language is so many times as frequent there as in the text of the task's own language.
LEAST_RATIO = 10.0
# What Unicode calls the scripts that a language's one is made of, where that is another name or several.
_PARTS = {"Hans": ("Hani",), "Hant": ("Hani",), "Jpan": ("Hani", "Hira", "Kana"), "Kore": ("Hang",)}
_UNSPACED = frozenset(("Hani", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr"))
_script = lru_cache(maxsize=1 << 18)(text_script)


def is_letters(text: str) -> bool:
    """Whether a text is letters and marks alone, the first a letter: not punctuation, digits or a part of both."""
    return bool(text) and text[0].isalpha() and all(unicodedata.category(one)[0] in "LM" for one in text)


@dataclass(frozen=True)
class PieceLanguages:
    """The pieces that may take a word's place.

    Attributes:
        groups: Names of the target languages; of several that only a text could tell apart, with a slash between.
        owner: For each of the V ids the index of its group, -1 for none.
        counts: How often each id is a whole word in its group's text; 1 for all without text.
        texts: What each id stands for.
    """

    groups: tuple[str, ...]
    owner: NDArray[np.int16]
    counts: NDArray[np.int64]
    texts: tuple[str, ...]

    @property
    def allowed(self) -> NDArray[np.int64]:
        """Ids of all these pieces, in order."""
        return np.flatnonzero(self.owner >= 0)


def piece_languages(
    tokenizer: PreTrainedTokenizerBase, languages: Sequence[str], source: str, texts: Mapping[str, Path]
) -> PieceLanguages:
    """Finds the whole-word pieces of the target languages.

    A piece is a word of a language if it is letters of its script, begins a word (or its script has no spaces), and,
    where there is text, stands there as a whole word: three times or more, more often than in the texts of the other
    targets and ten times as often as in the source language's, all relative to the texts' lengths.

    Args:
        tokenizer: The teacher's.
        languages: The target languages; the source language itself for the control that stays in it.
        source: The task's own language.
        texts: Unlabelled text of every target and of the source, a sentence a line; empty to go by scripts alone.

    Raises:
        InputError: A target shares its script with the source and there is no text, or no piece is a target's.
    """
    pieces = read_pieces(tokenizer)
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(pieces))))
    whole = np.array([_is_word(piece, token) for piece, token in zip(pieces, tokens, strict=True)])
    rivals = list(dict.fromkeys([*languages, source]))
    scripts = {code: _PARTS.get(get_language(code).script, (get_language(code).script,)) for code in rivals}
    if not texts:
        clash = [code for code in languages if code != source and {*scripts[code]} & {*scripts[source]}]
        if clash:
            raise InputError(
                f"{', '.join(map(language_label, clash))} and {language_label(source)} share a script, which does not "
                "tell their words apart. Give text of each by --language_text 'text/{language}.txt'."
            )
    in_script = np.zeros((len(rivals), len(pieces)), dtype=bool)
    for index in np.flatnonzero(whole):
        script = _script(pieces[index].text)
        in_script[:, index] = [script in scripts[code] for code in rivals]
    if not texts:
        return _by_script(languages, in_script, tuple(piece.text for piece in pieces))
    counts = np.stack([count_words(tokenizer, pieces, texts[code]) for code in rivals])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    valid = in_script & (counts >= LEAST_COUNT)
    best = np.where(valid, shares, -1.0).argmax(axis=0)
    columns = np.arange(len(pieces))
    own = rivals.index(source)
    distinct = (best == own) | (shares[best, columns] >= LEAST_RATIO * shares[own])
    target = np.array([languages.index(code) if code in languages else -1 for code in rivals])
    owner = np.where(valid[best, columns] & distinct, target[best], -1).astype(np.int16)
    found = PieceLanguages(tuple(languages), owner, counts[best, columns], tuple(piece.text for piece in pieces))
    return _checked(found)


def _is_word(piece: Piece, token: str) -> bool:
    if piece.kind != TEXT or not is_letters(piece.text):
        return False
    # Unlike WordPiece's "##x", an unmarked piece may be a word where no spaces are written.
    return not piece.continues_word or (token == piece.text and _script(piece.text) in _UNSPACED)


def _by_script(languages: Sequence[str], in_script: NDArray[np.bool_], texts: tuple[str, ...]) -> PieceLanguages:
    """Languages of one script, or of overlapping ones, share a group."""
    owner = np.full(in_script.shape[1], -1, dtype=np.int16)
    groups: list[str] = []
    for index, code in enumerate(languages):
        earlier = owner[in_script[index]]
        if (known := earlier[earlier >= 0]).size:
            groups[known[0]] += f"/{code}"
        else:
            groups.append(code)
        owner[in_script[index]] = known[0] if known.size else len(groups) - 1
    return _checked(PieceLanguages(tuple(groups), owner, np.ones(len(owner), dtype=np.int64), texts))


def _checked(found: PieceLanguages) -> PieceLanguages:
    missing = [name for index, name in enumerate(found.groups) if not (found.owner == index).any()]
    if missing:
        raise InputError(
            f"The vocabulary has no whole word of {', '.join(missing)}. Leave the language out, or give more text."
        )
    return found


def count_words(tokenizer: PreTrainedTokenizerBase, pieces: Sequence[Piece], path: Path) -> NDArray[np.int64]:
    """Counts in the first lines of a text how often each id is a whole word, not the beginning of a longer one.

    Args:
        tokenizer: A fast one.
        pieces: Its vocabulary.
        path: The text.

    Raises:
        InputError: It cannot be read.
    """
    counts = np.zeros(len(pieces), dtype=np.int64)
    goes_on = np.array([piece.continues_word and is_letters(piece.text) for piece in pieces])
    unspaced = np.array([is_letters(piece.text) and _script(piece.text) in _UNSPACED for piece in pieces])
    lines = text_lines(path, LINES)
    while batch := list(islice(lines, 1000)):
        for ids in map(np.array, tokenizer(batch, add_special_tokens=False, verbose=False)["input_ids"]):
            if len(ids):
                ends = np.append(~goes_on[ids[1:]], True)
                np.add.at(counts, ids[ends | unspaced[ids]], 1)
    return counts


def text_lines(path: Path, limit: int | None) -> Iterator[str]:
    """Reads a text line by line, blank ones left out.

    Args:
        path: The text, UTF-8.
        limit: Read no more than so many lines; None for all.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as file:
            yield from islice((line.strip() for line in file if line.strip()), limit)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the text cannot be read as UTF-8 ({error}).") from error
