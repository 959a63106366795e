"""A tokenizer of word pieces, and the letters and words of which tests make vocabularies."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

LATIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ"
OTHERS = "αβγδεζηθικλμνξοπρστυφχψωΑΒΕΖΗΙΚΜΝΟΡΤΥΧéèêöüñçकखगघचछजझஅஆஇஈกขคงאבגדهوزح"
WORDS = (
    "cafe",
    "café",
    "creme",
    "crème",
    "uber",
    "über",
    "El",
    "Él",
    "##cion",
    "##ción",
    "##ع",
    "##ि",
    "བོད",
    "[unused1]",
)
TOKENS = (*LATIN, *CYRILLIC, *OTHERS, *WORDS)
needs_fonts = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("PIL", "fontTools", "manimgx_fonts", "manimgx_fonts_cjk")),
    reason="fonts are not installed: pip install 'modeling-dlfa[glyphs]'",
)


def word_pieces(*tokens: str) -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer of the special tokens and these."""
    vocabulary = {token: index for index, token in enumerate([*SPECIALS, *tokens])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{f"{token[1:-1].lower()}_token": token for token in SPECIALS},
    )
