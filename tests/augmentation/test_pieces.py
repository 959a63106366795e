"""Which pieces are whole words of a target language."""

from __future__ import annotations

from pathlib import Path

import pytest

from modeling_dlfa.augmentation.pieces import PieceLanguages, count_words, is_letters, piece_languages
from modeling_dlfa.errors import InputError
from modeling_dlfa.glyphs.pieces import read_pieces

from ..data.samples import unigram
from .planted import BULGARIAN, CHINESE, ENGLISH, GERMAN, ID, PIECES, RUSSIAN, planted_pieces, planted_tokenizer


def owned(found: PieceLanguages) -> dict[str, set[str]]:
    return {
        name: {PIECES[index] for index in found.allowed if found.owner[index] == group}
        for group, name in enumerate(found.groups)
    }


def test_scripts_tell_languages_and_nothing_else_comes_in() -> None:
    """No continuation, digit, punctuation or special token; and languages of one script cannot be told apart."""
    found = piece_languages(planted_tokenizer(), ["ru", "zh", "bg"], "en", {})
    assert owned(found) == {"ru/bg": {*RUSSIAN, *BULGARIAN}, "zh": {*CHINESE}}


def test_a_language_in_the_scripts_of_the_source_needs_text() -> None:
    with pytest.raises(InputError, match=r"German \(de\) and English \(en\) share a script.*--language_text"):
        piece_languages(planted_tokenizer(), ["ru", "de"], "en", {})


def test_text_tells_languages_of_one_script_apart(tmp_path: Path) -> None:
    """German: not `in` and `hand`, which are as frequent in English; of Russian and Bulgarian who has it more."""
    found = planted_pieces(tmp_path, "de", "ru", "bg")
    assert owned(found) == {"de": {*GERMAN}, "ru": {*RUSSIAN}, "bg": {*BULGARIAN}}
    assert found.counts[ID["katze"]] == 6


def test_the_control_stays_in_the_source_language(tmp_path: Path) -> None:
    found = planted_pieces(tmp_path, "en")
    assert owned(found) == {"en": {*ENGLISH}} and found.groups == ("en",)


def test_the_beginning_of_a_longer_word_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("cats cat, cat's cat.\nthe cats\n", encoding="utf-8")
    tokenizer = planted_tokenizer()
    counts = count_words(tokenizer, read_pieces(tokenizer), tmp_path / "text")
    assert counts[ID["cat"]] == 3 and counts[ID["the"]] == 1


def test_where_no_spaces_are_written_a_word_needs_no_marker() -> None:
    tokenizer = unigram()
    found = piece_languages(tokenizer, ["zh"], "en", {})
    assert {found.texts[index] for index in found.allowed} >= {"我"}


def test_a_language_without_words_is_refused() -> None:
    with pytest.raises(InputError, match="no whole word of th"):
        piece_languages(planted_tokenizer(), ["ru", "th"], "en", {})


def test_a_text_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"caf\xe9\n")
    tokenizer = planted_tokenizer()
    with pytest.raises(InputError, match="cannot be read as UTF-8"):
        count_words(tokenizer, read_pieces(tokenizer), tmp_path / "text")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("cat", True), ("हिन्दी", True), ("3a", False), ("a.", False), ("", False), ("\u0301a", False)],
)
def test_letters(text: str, expected: bool) -> None:
    assert is_letters(text) is expected
