"""The script of a piece of text, and what its script asks of a renderer."""

from __future__ import annotations

import unicodedata
from collections import Counter

from ..errors import InputError

try:
    from fontTools.unicodedata import script, script_horizontal_direction
except ImportError as error:
    raise InputError(
        "Finding the script of a text needs fonttools, which is not installed: pip install 'modeling-dlfa[glyphs]'."
    ) from error

COMMON = "Zyyy"
_NO_SCRIPT = (COMMON, "Zinh", "Zzzz")
# Scripts whose letters join: ArabicShaping.txt of Unicode lists their joining types.
_JOINING = frozenset(
    ("Adlm", "Arab", "Chrs", "Mand", "Mani", "Mong", "Nkoo", "Ougr", "Phag", "Phlp", "Rohg", "Sogd", "Syrc")
)

_ZERO_WIDTH_JOINER = "\u200d"
_NO_BREAK_SPACE = "\u00a0"


def text_script(text: str) -> str:
    """Returns the ISO 15924 code of most of a text's characters; `"Zyyy"` if none has a script (digits, signs)."""
    counts = Counter(code for code in map(script, text) if code not in _NO_SCRIPT)
    return counts.most_common(1)[0][0] if counts else COMMON


def is_right_to_left(text: str) -> bool:
    """Whether the first character with a direction runs from right to left."""
    for character in text:
        if (direction := unicodedata.bidirectional(character)) in ("L", "R", "AL"):
            return direction != "L"
    return script_horizontal_direction(text_script(text), "LTR") == "RTL"


def is_mark(character: str) -> bool:
    """Whether a character is drawn onto the one before it: a vowel sign, a virama, an accent."""
    return unicodedata.category(character).startswith("M")


def is_invisible(character: str) -> bool:
    """Whether a shaper draws a character without a glyph of the font: spaces, format controls, variation selectors."""
    return (
        unicodedata.category(character) in ("Cf", "Zs") or "\ufe00" <= character <= "\ufe0f" or character == "\u034f"
    )


def context_before(text: str, *, continues_word: bool) -> str:
    """Returns what to put before a piece, invisible, so that it looks as it does inside a text.

    A mark without a letter before it gets a dotted circle from the shaper; a no-break space carries it without one
    (The Unicode Standard, section 2.11). Where a mark stands wrongly inside a piece, the circle stays, as every
    browser draws it; XLM-R has some 300 such pieces, most of them Burmese in the Zawgyi encoding. A letter of a
    joining script that continues a word takes its joined form after a zero-width joiner.

    Args:
        text: The piece.
        continues_word: Whether it continues a word.
    """
    if not text:
        return ""
    carrier = _NO_BREAK_SPACE if is_mark(text[0]) else ""
    joiner = _ZERO_WIDTH_JOINER if continues_word and text_script(text) in _JOINING else ""
    return carrier + joiner
