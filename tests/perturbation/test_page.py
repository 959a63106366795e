"""The commands of docs/robustness.md run as printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from modeling_dlfa.cli import run
from modeling_dlfa.glyphs import GlyphTable, build_glyph_table

from ..conftest import ROOT, WORDS
from ..glyphs.words import TOKENS, needs_fonts, word_pieces

PAGE = (ROOT / "docs/robustness.md").read_text(encoding="utf-8")


@needs_fonts
def test_the_commands_of_the_page(tmp_path: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tokenizer = word_pieces(*TOKENS)
    tokenizer.save_pretrained("ENCODER")
    build_glyph_table(tokenizer, size=8).save("glyphs")
    for path in tiny_data.glob("test-*.tsv"):
        Path(path.name).write_bytes(path.read_bytes())
    commands = re.findall(r"^    dlfa ((?:glyphs|perturb) .+)$", PAGE, re.MULTILINE)
    for command in commands:
        run(shlex.split(command))
    assert len(commands) == 2
    assert GlyphTable.load("permuted").record["control"] == "permuted"
    assert {path.name for path in Path().glob("noisy-*.tsv")} == {f"noisy-{code}.tsv" for code in WORDS}
