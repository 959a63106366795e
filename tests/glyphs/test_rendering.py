"""Pieces are drawn as a reader of running text sees them, in fonts that have their characters."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

for _name in ("PIL", "fontTools", "manimgx_fonts", "manimgx_fonts_cjk"):
    if find_spec(_name) is None:
        pytest.skip(f"{_name} is not installed: pip install 'modeling-dlfa[glyphs]'", allow_module_level=True)

from fontTools.ttLib import TTFont  # noqa: E402
from PIL import Image, ImageDraw  # noqa: E402

from modeling_dlfa.errors import InputError  # noqa: E402
from modeling_dlfa.glyphs.fonts import OVERSAMPLING, Font, FontSet, load_fonts  # noqa: E402
from modeling_dlfa.glyphs.pieces import BYTE, SPECIAL, TEXT, Piece  # noqa: E402
from modeling_dlfa.glyphs.rendering import (  # noqa: E402
    BASELINE,
    BLANK,
    DRAWN,
    HEIGHT,
    MISSING,
    NO_TEXT,
    WIDTH,
    render,
    render_all,
)
from modeling_dlfa.glyphs.scripts import is_right_to_left, text_script  # noqa: E402

PACKAGE = Path(next(iter(find_spec("manimgx_fonts").submodule_search_locations)))


@pytest.fixture(scope="module")
def fonts() -> FontSet:
    return load_fonts()


def drawn(text: str, fonts: FontSet, continues_word: bool = False) -> Image.Image:
    glyph = render(Piece(text, TEXT, not continues_word, continues_word), fonts)
    assert glyph.status == DRAWN, text
    assert glyph.image.size == (WIDTH, HEIGHT)
    return glyph.image


def ink(image: Image.Image) -> Image.Image:
    return image.crop(image.getbbox())


def plain(text: str, font: Font) -> Image.Image:
    """A text as Pillow draws it, nothing before it, on a large canvas."""
    image = Image.new("L", (1600, 400))
    ImageDraw.Draw(image).text((600, 200), text, font=font.pillow, fill=255, anchor="ls")
    return image.reduce(OVERSAMPLING)


def weight(image: Image.Image) -> int:
    return sum(image.tobytes())


MARKS = {
    "Devanagari": "ि",
    "Bengali": "ী",
    "Gurmukhi": "ੀ",
    "Tamil": "ா",
    "Telugu": "ి",
    "Malayalam": "ാ",
    "Kannada": "ಾ",
    "Myanmar": "ာ",
    "Khmer": "ា",
    "Sinhala": "ා",
    "Thai": "ิ",
    "Hebrew": "ִ",
    "Arabic": "َ",
}


@pytest.mark.parametrize("name", MARKS)
def test_a_leading_mark_has_no_dotted_circle(name: str, fonts: FontSet) -> None:
    mark = MARKS[name]
    [font] = [font for font in fonts.fonts if font.family.removesuffix(" Light") == f"Noto Sans {name}"]
    circle = weight(plain("◌", font))
    with_circle = weight(plain(mark, font))
    assert with_circle > circle  # What the shaper draws when left alone.
    for continues in (False, True):
        assert abs(weight(drawn(mark, fonts, continues)) - (with_circle - circle)) < 0.1 * circle


def test_a_mark_before_letters_leaves_them_as_they_are(fonts: FontSet) -> None:
    letters = ink(drawn("ना", fonts))
    together = ink(drawn("ाना", fonts, True))
    right = together.crop((together.width - letters.width, 0, *together.size))
    assert weight(right) == pytest.approx(weight(letters), rel=0.02)  # They may stand half a pixel aside.
    assert together.width > letters.width


@pytest.mark.parametrize(("letter", "final"), [("ع", "ﻊ"), ("ه", "ﻪ"), ("ی", "ﯽ"), ("ر", "ﺮ"), ("د", "ﺪ")])
def test_arabic_that_continues_a_word_is_joined(letter: str, final: str, fonts: FontSet) -> None:
    # Unicode's own code points for the final forms say what is right.
    assert drawn(letter, fonts, True).tobytes() == drawn(final, fonts).tobytes()
    assert drawn(letter, fonts, False).tobytes() != drawn(final, fonts).tobytes()


def test_what_does_not_join_looks_alike_wherever_it_stands(fonts: FontSet) -> None:
    for text in ("on", "он", "日本", "क", "א", "12"):
        assert drawn(text, fonts, True).tobytes() == drawn(text, fonts, False).tobytes()


def test_the_baseline_is_shared_and_ink_starts_at_the_left(fonts: FontSet) -> None:
    for text in ("x", "xy", "H", "дом", "Ω", "x²"):
        image = drawn(text, fonts)
        assert image.getbbox()[0] == 0
    assert drawn("x", fonts).getbbox()[3] == drawn("H", fonts).getbbox()[3] == BASELINE
    descends = drawn("xy", fonts)
    assert descends.getbbox()[3] > BASELINE
    x = ink(drawn("x", fonts))
    box = (0, BASELINE - x.height, x.width - 2, BASELINE)
    assert descends.crop(box).tobytes() == drawn("x", fonts).crop(box).tobytes()


def test_wide_and_tall_pieces_are_squeezed_into_the_image(fonts: FontSet) -> None:
    wide = drawn("internationalisation", fonts)
    assert wide.getbbox()[0::2] == (0, WIDTH)
    assert drawn("internationalisations", fonts).tobytes() != wide.tobytes()
    endless = drawn("_" * 3000, fonts)
    assert endless.getbbox()[0::2] == (0, WIDTH)
    tall = "e" + "\u0301" * 9
    assert drawn(tall, fonts).getbbox()[1::2] == (0, HEIGHT)
    # Nothing of a letter that hangs low is lost.
    low = drawn("ည္ည", fonts)
    [myanmar] = [font for font in fonts.fonts if font.family == "Noto Sans Myanmar"]
    assert plain("ည္ည", myanmar).getbbox()[3] - 50 > HEIGHT - BASELINE
    assert weight(low) == pytest.approx(weight(plain("ည္ည", myanmar)), rel=0.01)


def test_right_to_left(fonts: FontSet) -> None:
    both, alef, bet = (ink(drawn(text, fonts)) for text in ("אב", "א", "ב"))
    assert both.crop((both.width - alef.width, 0, *both.size)).size == alef.size
    assert abs(weight(both.crop((both.width // 2, 0, *both.size))) - weight(alef)) < 0.15 * weight(alef)
    # With two fonts as with one: no font has both, and the first letter stands at the right.
    mixed = drawn("אα", fonts)
    alpha = ink(drawn("α", fonts))
    box = (0, BASELINE - alpha.height + 1, alpha.width - 1, BASELINE + 1)
    assert weight(mixed.crop(box)) == pytest.approx(weight(drawn("α", fonts).crop(box)), rel=0.05)
    assert is_right_to_left("12א")
    assert not is_right_to_left("12a")


def test_a_missing_character_makes_a_piece_missing(fonts: FontSet) -> None:
    for text in ("བོད", "aབ", "\ue123", "\U000e0080"):
        glyph = render(Piece(text, TEXT), fonts)
        assert (glyph.status, glyph.image, glyph.fonts) == (MISSING, None, ())
    assert fonts.missing("aབོb") == ["བོ"]


def test_what_leaves_no_ink_is_blank(fonts: FontSet) -> None:
    for text in ("", " ", "\u3000", "\u200d", "\u200b", "\ufe0f", "\u00ad"):
        assert render(Piece(text, TEXT), fonts).status == BLANK, ascii(text)
    assert render(Piece("", SPECIAL), fonts).status == render(Piece("", BYTE), fonts).status == NO_TEXT


def test_one_font_draws_as_much_as_it_can(fonts: FontSet) -> None:
    def families(text: str) -> list[tuple[str, str]]:
        return [(run.font.family, run.text) for run in fonts.runs(text)]

    assert families("word") == [("Noto Sans", "word")]
    assert families("7") == [("Noto Sans", "7")]
    assert families("21일") == [("Noto Sans CJK SC", "21일")]
    assert families("aम") == [("Noto Sans", "a"), ("Noto Sans Devanagari", "म")]
    assert families("aकिb") == [("Noto Sans", "a"), ("Noto Sans Devanagari", "कि"), ("Noto Sans", "b")]
    # Noto Sans has the acute accent, the Georgian font does not: the letter is not parted from it.
    assert fonts.runs("ა\u0301") is None


def test_text_in_two_fonts_stands_on_one_line(fonts: FontSet) -> None:
    both = drawn("aम", fonts)
    a = drawn("a", fonts)
    width = a.getbbox()[2]
    assert both.crop((0, 0, width, HEIGHT)).tobytes() == a.crop((0, 0, width, HEIGHT)).tobytes()
    assert both.getbbox()[2] > width + ink(drawn("म", fonts)).width - 2


def test_canonical_equivalents_look_alike(fonts: FontSet) -> None:
    assert drawn("e\u0301", fonts).tobytes() == drawn("é", fonts).tobytes()
    assert drawn("\u1112\u1161\u11ab", fonts).tobytes() == drawn("한", fonts).tobytes()


def test_collections_and_variable_fonts(fonts: FontSet) -> None:
    [cjk] = [font for font in fonts.fonts if "CJK" in font.family]
    assert (cjk.family, cjk.face) == ("Noto Sans CJK SC", 2)
    # Its default weight is thin; a stem of weight 400 is at least a pixel and a half of ink.
    stem = drawn("丨", fonts)
    assert weight(stem) / 255 / ink(stem).height > 1.4
    assert not any("Italic" in font.file for font in fonts.fonts)


def test_a_users_fonts_come_first(tmp_path: Path) -> None:
    shutil.copy(PACKAGE / "NotoSansGurmukhi[wght].ttf", tmp_path / "own.ttf")
    (tmp_path / "OFL.txt").write_text("no font")
    own = load_fonts(tmp_path)
    assert own.fonts[0].record() == {
        "family": "Noto Sans Gurmukhi",
        "version": "Version 2.004",
        "file": "own.ttf",
        "face": 0,
        "package": None,
        "sha256": own.fonts[0].sha256,
    }
    assert own.runs("7")[0].font is own.fonts[0]
    assert own.runs("word")[0].font.package.startswith("manimgx-fonts 20")


def test_wrong_folders_of_fonts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no folder .*nowhere"):
        load_fonts(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no upright font"):
        load_fonts(tmp_path)
    shutil.copy(PACKAGE / "NotoSans-Italic[wght].ttf", tmp_path)
    with pytest.raises(InputError, match="no upright font"):
        load_fonts(tmp_path)
    (tmp_path / "broken.ttf").write_bytes((PACKAGE / "NotoSansThai[wght].ttf").read_bytes()[:1000])
    with pytest.raises(InputError, match=r"broken.ttf cannot be read as a font"):
        load_fonts(tmp_path)


def test_coverage_is_the_fonts_own_table(fonts: FontSet) -> None:
    [thai] = [font for font in fonts.fonts if font.family == "Noto Sans Thai"]
    assert thai.characters == set(TTFont(PACKAGE / "NotoSansThai[wght].ttf").getBestCmap())


def test_a_vocabulary_is_drawn_once_for_what_looks_alike(fonts: FontSet) -> None:
    pieces = [
        Piece("A", TEXT, True),
        Piece("А", TEXT, True),  # Cyrillic: the same outline in Noto Sans.
        Piece("A", TEXT, False, True),
        Piece("ع", TEXT, True),
        Piece("ع", TEXT, False, True),
        Piece("", SPECIAL),
        Piece("བ", TEXT, True),
    ]
    images = render_all(pieces, fonts)
    assert images.rows.tolist() == [0, 0, 0, 1, 2, -1, -1]
    assert images.status == [DRAWN] * 5 + [NO_TEXT, MISSING]
    assert images.pixels.shape == (3, 16 * 64)
    assert {font.family: count for font, count in images.fonts.items()} == {"Noto Sans": 3, "Noto Sans Arabic": 2}
    # Pooling keeps the ink.
    whole = sum(drawn("A", fonts).tobytes()) / 4
    assert float(images.pixels[0].float().sum()) == pytest.approx(whole, rel=0.02)


def test_scripts() -> None:
    texts = {"word": "Latn", "слово": "Cyrl", "A1": "Latn", "12": "Zyyy", "": "Zyyy", "कि": "Deva", "日本の": "Hani"}
    assert {text: text_script(text) for text in texts} == texts
