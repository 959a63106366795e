"""What the training loss counts: weights of the labels, label smoothing, a loss of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from torch import nn
from transformers import Trainer, TrainingArguments

from modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification, train
from modeling_dlfa.cli import main
from modeling_dlfa.data.splits import SourceInfo, Split
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import PANX, XNLI
from modeling_dlfa.training.command_line import parse_options
from modeling_dlfa.training.learning import ClassificationLoss, class_weights
from modeling_dlfa.training.options import LearningArguments

from ..commands import assert_refused, read

LABELS = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2])
SPLIT = Split("en", ([""] * 8,), LABELS.tolist(), SourceInfo("memory", 8))


def test_balanced_weights_are_those_of_scikit_learn_and_ignore_absent_labels() -> None:
    # compute_class_weight("balanced", ...): n / (k * count).
    assert class_weights(["balanced"], XNLI, [SPLIT]) == pytest.approx([8 / 15, 8 / 6, 8 / 3])
    two = Split("en", ([""] * 3,), [0, 0, 2], SPLIT.source)
    assert class_weights(["balanced"], XNLI, [two]) == pytest.approx([0.75, 0, 1.5])
    tags = Split("en", ([["a"] * 3, ["b"]],), [[0, 0, 1], [0]], SPLIT.source)
    assert class_weights(["balanced"], PANX, [tags])[:2] == pytest.approx([4 / 6, 4 / 2])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_all_data_is_that_of_torch_and_the_sum_over_micro_batches(smoothing: float) -> None:
    logits = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    weights = class_weights(["5", "1", "2"], XNLI, [SPLIT])
    loss = ClassificationLoss(weights, smoothing)
    whole = loss({"logits": logits}, LABELS)
    reference = nn.CrossEntropyLoss(weight=torch.tensor([5.0, 1.0, 2.0]), label_smoothing=smoothing)
    assert whole == pytest.approx(float(reference(logits, LABELS)), rel=1e-6)
    halves = [loss({"logits": part}, own, 8) for part, own in zip(logits.split(5), LABELS.split(5), strict=True)]
    assert sum(halves) == pytest.approx(float(whole), rel=1e-6)
    padded = torch.cat([LABELS.view(2, 4), torch.full((2, 1), -100)], dim=1)
    wide = torch.cat([logits.view(2, 4, 3), torch.full((2, 1, 3), 9.0)], dim=1)
    assert loss({"logits": wide}, padded) == pytest.approx(float(whole), rel=1e-6)


def test_a_label_with_all_the_weight_is_predicted_everywhere(xnli_arguments: list[str], tmp_path: Path) -> None:
    main("xnli", [*xnli_arguments, "--class_weights", "0", "1", "0", "--learning_rate", "2e-2"])
    results = read(tmp_path / "out" / "results.json")
    assert results["runs"][0]["test"]["de"]["predictions"] == {"entailment": 0, "neutral": 37, "contradiction": 0}
    weights = results["recipe"]["class_weights"]
    assert list(weights) == list(XNLI.labels) and weights["neutral"] > 1 and weights["entailment"] == 0


@pytest.mark.parametrize("task", ["xnli", "ner"])
def test_weights_and_smoothing_do_not_depend_on_the_micro_batch(
    task: str, xnli_arguments: list[str], tiny_tags: Path, tmp_path: Path
) -> None:
    arguments = [*xnli_arguments, "--class_weights", "balanced", "--label_smoothing_factor", "0.1"]
    if task == "ner":
        arguments += ["--train_file", str(tiny_tags / "ner-train.tsv")]
        arguments += ["--validation_file", str(tiny_tags / "ner-dev.tsv")]
        arguments += ["--test_file", str(tiny_tags / "ner-test-{language}.tsv")]
    arguments += ["--max_steps", "4", "--fusion_dropout", "0", "--classifier_dropout", "0", "--logging_steps", "1"]
    losses = {}
    for size, steps in ((8, 1), (4, 2)):
        more = ["--per_device_train_batch_size", str(size), "--gradient_accumulation_steps", str(steps)]
        main(task, [*arguments, *more, "--output_dir", str(tmp_path / f"{size}")])
        results = read(tmp_path / f"{size}" / "results.json")
        losses[size] = results["runs"][0]["train"]["loss"]
        assert results["recipe"]["class_weights"] and results["recipe"]["label_smoothing_factor"] == 0.1
    # The backbone's dropout stays, so that the two are near each other and no more; unscaled it would be twice.
    assert losses[4] == pytest.approx(losses[8], rel=0.1)


def own_loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    logits = outputs["logits"]
    own = nn.functional.cross_entropy(logits.view(-1, logits.shape[-1]), labels.view(-1), reduction="sum")
    return 10 * own / num_items_in_batch if num_items_in_batch is not None else own


@pytest.mark.parametrize("model_class", [DlfaForSequenceClassification, DlfaForTokenClassification])
def test_a_trainer_takes_a_loss_of_ones_own(model_class: Any, tiny_encoder: Path, tmp_path: Path) -> None:
    labels: Any = [0, 1, 2, 1] if model_class is DlfaForSequenceClassification else [[-100, 0, 1, -100]] * 4
    rows = Dataset.from_dict({"input_ids": [[2, 7, 8, 3]] * 4, "attention_mask": [[1] * 4] * 4, "labels": labels})
    losses = []
    for function in (None, own_loss):
        torch.manual_seed(0)
        model = model_class.from_backbone(tiny_encoder, fusion_layers=1, num_labels=3)
        settings = TrainingArguments(
            str(tmp_path),
            max_steps=1,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            report_to="none",
            use_cpu=True,
            save_strategy="no",
        )
        trainer = Trainer(model, settings, train_dataset=rows, compute_loss_func=function)
        losses.append(trainer.train().training_loss)
    assert losses[1] == pytest.approx(10 * losses[0], rel=1e-4)


def test_the_runner_takes_and_records_a_loss_of_ones_own(tiny_encoder: Path, tiny_data: Path, tmp_path: Path) -> None:
    files = {"train_file": tiny_data / "train.tsv", "validation_file": tiny_data / "dev.tsv"}
    options: dict[str, Any] = {**files, "test_file": tiny_data / "test-{language}.tsv", "fusion_layers": 1}
    options |= {"max_steps": 2, "use_cpu": True, "output_dir": tmp_path / "out", "languages": ["en"]}
    with pytest.raises(InputError, match="--label_smoothing_factor has no effect beside compute_loss_func"):
        train("xnli", tiny_encoder, compute_loss_func=own_loss, label_smoothing_factor=0.1, **options)
    results = train("xnli", tiny_encoder, compute_loss_func=own_loss, **options)
    assert results.recipe["compute_loss_func"] == f"{__name__}.own_loss"
    assert results.runs[0].train is not None and results.runs[0].train.loss > 5


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            ["--class_weights", "1", "2"],
            "3 numbers of 0 or more, one for each label in this order: entailment, neutral",
        ),
        (["--class_weights", "balancd"], "give balanced, or 3 numbers"),
        (["--class_weights", "1", "-1", "1"], "give balanced, or 3 numbers"),
        (["--class_weights", "0", "0", "0"], "give balanced, or 3 numbers"),
        (["--class_weights", "balanced", "--do_train", "False"], "--do_train False excludes"),
    ],
)
def test_weights_that_make_no_sense(
    more: list[str], expected: str, xnli_arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused([*xnli_arguments, *more], expected, capsys)


def test_weights_for_labels_that_do_not_occur_are_refused() -> None:
    ones = Split("en", ([""] * 2,), [0, 1], SPLIT.source)
    with pytest.raises(InputError, match="every label of the training data has weight 0"):
        class_weights(["0", "0", "3"], XNLI, [ones])


def test_python_and_the_command_line_say_the_same() -> None:
    given = parse_options(XNLI, ["--model_name_or_path", "x", "--class_weights", "1", "2.5", "1"]).learning
    assert given == LearningArguments(class_weights=["1", "2.5", "1"])
