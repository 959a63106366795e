"""Training from Python: the command's arguments, its checks, its recipe, and silence."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from modeling_dlfa import CrossLingualTrainingArguments, load_results, train
from modeling_dlfa.cli import main
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import TASKS, XNLI, Task
from modeling_dlfa.training.arguments import Arguments, parse_arguments
from modeling_dlfa.training.command_line import arguments_of
from modeling_dlfa.training.options import DataArguments, ModelArguments, RunArguments
from modeling_dlfa.training.runner import run_task


@pytest.fixture
def given(tiny_encoder: Path, tiny_data: Path, tmp_path: Path) -> dict[str, Any]:
    """A small training, as keywords."""
    return {
        "model_name_or_path": tiny_encoder,
        "train_file": tiny_data / "train.tsv",
        "validation_file": str(tiny_data / "dev.tsv"),
        "test_file": f"{tiny_data}/test-{{language}}.tsv",
        "languages": ("en", "de"),
        "fusion_layers": 1,
        "num_train_epochs": 1,
        "max_train_samples": 16,
        "use_cpu": True,
        "output_dir": tmp_path / "out",
    }


def test_train_is_the_command_as_a_function(
    given: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "modeling_dlfa"):
        results = train("xnli", **given, baseline=True, seeds=[1], disable_tqdm=True)
    printed = [line for line in capfd.readouterr().out.splitlines() if line.strip() and not line.startswith("{")]
    assert printed == [], "a library logs; the Trainer alone prints its own"
    assert "[1/2] aif-layer1-seed1" in caplog.text and "Results: " in caplog.text
    assert load_results(tmp_path / "out") == results and results.folder == tmp_path / "out"
    command = results.command
    assert command.startswith("dlfa train xnli --model_name_or_path ") and "--seeds 1" in command
    again = {**given, "output_dir": tmp_path / "again", "baseline": True, "seeds": [1]}
    main("xnli", arguments_of(again))
    assert load_results(tmp_path / "again").scores == results.scores
    assert results.recipe["learning_rate"] == 2e-5 and results.recipe["batch_size"] == 32


def test_a_task_of_ones_own_is_recorded_as_its_script(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {name: getattr(XNLI, name) for name in ("kind", "text_columns", "label_column", "labels", "metric")}
    task = Task(name="nli", title="NLI", languages=("en", "de"), learning_rate=1e-4, **fields)
    monkeypatch.setattr(sys, "argv", ["my_study.py"])
    results = train(task, **given)
    assert results.command == "python my_study.py" and results.recipe["learning_rate"] == 1e-4


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"fusion_layer": 3}, "there is no option --fusion_layer. Did you mean --fusion_layers?"),
        ({"learning_rat": 3}, "there is no option --learning_rat. Did you mean --learning_rate?"),
        ({"seeds": ["one"]}, "argument --seeds"),
        ({"learning_rate": "fast"}, "argument --learning_rate"),
        ({"fusion": "scalar_mix"}, "--fusion_layers has no effect with --fusion scalar_mix"),
        ({"num_train_epochs": 0}, "--num_train_epochs 0 trains nothing"),
        ({"report_to": "paper"}, "--report_to paper does not exist"),
    ],
)
def test_a_mistake_is_an_input_error_before_any_work(
    extra: dict[str, Any], expected: str, given: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError) as error:
        train("xnli", **{**given, **extra})
    assert expected in str(error.value) and "\n" not in str(error.value)
    shown = capsys.readouterr()
    assert shown.out + shown.err == "" and not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="There is no task 'xnil'"):
        train("xnil", **given)


@pytest.mark.parametrize("name", TASKS)
def test_the_recipe_is_the_tasks_however_training_is_started(name: str, tmp_path: Path) -> None:
    task = TASKS[name]
    by_command = parse_arguments(task, ["--model_name_or_path", "org/x", "--output_dir", str(tmp_path)]).training
    by_hand = CrossLingualTrainingArguments.for_task(name, output_dir=str(tmp_path))
    for field in ("num_train_epochs", "learning_rate", "per_device_train_batch_size", "metric_for_best_model"):
        assert getattr(by_command, field) == getattr(by_hand, field)
    one, other = by_hand.to_dict(), by_command.to_dict()
    assert {key for key in one if one[key] != other[key]} <= {"logging_dir"}  # Of v4, named after the time.
    assert by_hand.learning_rate == task.learning_rate and by_hand.num_train_epochs == task.num_train_epochs
    assert CrossLingualTrainingArguments.for_task(task, output_dir=str(tmp_path), seed=3).seed == 3


def test_no_other_recipe_is_taken_without_a_word(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lacks learning_rate, num_train_epochs, .*for_task\(task"):
        CrossLingualTrainingArguments(str(tmp_path))
    with pytest.raises(InputError, match="lacks per_device_train_batch_size, metric_for_best_model"):
        CrossLingualTrainingArguments(str(tmp_path), learning_rate=1e-4, num_train_epochs=2)


def test_arguments_made_by_hand_are_checked(tiny_encoder: Path, tmp_path: Path) -> None:
    training = CrossLingualTrainingArguments.for_task(
        XNLI, output_dir=str(tmp_path / "out"), prediction_loss_only=True
    )
    arguments = Arguments(ModelArguments(str(tiny_encoder)), DataArguments(), RunArguments(), training)
    with pytest.raises(InputError, match="--prediction_loss_only True discards the predictions"):
        run_task(XNLI, arguments)
    arguments.training = CrossLingualTrainingArguments.for_task(XNLI, output_dir=str(tmp_path / "out"))
    arguments.model = ModelArguments(str(tiny_encoder), fusion="last", fusion_layers=[1])
    with pytest.raises(InputError, match="--fusion_layers has no effect with --fusion last"):
        run_task(XNLI, arguments)
    assert not (tmp_path / "out").exists()


def test_results_hold_no_token(given: dict[str, Any], tmp_path: Path) -> None:
    train("xnli", **given, token="a-very-secret-word", do_predict=False)
    text = (tmp_path / "out" / "results.json").read_text(encoding="utf-8")
    assert "a-very-secret-word" not in text and "***" in json.loads(text)["command"]
