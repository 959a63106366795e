"""`dlfa glyphs`: what it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from modeling_dlfa.cli import run
from modeling_dlfa.glyphs import GlyphTable

from .words import SPECIALS, TOKENS, needs_fonts

FIRST = len(SPECIALS)


@needs_fonts
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join([*SPECIALS, *TOKENS]) + "\n", encoding="utf-8")
    output = tmp_path / "glyphs"
    run(["glyphs", str(vocabulary), "--output_dir", str(output), "--size", "8"])
    assert "Tibt        1 tokens,        0 drawn,      1 missing" in capsys.readouterr().out
    made = GlyphTable.load(output)
    assert made.values.shape == (FIRST + len(TOKENS), 8 + 5)
    assert made.record["command"] == (f"dlfa glyphs {vocabulary} --output_dir {output} --size 8")
    assert made.record["method"]["encoder"] == "pca" and "quality" not in made.record


@needs_fonts
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "0"], "--size 0 leaves no numbers in a row. Give 1 or more"),
        (["--size", "1000"], "Lower --size to"),
        (["--font_dir", "nowhere"], "There is no folder nowhere"),
    ],
)
def test_wrong_input_ends_with_status_2_and_writes_nothing(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIALS, *TOKENS]) + "\n", encoding="utf-8")
    with pytest.raises(SystemExit) as exit_:
        run(["glyphs", str(tmp_path), "--output_dir", str(tmp_path / "glyphs"), *options])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "glyphs").exists()


def test_the_command_refuses_a_folder_with_something_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SystemExit) as exit_:
        run(["glyphs", "no-such-tokenizer", "--output_dir", str(tmp_path)])
    assert exit_.value.code == 2
    assert "exists and is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
