"""The gate of one input as text and picture: the model's own numbers, and no token that cannot be read."""

from __future__ import annotations

import json
import re
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modeling_dlfa import DlfaForSequenceClassification
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.inference.gate_view import FusionView, drawable, fusion_text, load_fusion, plot_fusion, view_fusion
from modeling_dlfa.tasks import XNLI

from ..tiny_checkpoints import ENTITIES, corpus_pairs, save_checkpoint

SIZES = {"one": 1, "several": [0, 2]}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    made = {
        name: save_checkpoint(folder / name, "sequence", XNLI.labels, fusion_layers=layers)
        for name, layers in SIZES.items()
    }
    looks = {"glyph_size": 6, "pooling": "mean"}
    control = {"glyph_size": 6, "glyph_table": "permuted"}
    made["glyphs"] = save_checkpoint(folder / "glyphs", "sequence", XNLI.labels, fusion_layers=[], **looks)
    made["both"] = save_checkpoint(folder / "both", "sequence", XNLI.labels, fusion_layers=[1], **control)
    made["excite"] = save_checkpoint(folder / "excite", "token", ENTITIES, gate="excite")
    made["last"] = save_checkpoint(folder / "last", "token", ENTITIES, fusion="last")
    return made


@pytest.mark.parametrize("name", ["one", "several", "glyphs", "both", "excite"])
def test_the_numbers_are_the_gate(name: str, folders: dict[str, Path]) -> None:
    model, tokenizer = load_fusion(str(folders[name]))
    pair = corpus_pairs("en")[0]
    view = view_fusion(model, tokenizer, *pair)
    gate = (
        model(**tokenizer(*pair, return_tensors="pt"), output_fusion_weights=True).fusion_weights[0].detach().numpy()
    )
    assert view.layers == {"one": [1], "several": [0, 2], "glyphs": [], "both": [1], "excite": [1]}[name]
    assert view.names[-1] == {"several": "layer 2", "glyphs": "glyphs", "both": "permuted"}.get(name, view.names[0])
    assert view.is_share == (name != "excite") and not view.cut
    assert view.reads_first == (name not in ("excite", "glyphs"))
    expected = {
        "one": 1 - gate[..., None],
        "several": gate[:, 1:] if gate.ndim == 2 else None,
        "glyphs": 1 - gate[..., None],
        "both": gate[:, 1:] if gate.ndim == 2 else None,
        "excite": gate[..., None],
    }
    np.testing.assert_allclose(view.shares, expected[name], atol=1e-6)
    assert len(view.tokens) == len(gate) and view.tokens[0] == "[CLS]" and view.tokens.count("[SEP]") == 2
    words = "".join(token for token in view.tokens if token not in ("[CLS]", "[SEP]"))
    assert words == "".join(pair).replace(" ", "")
    lines = fusion_text(view).splitlines()
    assert len(lines) == 2 + len(view.tokens)
    assert ("reads only token 0" in lines[0]) == view.reads_first
    for line, row, token in zip(lines[2:], view.shares, view.tokens, strict=True):
        assert [float(number) for number in re.findall(r"\d\.\d{3}", line)] == pytest.approx(row.tolist(), abs=6e-4)
        assert line.endswith(f"  {token}")
        filled = line.count("█") / 30
        assert filled == pytest.approx(row.sum(), abs=1 / 30)


@pytest.mark.parametrize("code", XNLI.languages)
def test_every_script_is_legible_or_numbered(code: str, folders: dict[str, Path], tmp_path: Path) -> None:
    text = corpus_pairs(code)[0][0]
    view = view_fusion(*load_fusion(str(folders["one"])), text)
    lines = fusion_text(view).splitlines()[2:]
    shown = "".join(re.sub(r"^ *\d+  [\d. ]+  [█▏▎▍▌▋▊▉ ]*", "", line) for line in lines[1:-1])
    assert re.sub("[\u2066-\u2069\u25cc]", "", shown) == re.sub(r"\s", "", text)
    assert ("\u2068" in shown) == (code in ("ar", "ur"))
    assert not re.search(r"(?<!\u25cc)[\u0900-\u0903\u093a-\u094f]", shown)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a glyph that it lacks, and draws a box.
        missing = plot_fusion(view, tmp_path / "gate.png")
    assert (tmp_path / "gate.png").read_bytes().startswith(b"\x89PNG")
    letters = sum(token.isalpha() for token in view.tokens[1:-1])
    if code in ("ar", "hi", "th", "ur", "zh"):
        assert missing >= letters / 2
    else:
        assert missing == 0


