"""What a command trains: the configurations of its systems."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from modeling_dlfa import DlfaForSequenceClassification
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import XNLI
from modeling_dlfa.training.arguments import parse_arguments
from modeling_dlfa.training.systems import Run, _set_dropout, plan_runs

from ..backbones import BACKBONES, dlfa_config


def planned(model: Path, folder: Path, *options: str) -> list[Run]:
    files = ["--train_file", "train.tsv", "--validation_file", "dev.tsv", "--test_file", "test-{language}.tsv"]
    arguments = ["--model_name_or_path", str(model), *files, "--output_dir", str(folder / "out"), *options]
    given = parse_arguments(XNLI, arguments)
    return plan_runs(XNLI, given.model, given.seeds, baseline=given.run.baseline)


def test_the_baseline_leaves_out_what_only_the_fused_system_reads(tiny_encoder: Path, tmp_path: Path) -> None:
    options = ["--fusion_layers", "1", "--gate", "excite", "--reduction_ratio", "2", "--pooling", "mean", "--baseline"]
    fused, baseline = planned(tiny_encoder, tmp_path, *options)
    assert (fused.system, baseline.system) == ("aif-excite-layer1", "last") and baseline.baseline
    assert fused.config.reduction_ratio == 2 and fused.config.pooling == baseline.config.pooling == "mean"


def test_a_lower_layer_alone_is_planned_beside_the_last(tiny_encoder: Path, tmp_path: Path) -> None:
    lower, baseline = planned(tiny_encoder, tmp_path, "--fusion", "layer", "--fusion_layers", "-3", "--baseline")
    assert (lower.system, baseline.system) == ("layer-1", "last") and lower.config.fusion_layers == [1]
    with pytest.raises(InputError, match="reads only one lower layer"):
        planned(tiny_encoder, tmp_path, "--fusion", "layer", "--fusion_layers", "0", "1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fusion", "scalar_mix", "--fusion_layers", "1"], "fusion_layers"),
        (["--fusion", "last", "--fusion_layers", "1"], "fusion_layers"),
        (["--fusion", "mean", "--gate", "excite"], "gate"),
        (["--fusion", "layer", "--reduction_ratio", "2"], "reduction_ratio"),
    ],
)
def test_options_without_effect_are_refused(
    options: list[str], message: str, tiny_encoder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        planned(tiny_encoder, tmp_path, *options)


def test_options_that_contradict_a_checkpoint_are_named(tiny_encoder: Path, tmp_path: Path) -> None:
    labels = dict(enumerate(XNLI.labels))
    model = DlfaForSequenceClassification.from_backbone(
        tiny_encoder, fusion_layers=1, gate="excite", id2label=labels, classifier_dropout=0.2
    )
    model.save_pretrained(tmp_path / "model")
    [run] = planned(tmp_path / "model", tmp_path, "--fusion_layers", "-3", "--gate", "excite")
    assert run.system == "aif-excite-layer1" and run.config.classifier_dropout == 0.2
    for options, message in (
        (["--fusion", "mean"], "--fusion contradicts the checkpoint"),
        (["--fusion", "last"], "--fusion contradicts the checkpoint"),
        (["--gate", "select"], "--gate contradicts the checkpoint"),
        (["--fusion_layers", "2"], "--fusion_layers contradicts the checkpoint"),
    ):
        with pytest.raises(InputError, match=message):
            planned(tmp_path / "model", tmp_path, *options)


@pytest.mark.parametrize("name", BACKBONES)
def test_encoder_dropout_sets_what_the_encoder_drops(name: str, tmp_path: Path) -> None:
    dlfa_config(name).backbone_config.save_pretrained(tmp_path)
    for run in planned(tmp_path, tmp_path, "--encoder_dropout", "0.3", "--fusion_layers", "1", "--baseline"):
        model = DlfaForSequenceClassification(run.config)
        rates = [part.p for part in model.base_model.backbone.modules() if isinstance(part, torch.nn.Dropout)]
        assert rates and set(rates) == {0.3}


def test_encoder_dropout_changes_a_checkpoint_that_is_trained_on(tiny_encoder: Path, tmp_path: Path) -> None:
    DlfaForSequenceClassification.from_backbone(tiny_encoder, fusion_layers=1).save_pretrained(tmp_path / "model")
    [run] = planned(tmp_path / "model", tmp_path, "--encoder_dropout", "0")
    encoder = run.config.backbone_config
    assert encoder.hidden_dropout_prob == encoder.attention_probs_dropout_prob == 0


def test_an_encoder_without_dropout_has_none_to_set() -> None:
    encoder = dlfa_config("bert").backbone_config
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        delattr(encoder, name)
    with pytest.raises(InputError, match="--encoder_dropout: bert has no dropout to set"):
        _set_dropout(encoder, 0.1)
