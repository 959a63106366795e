"""What each kind of visual noise does to a word, and in which scripts."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from ..glyphs.look_alikes import LOOK_ALIKES
from ..glyphs.scripts import is_mark, text_script


@dataclass(frozen=True)
class Noise:
    """A kind of noise.

    Attributes:
        name: The name by which it is requested.
        scripts: ISO 15924 codes of the scripts whose letters it changes; all other letters stay as they are.
        replace: Turns a letter and its marks, decomposed (NFD), into another letter.
    """

    name: str
    scripts: frozenset[str]
    replace: Callable[[str], str]

    def change(self, word: str) -> str:
        """Returns a word with every letter changed that can be; the rest is not normalised either."""
        return "".join(map(self._change_letter, _letters(word)))

    def _change_letter(self, letter: str) -> str:
        if _script(letter[0]) not in self.scripts:
            return letter
        parts = unicodedata.normalize("NFD", letter)
        changed = self.replace(parts)
        return letter if changed == parts else unicodedata.normalize("NFC", changed)


def _letters(word: str) -> Iterator[str]:
    """Yields characters, each with the marks that follow it."""
    start = 0
    for end in range(1, len(word) + 1):
        if end == len(word) or not is_mark(word[end]):
            yield word[start:end]
            start = end


_script = lru_cache(maxsize=None)(text_script)  # Called with single characters, of which there are few.

# Letters that Unicode's confusables.txt (UTS #39) treats as alike and that the Noto fonts draw alike: no more than
# a quarter of the ink differs. All belong to alphabets in use, so that multilingual vocabularies have them: an
# obsolete letter would turn the word into an unknown token, which looks like nothing. Compatibility forms (fullwidth,
# mathematical) are left out: tokenizers such as XLM-R's undo them by NFKC, which changes none of these letters.
_MORE_LATIN = dict(zip("һгρυ", "hrpu", strict=True))
_OTHERS = dict(zip("ГПФкɛ", "ΓΠΦκε", strict=True))
_TO_LATIN = {**LOOK_ALIKES, **_MORE_LATIN}
# Where several fit, the first one: Cyrillic before Greek.
_FROM_LATIN = {latin: letter for letter, latin in reversed(_TO_LATIN.items())}
HOMOGLYPHS: dict[str, str] = {
    **_TO_LATIN,
    **_FROM_LATIN,
    **_OTHERS,
    **{second: first for first, second in _OTHERS.items()},
}

LEETSPEAK: dict[str, str] = dict(zip("abegiostz", "483910572", strict=True))

# Marks of short vowels and of pronunciation, which Arabic mostly omits; not those of hamza and madda,
# which distinguish letters.
_TASHKIL = frozenset(map(chr, (*range(0x610, 0x61B), *range(0x64B, 0x653), *range(0x656, 0x660), 0x670)))
# Strokes, which NFD does not separate from their letters, and which are dropped where the other marks are.
_STROKES = dict(zip("đĐøØłŁħĦŧŦ", "dDoOlLhHtT", strict=True))


def _to_homoglyph(letter: str) -> str:
    changed = HOMOGLYPHS.get(letter[0], letter[0]) + letter[1:]
    # Letters with marks that no alphabet combines are unknown tokens as well.
    apart = len(unicodedata.normalize("NFC", changed)) > len(unicodedata.normalize("NFC", letter))
    return letter if apart else changed


def _to_leetspeak(letter: str) -> str:
    return LEETSPEAK.get(letter[0].lower(), letter)


def _without_diacritics(letter: str) -> str:
    in_arabic = _script(letter[0]) == "Arab"
    kept = (mark for mark in letter[1:] if not (mark in _TASHKIL if in_arabic else unicodedata.combining(mark)))
    return _STROKES.get(letter[0], letter[0]) + "".join(kept)


# Vowel signs and tone marks of Brahmic scripts and of Thai are letters, and the voicing marks of kana distinguish
# letters: dropping them would leave other words.
NOISES: dict[str, Noise] = {
    noise.name: noise
    for noise in (
        Noise("homoglyphs", frozenset(("Latn", "Cyrl", "Grek")), _to_homoglyph),
        Noise("diacritics", frozenset(("Latn", "Cyrl", "Grek", "Arab", "Hebr")), _without_diacritics),
        Noise("leetspeak", frozenset(("Latn",)), _to_leetspeak),
    )
}