def test_what_is_drawn() -> None:
    assert all(drawable(token) for token in ("Größe", "река", "νύχτα", "tiếng", "[CLS]", "$x$", "."))
    assert not any(drawable(token) for token in ("猫", "แมว", "बिल्ली", "قطة", "חתול", "e\u0301", " ", ""))


def test_a_picture_of_a_formula_and_of_nothing_visible(tmp_path: Path) -> None:
    view = FusionView(["[CLS]", "$", "$x_1$", "\u200b", "\t"], np.full((5, 1), 0.25), [3], True, False, False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plot_fusion(view, tmp_path / "x.png") >= 1
    assert "\\u200b" in fusion_text(view) and "\\u0009" in fusion_text(view)


def test_a_long_text_is_cut_and_says_so(folders: dict[str, Path]) -> None:
    view = view_fusion(*load_fusion(str(folders["one"])), "word " * 100)
    assert len(view.tokens) == 160 and view.cut and "is cut" in fusion_text(view)


def test_the_command(folders: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    png, text = str(tmp_path / "a" / "gate.png"), str(tmp_path / "gate.txt")
    pair = corpus_pairs("zh")[0]
    dlfa(["gate", str(folders["several"]), *pair, "--png", png, "--text_file", text])
    assert "tokens are shown as numbers in" in capfd.readouterr().err
    dlfa(["gate", str(folders["several"]), *pair])
    assert capfd.readouterr().out == Path(text).read_text(encoding="utf-8")
    errors: list[tuple[list[Any], str]] = [
        ([folders["one"], "a", "--png", png], "exists"),
        ([folders["one"], "a", "--png", ""], "--png '' is not the name of a file"),
        ([folders["one"], "a", "--text_file", tmp_path, "--overwrite"], "is not the name of a file"),
        ([folders["one"], "a", "--png", tmp_path / "x", "--text_file", tmp_path / "x"], "Name two files"),
        (
            [folders["one"], "a", "--png", tmp_path / "x.xyz"],
            "the extension decides the format. Use .png, .svg or .pdf",
        ),
        ([folders["last"], "a"], "no gate to show. Give a checkpoint that was trained with fusion='aif'"),
        (["nope", "a"], "Cannot load nope: there is no such folder, and as an id of the Hub it fails: "),
        ([folders["one"], " "], "blank text"),
        ([tmp_path, "a"], "this folder holds no config.json"),
    ]
    for arguments, expected in errors:
        with pytest.raises(SystemExit) as stop:
            dlfa(["gate", *map(str, arguments)])
        lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
        assert stop.value.code == 2 and len(lines) == 1 and expected in lines[0]


def test_as_many_texts_as_the_checkpoint_reads(folders: dict[str, Path], tmp_path: Path) -> None:
    for own, texts in {("premise", "hypothesis"): ["a"], ("tokens",): ["a", "b"]}.items():
        folder = tmp_path / own[0]
        shutil.copytree(folders["one"], folder)
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps({**values, "text_columns": own}), encoding="utf-8")
        model, tokenizer = load_fusion(str(folder))
        with pytest.raises(InputError, match=f"but the checkpoint reads '{own[0]}'"):
            view_fusion(model, tokenizer, *texts)
        assert view_fusion(model, tokenizer, *own).tokens


def test_a_picture_needs_matplotlib(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # As if it were not installed.
    with pytest.raises(SystemExit):
        dlfa(["gate", str(folders["one"]), "a", "--png", str(tmp_path / "x.png"), "--text_file", str(tmp_path / "x")])
    assert "--png needs matplotlib (not installed): pip install" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_plain_encoder_is_refused(tiny_encoder: Path) -> None:
    with pytest.raises(InputError, match="plain 'bert' checkpoint"):
        load_fusion(str(tiny_encoder))


def test_the_head_does_not_matter(folders: dict[str, Path]) -> None:
    model, tokenizer = load_fusion(str(folders["one"]))
    whole = DlfaForSequenceClassification.from_pretrained(folders["one"])
    inputs = tokenizer("a dog", return_tensors="pt")
    gates = [m(**inputs, output_fusion_weights=True).fusion_weights for m in (model, whole)]
    assert torch.equal(*gates)
