"""Tables of glyphs: right numbers, the same every time, whole files or none, and no font needed to read one."""

from __future__ import annotations

import importlib.util
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from modeling_dlfa.errors import InputError
from modeling_dlfa.glyphs import GlyphTable, build_glyph_table
from modeling_dlfa.glyphs.pieces import read_pieces

from .words import LATIN, SPECIALS, TOKENS, needs_fonts, word_pieces


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return word_pieces(*TOKENS)


@pytest.fixture(scope="module")
def table(tokenizer: PreTrainedTokenizerFast) -> GlyphTable:
    return build_glyph_table(tokenizer, size=16, compare=True, command="made by a test")


@needs_fonts
def test_a_row_for_each_token(tokenizer: PreTrainedTokenizerFast, table: GlyphTable) -> None:
    assert table.values.dtype == torch.float16
    assert table.values.shape == (len(tokenizer), 16 + 5) and table.size == 21
    rows = dict(zip(tokenizer.convert_ids_to_tokens(range(len(tokenizer))), table.values, strict=True))
    bits = {token: row[16:].int().tolist() for token, row in rows.items()}
    assert bits["[CLS]"] == bits["[unused1]"] == [1, 0, 0, 0, 0]
    assert bits["a"] == [0, 0, 0, 1, 0]
    assert bits["##cion"] == [0, 0, 0, 0, 1]
    assert bits["བོད"] == [0, 0, 1, 1, 0]
    without = [token for token, row in rows.items() if not row[:16].any()]
    assert without == [*SPECIALS, "བོད", "[unused1]"]
    glyphs = table.values[[index for index, token in enumerate(rows) if token not in without], :16].float()
    torch.testing.assert_close(glyphs.mean(dim=0), torch.zeros(16), atol=2e-3, rtol=0)
    torch.testing.assert_close(glyphs.std(dim=0, correction=0), torch.ones(16), atol=2e-3, rtol=0)
    assert torch.equal(rows["А"], rows["A"])  # Cyrillic and Latin.
    assert not torch.equal(rows["Б"], rows["B"])


@needs_fonts
def test_the_same_vocabulary_gives_the_same_table(tokenizer: PreTrainedTokenizerFast, table: GlyphTable) -> None:
    again = build_glyph_table(tokenizer, size=16, compare=True, command="made by a test")
    assert torch.equal(again.values, table.values)
    assert again.record == table.record


