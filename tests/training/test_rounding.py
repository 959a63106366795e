"""Models saved in half precision: half the disk, and the scores are those of what is saved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from modeling_dlfa import DlfaForSequenceClassification
from modeling_dlfa.cli import main
from modeling_dlfa.data.loading import load_file as load_rows
from modeling_dlfa.errors import InputError
from modeling_dlfa.glyphs import GlyphTable
from modeling_dlfa.results.predictions import read_predictions
from modeling_dlfa.tasks import XNLI
from modeling_dlfa.training.arguments import parse_arguments
from modeling_dlfa.training.checks import check_arguments

RUN, WITH_GLYPHS = "aif-layer1-seed42", "aif-layer1+glyphs-seed42"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_what_is_tested_is_what_is_saved(
    xnli_arguments: list[str], tiny_data: Path, tiny_glyphs: Path, tmp_path: Path, dtype: str
) -> None:
    options = ["--save_dtype", dtype, "--keep_checkpoints", "True", "--glyphs", str(tiny_glyphs)]
    main("xnli", [*xnli_arguments, *options])
    folder = tmp_path / "out" / "models" / WITH_GLYPHS
    saved = load_file(str(folder / "model.safetensors"))
    assert torch.equal(saved.pop("dlfa.glyphs.table"), GlyphTable.load(tiny_glyphs).values)
    assert {value.dtype for value in saved.values()} == {getattr(torch, dtype)}
    # Computed with in float32 unless one asks otherwise, on both lines of transformers.
    model = DlfaForSequenceClassification.from_pretrained(folder)
    assert model.dtype == torch.float32
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = load_rows(str(tiny_data / "test-de.tsv"), XNLI, "de").texts
    inputs = tokenizer(*texts, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        labels = model(**inputs).logits.argmax(-1).tolist()
    predicted = read_predictions(tmp_path / "out" / "predictions" / WITH_GLYPHS / "de.tsv", XNLI).predictions
    assert labels == list(predicted)
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert results["recipe"]["save_dtype"] == dtype
    # A checkpoint on the way is what training goes on from.
    [checkpoint, *_] = (tmp_path / "out" / "checkpoints" / WITH_GLYPHS).glob("checkpoint-*")
    before = load_file(str(checkpoint / "model.safetensors"))
    assert before.pop("dlfa.glyphs.table").dtype == torch.float16
    assert {value.dtype for value in before.values()} == {torch.float32}
    name = "dlfa.backbone.encoder.layer.0.output.dense.weight"
    assert not torch.equal(before[name], saved[name].float())


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--save_dtype", "int8"], "invalid choice: 'int8'"),
        (["--save_dtype", "float16", "--do_train", "False"], "--do_train False trains none"),
    ],
)
def test_what_cannot_be_rounded_is_refused(
    extra: list[str], message: str, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main("xnli", [*xnli_arguments, *extra])
    assert ended.value.code == 2 and message in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("launcher", ["ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"])
def test_split_models_are_not_rounded(
    launcher: str, xnli_arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = parse_arguments(XNLI, [*xnli_arguments, "--save_dtype", "float16"])
    monkeypatch.setenv(launcher, "true")
    with pytest.raises(InputError, match="but FSDP and DeepSpeed split"):
        check_arguments(XNLI, arguments)


def test_a_merged_adapter_is_rounded_as_well(xnli_arguments: list[str], tmp_path: Path) -> None:
    pytest.importorskip("peft")
    main("xnli", [*xnli_arguments, "--peft", "lora", "--save_dtype", "float16", "--max_steps", "1"])
    folder = tmp_path / "out" / "models" / RUN
    saved = load_file(str(folder / "model.safetensors"))
    assert {value.dtype for value in saved.values()} == {torch.float16} and not [key for key in saved if "lora" in key]
    assert DlfaForSequenceClassification.from_pretrained(folder).dtype == torch.float32
    assert AutoTokenizer.from_pretrained(folder)("a").input_ids
