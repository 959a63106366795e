"""Visual noise: what it makes of a word in each script, and which words it takes."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from importlib.util import find_spec

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from modeling_dlfa.errors import InputError
from modeling_dlfa.glyphs.scripts import text_script
from modeling_dlfa.perturbation import NOISES, Changer
from modeling_dlfa.perturbation.noises import HOMOGLYPHS

# Words in which no noise may change anything: vowel signs, tone marks and voicing marks belong to their letters.
UNTOUCHED = [
    *("हिन्दी", "ज़रूर", "বাংলা", "தமிழ்", "తెలుగు", "ಕನ್ನಡ", "മലയാളം", "ગુજરાતી", "ਪੰਜਾਬੀ", "සිංහල", "မြန်မာ"),
    *("ที่นี่", "ກຳລັງ", "ភាសា", "བོད་ཡིག", "がくせい", "ポップ", "한국어", "中文", "ქართული", "Հայերեն", "አማርኛ"),
    *("2026", "3½", "...", "क़", "\u0958"),
]


@pytest.mark.parametrize(
    ("noise", "word", "expected"),
    [
        ("homoglyphs", "paper", "рареr".replace("r", "г")),
        ("homoglyphs", "dwvqlk", "dwvqlk"),
        ("homoglyphs", "Москва", "Mocквa".replace("к", "κ")),
        ("homoglyphs", "ΑΘΗΝΑ", "AΘHNA"),
        ("homoglyphs", "caïman", "саїmаn"),  # With its marks, as Ukrainian has it.
        ("homoglyphs", "café", "саfé"),  # A Cyrillic е with an acute would be a letter of no alphabet.
        ("homoglyphs", "أحمد", "أحمد"),
        ("diacritics", "Việt", "Viet"),
        ("diacritics", "đường", "duong"),
        ("diacritics", "cafe\u0301s", "cafes"),
        ("diacritics", "Łódź", "Lodz"),
        ("diacritics", "Ελλάδα", "Ελλαδα"),
        ("diacritics", "ёлка", "елка"),
        ("diacritics", "كِتَابٌ", "كتاب"),
        ("diacritics", "أحمد", "أحمد"),  # Hamza and madda are parts of letters.
        ("diacritics", "آمنة", "آمنة"),
        ("diacritics", "שָׁלוֹם", "שלום"),
        ("diacritics", "ıssız", "ıssız"),
        ("leetspeak", "Leetspeak", "L3375p34k"),
        ("leetspeak", "été", "373"),
        ("leetspeak", "Москва", "Москва"),
        *((noise, word, word) for noise in NOISES for word in UNTOUCHED),
    ],
)
def test_what_becomes_of_a_word(noise: str, word: str, expected: str) -> None:
    assert NOISES[noise].change(word) == expected


def test_homoglyphs_are_letters_of_other_scripts_that_normalisation_keeps() -> None:
    for letter, other in HOMOGLYPHS.items():
        assert text_script(letter) != text_script(other) and {text_script(letter), text_script(other)} <= (
            NOISES["homoglyphs"].scripts
        )
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            assert unicodedata.normalize(form, other) == other
        assert other.isupper() == letter.isupper()
    # As XLM-R's and BERT's tokenizers have them.
    for normalizer in (
        normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()]),
        normalizers.BertNormalizer(lowercase=False),
        normalizers.BertNormalizer(lowercase=True),
    ):
        assert all(
            normalizer.normalize_str(other) != normalizer.normalize_str(letter) for letter, other in HOMOGLYPHS.items()
        )


@pytest.mark.skipif(
    any(find_spec(name) is None for name in ("PIL", "manimgx_fonts", "manimgx_fonts_cjk")),
    reason="fonts are not installed: pip install 'modeling-dlfa[glyphs]'",
)
def test_homoglyphs_are_drawn_alike() -> None:
    from modeling_dlfa.glyphs.fonts import load_fonts
    from modeling_dlfa.glyphs.pieces import TEXT, Piece
    from modeling_dlfa.glyphs.rendering import render

    fonts = load_fonts(None)

    def difference(letter: str, other: str) -> float:
        """The share of the ink that differs, wherever the letters begin."""
        first, second = (np.asarray(render(Piece(text, TEXT), fonts).image, dtype=float) for text in (letter, other))
        ink = max(first.sum(), second.sum())
        return min(float(np.abs(first - np.roll(second, shift, axis=1)).sum() / ink) for shift in range(-3, 4))

    assert {pair: found for pair in HOMOGLYPHS.items() if (found := difference(*pair)) > 0.26} == {}
    assert difference("Д", "D") > 0.3 and difference("χ", "x") > 0.3


def chosen(changer: Changer, words: int = 2000, row: int = 0) -> set[int]:
    return {place for place in range(words) if changer.word("paper", row, place) != "paper"}


def test_a_share_of_the_words_is_changed() -> None:
    changer = Changer("homoglyphs", share=0.1, seed=1)
    found = chosen(changer, 20_000)
    assert len(found) == pytest.approx(2000, rel=0.07)
    counts = changer.counts["Latn"]
    assert (counts.words, counts.chosen, counts.changed) == (20_000, len(found), len(found))
    assert len(chosen(Changer("leetspeak", share=1.0))) == 2000


def test_places_are_chosen_by_seed_and_row_alone() -> None:
    places = chosen(Changer("homoglyphs", share=0.1, seed=1), row=7)
    later = Changer("leetspeak", share=0.1, seed=1)
    chosen(later, row=3)  # What came before does not count, nor does the noise.
    assert chosen(later, row=7) == places
    assert places < chosen(Changer("homoglyphs", share=0.3, seed=1), row=7)
    assert places != chosen(Changer("homoglyphs", share=0.1, seed=2), row=7)
    assert places != chosen(Changer("homoglyphs", share=0.1, seed=1), row=8)
    changer = Changer("homoglyphs", share=0.1, seed=1)
    russian = {place for place in range(2000) if changer.word("Москва", 7, place) != "Москва"}
    assert russian == places
    text = Changer("homoglyphs", share=0.1, seed=1).text(" ".join(["paper"] * 2000), 7, 0).split(" ")
    assert {place for place, word in enumerate(text) if word != "paper"} == places
    other = Changer("homoglyphs", share=0.1, seed=1).text(" ".join(["paper"] * 2000), 7, 1).split(" ")
    assert {place for place, word in enumerate(other) if word != "paper"} != places


def test_white_space_stays() -> None:
    text = "  un paper\u00a0azul \u3000paper  "
    noisy = Changer("leetspeak", share=1.0).text(text, 0, 0)
    assert noisy == "  un p4p3r\u00a042ul \u3000p4p3r  "


def test_what_a_tokenizer_undoes_is_counted() -> None:
    vocabulary = {"[UNK]": 0, "cafe": 1, "café": 2, "c4f3": 3}

    def tokenizer(lowercase: bool) -> PreTrainedTokenizerFast:
        backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
        backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")

    for noise, lowercase, undone in (("diacritics", True, 1), ("diacritics", False, 0), ("leetspeak", True, 0)):
        changer = Changer(noise, share=1.0, tokenizer=tokenizer(lowercase))
        changer.text("café", 0, 0)
        assert (changer.total.changed, changer.total.undone) == (1, undone)


def test_wrong_arguments() -> None:
    with pytest.raises(InputError, match="There is no noise 'blur'. Choose: homoglyphs, diacritics, leetspeak"):
        Changer("blur")
    for share in (0, -0.1, 1.5, float("nan")):
        with pytest.raises(InputError, match="give a number above 0"):
            Changer("leetspeak", share=share)


def test_without_fonttools_its_lack_is_named() -> None:
    code = (
        "import sys; sys.modules['fontTools'] = None\n"
        "from modeling_dlfa.cli import run; "
        "run(['perturb', 'x.tsv', '--noise', 'leetspeak', '--output_file', 'y.tsv'])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert shown.returncode == 2
    assert "needs fonttools, which is not installed: pip install 'modeling-dlfa[glyphs]'" in shown.stderr