@needs_fonts
def test_bytes_have_a_bit_and_no_glyph() -> None:
    from tokenizers import Tokenizer, decoders, models

    vocabulary = {"<unk>": 0, "<0xE0>": 1, **{f"▁{letter}": 2 + index for index, letter in enumerate(LATIN)}}
    backend = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    backend.decoder = decoders.Metaspace()
    made = build_glyph_table(PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>"), size=4)
    assert made.values[1].tolist() == [0] * 4 + [0, 1, 0, 0, 0]
    assert made.record["coverage"]["none"] == {
        "tokens": 2, "drawn": 0, "blank": 0, "missing": 0, "missing_share": 0.0
    }  # fmt: skip


@needs_fonts
def test_the_record_says_what_was_done(tokenizer: PreTrainedTokenizerFast, table: GlyphTable) -> None:
    record = table.record
    assert record["command"] == "made by a test"
    assert record["columns"] == {
        "features": 16,
        "bits": ["special", "byte", "no_glyph", "starts_word", "continues_word"],
    }
    coverage = record["coverage"]
    assert coverage["Tibt"] == {
        "tokens": 1,
        "drawn": 0,
        "blank": 0,
        "missing": 1,
        "missing_share": 1.0,
        "missing_characters": ["U+0F51", "U+0F56 U+0F7C"],
    }
    assert sum(counts["tokens"] for counts in coverage.values()) == len(tokenizer)
    assert list(coverage)[0] == "Latn"
    fonts = {font["family"]: font for font in record["fonts"]}
    assert fonts["Noto Sans Devanagari"]["tokens"] == 9
    assert fonts["Noto Sans"]["package"].startswith("manimgx-fonts 20") and len(fonts["Noto Sans"]["sha256"]) == 64
    json.dumps(record)


@needs_fonts
def test_look_alikes_are_neighbours(tokenizer: PreTrainedTokenizerFast, table: GlyphTable) -> None:
    from modeling_dlfa.glyphs.quality import measure

    assert set(table.record["quality"]) == {"pca", "conv"}
    found = table.record["quality"]["pca"]
    assert found["look_alikes"]["tokens"] == 33
    assert found["look_alikes"]["nearest"] > 0.95  # The Cyrillic О is as near to the Q: it is a little wider than O.
    assert found["diacritics"]["tokens"] >= 5
    assert found["diacritics"]["nearest_10"] >= found["diacritics"]["nearest"]
    assert found["script_probe"]["scripts"] == ["Cyrl", "Latn"]
    # Rows of other tokens tell nothing.
    pieces = read_pieces(tokenizer)
    drawn = table.values[:, :16].any(dim=1)
    shuffled = table.values[:, :16].float().clone()
    shuffled[drawn] = shuffled[drawn][torch.randperm(int(drawn.sum()), generator=torch.Generator().manual_seed(0))]
    assert measure(shuffled, pieces, drawn, 0)["look_alikes"]["nearest"] < 0.3


@needs_fonts
def test_saved_and_loaded(tokenizer: PreTrainedTokenizerFast, table: GlyphTable, tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "new" / "glyphs"
    table.save(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["contact_sheet.png", "glyphs.json", "glyphs.safetensors"]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert len(modes) == 1
    loaded = GlyphTable.load(folder)
    assert torch.equal(loaded.values, table.values) and loaded.record == table.record
    loaded.check_tokenizer(tokenizer)
    with pytest.raises(InputError, match="made for another vocabulary"):
        loaded.check_tokenizer(word_pieces(*reversed(TOKENS)))
    with Image.open(folder / "contact_sheet.png") as sheet:
        assert sheet.width > 1000 and sheet.height > 200
        assert sheet.convert("L").getextrema() == (0, 255)
    with pytest.raises(InputError, match="exists and is not empty"):
        table.save(folder)


@needs_fonts
def test_nothing_is_left_of_a_table_that_could_not_be_written(
    table: GlyphTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(type(table.sheet), "save", full)
    with pytest.raises(OSError, match="No space"):
        table.save(tmp_path / "glyphs")
    assert list(tmp_path.iterdir()) == []


def damage_json(folder: Path) -> None:
    (folder / "glyphs.json").write_text("{")


def damage_format(folder: Path) -> None:
    record = json.loads((folder / "glyphs.json").read_text())
    (folder / "glyphs.json").write_text(json.dumps({**record, "format": 99}))


def damage_shape(folder: Path) -> None:
    record = json.loads((folder / "glyphs.json").read_text())
    record["tokenizer"]["tokens"] += 1
    (folder / "glyphs.json").write_text(json.dumps(record))


def damage_table(folder: Path) -> None:
    file = folder / "glyphs.safetensors"
    file.write_bytes(file.read_bytes()[:-10])


def remove_table(folder: Path) -> None:
    (folder / "glyphs.safetensors").unlink()


@needs_fonts
@pytest.mark.parametrize("damage", [damage_json, damage_format, damage_shape, damage_table, remove_table])
def test_a_damaged_table_is_not_loaded(table: GlyphTable, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = tmp_path / "glyphs"
    table.save(folder)
    damage(folder)
    with pytest.raises(InputError, match="contains no complete table|Make them anew|Make it anew"):
        GlyphTable.load(folder)


@pytest.mark.slow
@needs_fonts
def test_reading_needs_no_font_and_no_image_library(table: GlyphTable, tmp_path: Path) -> None:
    table.save(tmp_path / "glyphs")
    code = (
        "import sys; sys.modules |= dict.fromkeys(('PIL', 'fontTools', 'sklearn', 'manimgx_fonts'))\n"
        "from modeling_dlfa.glyphs import GlyphTable\n"
        "print(tuple(GlyphTable.load(sys.argv[1]).values.shape))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "glyphs"], capture_output=True, text=True, check=True, timeout=300
    ).stdout
    assert shown.strip() == str(tuple(table.values.shape))


def test_what_building_needs_is_named(tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"need pillow, fonttools .*pip install 'modeling-dlfa\[glyphs\]'"):
        build_glyph_table(tokenizer)


@needs_fonts
def test_no_fonts_are_installed(tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch) -> None:
    from modeling_dlfa.glyphs import fonts

    monkeypatch.setattr(fonts, "PACKAGES", {"no_such_module": "no-such-package"})
    with pytest.raises(InputError, match=r"No fonts: pip install 'modeling-dlfa\[glyphs\]', or .*--font_dir"):
        build_glyph_table(tokenizer)


@needs_fonts
def test_fonts_that_draw_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="cannot draw any token"):
        build_glyph_table(word_pieces("བོད"), size=4)
