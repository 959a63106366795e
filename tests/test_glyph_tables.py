"""Tables of glyphs in a model: loaded, kept in half precision, and refused where they do not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertModel

from modeling_dlfa import DlfaConfig, DlfaForSequenceClassification, DlfaForTokenClassification, DlfaModel
from modeling_dlfa.glyphs import GlyphTable
from modeling_dlfa.glyphs_dlfa import read_glyphs

from .backbones import batch, build

NAME = "bert-glyphs"
D = 6  # Columns of the tiny tables.


def looks(*shape: int, seed: int = 5) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# The table


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_table_stays_in_half_precision(dtype: torch.dtype, tmp_path: Path) -> None:
    model = build(DlfaForTokenClassification, NAME)
    table = model.dlfa.glyphs.table.clone()
    assert table.dtype == torch.float16
    model.save_pretrained(tmp_path)
    for other in (DlfaForTokenClassification.from_pretrained(tmp_path, dtype=dtype), model.to(dtype)):
        assert {parameter.dtype for parameter in other.parameters()} == {dtype}
        assert other.dlfa.glyphs.table.dtype == torch.float16 and torch.equal(other.dlfa.glyphs.table, table)
        assert other(**batch(NAME)).logits.isfinite().all()


def test_from_backbone_reads_a_folder_or_takes_a_table(tiny_encoder: Path, tiny_glyphs: Path) -> None:
    values = GlyphTable.load(tiny_glyphs).values
    models = []
    for glyphs in (tiny_glyphs, str(tiny_glyphs), values, values.float()):
        torch.manual_seed(0)
        models.append(DlfaForTokenClassification.from_backbone(tiny_encoder, fusion_layers=1, glyphs=glyphs))
    states = [model.state_dict() for model in models]
    assert all(torch.equal(state[name], value) for state in states for name, value in states[0].items())
    assert models[0].config.glyph_size == D and torch.equal(models[0].dlfa.glyphs.table, values)
    encoder = BertModel.from_pretrained(tiny_encoder)
    encoder.resize_token_embeddings(64)
    shared = DlfaModel.from_backbone(encoder, fusion_layers=1, glyphs=tiny_glyphs)
    rows = len(values)
    assert torch.equal(shared.glyphs.table[:rows], values) and len(shared.glyphs.table) == 64
    assert not shared.glyphs.table[rows:].any()


def test_one_seed_gives_the_same_head_with_glyphs_and_without(tiny_encoder: Path, tiny_glyphs: Path) -> None:
    heads = []
    for glyphs in (None, tiny_glyphs):
        torch.manual_seed(3)
        model = DlfaForSequenceClassification.from_backbone(tiny_encoder, fusion_layers=1, glyphs=glyphs)
        heads.append(model.classifier.weight)
    assert torch.equal(*heads)


def test_tables_that_do_not_fit_are_refused(tiny_encoder: Path, tiny_glyphs: Path, tmp_path: Path) -> None:
    other, bare = tmp_path / "other", tmp_path / "bare"
    shutil.copytree(tiny_encoder, other)
    tokenizer = json.loads((other / "tokenizer.json").read_text(encoding="utf-8"))
    words = tokenizer["model"]["vocab"]
    words["cat"], words["dog"] = words["dog"], words["cat"]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny_encoder / name, bare)
    cases: list[tuple[Path, dict[str, Any], str]] = [
        (other, {"glyphs": tiny_glyphs}, "made for another vocabulary.* Make them for the model's own tokenizer"),
        (bare, {"glyphs": tiny_glyphs}, "has no tokenizer that can be loaded|made for another vocabulary"),
        (
            tiny_encoder,
            {"glyphs": tmp_path},
            "contains no complete table of glyphs.*Use .dlfa glyphs",
        ),
        (
            tiny_encoder,
            {"glyphs": looks(200, D)},
            "200 rows of 6, but the configuration expects a row of 6 for each of",
        ),
        (tiny_encoder, {"glyphs": looks(3, D)}, "3 rows of 6"),
        (tiny_encoder, {"glyphs": looks(40, D), "glyph_size": 5}, "40 rows of 6"),
        (tiny_encoder, {"glyphs": looks(40, D), "glyph_table": False}, "expects a row of 0 for each of 0 tokens"),
        (tiny_encoder, {"glyphs": looks(10)}, "V x d numbers"),
        (tiny_encoder, {"glyphs": looks(10, D) * 1e9}, "finite in half precision"),
        (tiny_encoder, {"glyph_size": D}, "needs glyphs=..., or glyph_table=False"),
        (tiny_encoder, {"glyphs": tiny_glyphs, "fusion": "last"}, "glyph_size has no effect with fusion='last'"),
    ]
    for folder, options, message in cases:
        layers = {} if options.get("fusion") == "last" else {"fusion_layers": 1}
        with pytest.raises(ValueError, match=message):
            DlfaModel.from_backbone(folder, **layers, **options)
    config = DlfaConfig(BertModel.from_pretrained(tiny_encoder).config, fusion_layers=1)
    with pytest.raises(ValueError, match="expects a row of 0 for each of 0 tokens"):
        DlfaModel.from_backbone(tiny_encoder, config=config, glyphs=tiny_glyphs)
    with pytest.raises(TypeError, match="glyphs is list; give a folder"):
        DlfaModel.from_backbone(tiny_encoder, fusion_layers=1, glyphs=[[1.0]])  # type: ignore[arg-type]


def test_a_control_keeps_its_name(tiny_encoder: Path, tiny_glyphs: Path, tiny_control: Path, tmp_path: Path) -> None:
    model = DlfaModel.from_backbone(tiny_encoder, glyphs=tiny_control, fusion_layers=1)
    model.save_pretrained(tmp_path)
    again = DlfaModel.from_pretrained(tmp_path)
    assert model.config.glyph_table == again.config.glyph_table == "permuted"
    assert torch.equal(again.glyphs.table, GlyphTable.load(tiny_control).values)
    saved = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert saved["glyph_table"] == "permuted"
    real = DlfaModel.from_backbone(tiny_encoder, glyphs=tiny_glyphs, fusion_layers=1).config
    assert real.glyph_table is True
    for config, folder, needed in ((real, tiny_control, "'permuted'"), (again.config, tiny_glyphs, "True")):
        with pytest.raises(ValueError, match=f"does not fit {folder}; it needs {needed}"):
            DlfaModel.from_backbone(tiny_encoder, glyphs=folder, config=config)
    with pytest.raises(ValueError, match="glyph_table=True does not fit"):
        DlfaModel.from_backbone(tiny_encoder, glyphs=tiny_control, fusion_layers=1, glyph_table=True)
    assert DlfaModel.from_backbone(tiny_encoder, glyphs=tiny_control, config=again.config).glyphs is not None


def test_checkpoints_from_before_controls_had_names_load(tmp_path: Path) -> None:
    model = build(DlfaModel, NAME)
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert saved["glyph_table"] is True  # As it was written before.
    del saved["glyph_table"]
    (tmp_path / "config.json").write_text(json.dumps(saved), encoding="utf-8")
    assert DlfaModel.from_pretrained(tmp_path).config.glyph_table is True


@pytest.mark.parametrize("key", ["format", "tokenizer", "columns"])
def test_a_record_that_lacks_something_is_named(key: str, tiny_glyphs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "glyphs"
    shutil.copytree(tiny_glyphs, folder)
    record = json.loads((folder / "glyphs.json").read_text(encoding="utf-8"))
    del record[key]
    (folder / "glyphs.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"contains no complete table of glyphs.*'{key}'"):
        read_glyphs(folder)
