"""Control tables: the same shape, bits and statistics as the glyphs, and each without what it is a control for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from modeling_dlfa import glyphs_dlfa
from modeling_dlfa.cli import run
from modeling_dlfa.errors import InputError
from modeling_dlfa.glyphs import CONTROLS, GlyphTable, build_control_table, build_glyph_table
from modeling_dlfa.glyphs.controls import character_ngrams
from modeling_dlfa.glyphs.pieces import read_pieces
from modeling_dlfa.glyphs.quality import measure
from modeling_dlfa.publishing import cards

from .words import CYRILLIC, LATIN, OTHERS, SPECIALS, TOKENS, needs_fonts, word_pieces

SIZE = 16
SPELT = [f"{stem}{end}" for stem in ("haus", "baum", "дом", "сад", "berg", "wald") for end in ("", "es", "ом", "en")]
ALL = (*TOKENS, *SPELT, "##haus")

pytestmark = needs_fonts


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return word_pieces(*ALL)


@pytest.fixture(scope="module")
def folder(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tables") / "glyphs"
    build_glyph_table(tokenizer, size=SIZE, command="made by a test").save(made)
    return made


def rows(table: GlyphTable, tokenizer: PreTrainedTokenizerFast, *tokens: str) -> torch.Tensor:
    return table.values[tokenizer.convert_tokens_to_ids(list(tokens)), :SIZE].float()


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_takes_the_place_of_the_glyphs(
    control: str, folder: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    glyphs = GlyphTable.load(folder)
    build_control_table(folder, tokenizer, control, seed=3, command="made by a test").save(tmp_path / control)
    assert sorted(path.name for path in (tmp_path / control).iterdir()) == ["glyphs.json", "glyphs.safetensors"]
    made = GlyphTable.load(tmp_path / control)
    made.check_tokenizer(tokenizer)
    assert made.values.shape == glyphs.values.shape and made.values.dtype == torch.float16
    assert torch.equal(made.values[:, SIZE:], glyphs.values[:, SIZE:])  # The bits.
    drawn = glyphs.values[:, :SIZE].any(dim=1)
    assert not made.values[~drawn, :SIZE].any() and not torch.equal(made.values, glyphs.values)
    features = made.values[drawn, :SIZE].float()
    torch.testing.assert_close(features.mean(dim=0), torch.zeros(SIZE), atol=2e-3, rtol=0)
    torch.testing.assert_close(features.std(dim=0, correction=0), torch.ones(SIZE), atol=2e-3, rtol=0)
    record = made.record
    assert (record["control"], record["seed"], record["command"]) == (control, 3, "made by a test")
    digest = hashlib.sha256((folder / "glyphs.safetensors").read_bytes()).hexdigest()
    assert record["made_from"]["sha256"] == digest and record["made_from"]["method"]["encoder"] == "pca"
    assert record["method"]["encoder"] == control and record["tokenizer"] == glyphs.record["tokenizer"]


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_repeats_and_its_seed_counts(control: str, folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    state = torch.random.get_rng_state()
    first, again, other = (build_control_table(folder, tokenizer, control, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.values, again.values) and first.record == again.record
    assert not torch.equal(first.values, other.values)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_no_control_tells_what_looks_alike(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    pieces = read_pieces(tokenizer)
    glyphs = GlyphTable.load(folder).values
    drawn = glyphs[:, :SIZE].any(dim=1)
    found = {}
    for name in (None, *CONTROLS):
        values = glyphs if name is None else build_control_table(folder, tokenizer, name).values
        measured = measure(values[:, :SIZE].float(), pieces, drawn, 0)["look_alikes"]
        found[name] = measured["nearest"]
    assert found.pop(None) > 0.95
    assert max(found.values()) < 0.3, found


def test_permuted_rows_are_those_of_the_glyphs(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    glyphs = GlyphTable.load(folder)
    permuted = build_control_table(folder, tokenizer, "permuted", seed=1)
    assert sorted(permuted.values[:, :SIZE].tolist()) == sorted(glyphs.values[:, :SIZE].tolist())
    moved = (permuted.values != glyphs.values).any(dim=1)
    assert moved.sum() > 0.9 * glyphs.values[:, :SIZE].any(dim=1).sum()


def test_script_tells_the_script_and_nothing_else(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    made = build_control_table(folder, tokenizer, "script")
    latin, cyrillic = (rows(made, tokenizer, *letters) for letters in (LATIN, CYRILLIC))
    assert (latin == latin[0]).all() and (cyrillic == cyrillic[0]).all()
    scripts = made.record["method"]["scripts"]
    assert list(scripts)[0] == "Latn" and {"Cyrl", "Grek", "Thai", "Deva"} <= scripts.keys()
    assert len(torch.unique(rows(made, tokenizer, *LATIN, *CYRILLIC, *OTHERS), dim=0)) == len(scripts)


def test_spelling_knows_words_that_share_letters_and_not_look_alikes(
    folder: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    made = build_control_table(folder, tokenizer, "ngrams")
    words = rows(made, tokenizer, *SPELT)
    nearest = torch.cdist(words, words).topk(2, largest=False).indices[:, 1].tolist()
    same_stem = [SPELT[index][:3] == SPELT[other][:3] for index, other in enumerate(nearest)]
    assert sum(same_stem) >= 0.8 * len(SPELT)
    assert not torch.equal(rows(made, tokenizer, "А"), rows(made, tokenizer, "A"))  # Cyrillic and Latin.
    assert torch.equal(rows(made, tokenizer, "haus"), rows(made, tokenizer, "##haus"))


def test_checkpoints_cards_and_the_command_know_the_same_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert tuple(CONTROLS) == glyphs_dlfa.CONTROLS
    with pytest.raises(SystemExit):
        run(["glyphs", "--help"])
    assert f"--control {{{','.join(CONTROLS)}}}" in " ".join(capsys.readouterr().out.split())
    assert CONTROLS.keys() == cards.GLYPHS.keys() - {"glyphs"}


def test_character_ngrams_mark_the_ends() -> None:
    assert sorted(character_ngrams("ab")) == sorted(["a", "b", "<a", "ab", "b>", "<ab", "ab>", "<ab>"])


def test_wrong_input(folder: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no control 'shuffled'. Choose: permuted, gaussian, script, ngrams"):
        build_control_table(folder, tokenizer, "shuffled")
    with pytest.raises(InputError, match="made for another vocabulary"):
        build_control_table(folder, word_pieces(*reversed(ALL)), "gaussian")
    build_control_table(folder, tokenizer, "gaussian").save(tmp_path / "gaussian")
    with pytest.raises(InputError, match=r"holds a control \(gaussian\). Give the glyphs"):
        build_control_table(tmp_path / "gaussian", tokenizer, "permuted")
    latin = word_pieces(*LATIN)
    build_glyph_table(latin, size=4).save(tmp_path / "latin")
    with pytest.raises(InputError, match=r"are of one script \(Latn\), which then tells nothing"):
        build_control_table(tmp_path / "latin", latin, "script")


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join([*SPECIALS, *ALL]) + "\n", encoding="utf-8")
    output = tmp_path / "control"
    argv = ["glyphs", str(vocabulary), "--control", "ngrams", "--table", str(folder), "--output_dir", str(output)]
    with pytest.raises(SystemExit) as stop:
        run([*argv[:5], str(tmp_path), *argv[6:]])
    assert stop.value.code == 2 and not output.exists()
    assert "contains no complete table" in capsys.readouterr().err
    run([*argv, "--seed", "4"])
    assert f"Control: {output}" in capsys.readouterr().out
    record = json.loads((output / "glyphs.json").read_text(encoding="utf-8"))
    assert record["seed"] == 4 and record["command"].startswith("dlfa glyphs ") and "--seed 4" in record["command"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--control", "permuted"], "Name their folder with --table."),
        (["--table", "glyphs"], "Choose one with --control, or leave it out."),
        (["--control", "permuted", "--table", "x", "--size", "0", "--compare"], "Leave out --size, --compare."),
    ],
)
def test_options_that_do_not_go_together(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run(["glyphs", "vocab.txt", "--output_dir", str(tmp_path / "new"), *options])
    assert stop.value.code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
