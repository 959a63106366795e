"""A one-pass sweep through the runner and its command: records, predictions, models, resuming, refusals."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification
from modeling_dlfa.cli import main as run
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.studies.layer_sweep import one_pass_runs
from modeling_dlfa.studies.layer_sweep.choice import select_layer
from modeling_dlfa.tasks import get_task
from modeling_dlfa.training.runner import run_task
from modeling_dlfa.training.trainer import CrossLingualTrainer

from ...commands import read

SYSTEMS = ["aif-layer0", "aif-layer1", "aif-layer2", "last"]


@pytest.fixture(scope="module")
def pos(tiny_encoder: Path, tiny_tags: Path) -> list[str]:
    return [
        *("pos", "--model_name_or_path", str(tiny_encoder), "--use_cpu", "True"),
        *("--train_file", str(tiny_tags / "pos-train.tsv"), "--validation_file", str(tiny_tags / "pos-dev.tsv")),
        *("--test_file", str(tiny_tags / "pos-test-{language}.tsv"), "--languages", "en", "de", "ar"),
        *("--max_steps", "8", "--eval_strategy", "steps", "--eval_steps", "4", "--save_strategy", "steps"),
        *("--save_steps", "4", "--learning_rate", "2e-2"),
    ]


@pytest.fixture(scope="module")
def xnli(tiny_encoder: Path, tiny_data: Path) -> list[str]:
    return [
        *("xnli", "--model_name_or_path", str(tiny_encoder), "--use_cpu", "True"),
        *("--train_file", str(tiny_data / "train.tsv"), "--validation_file", str(tiny_data / "dev.tsv")),
        *("--test_file", str(tiny_data / "test-{language}.tsv"), "--languages", "en", "de", "ar"),
        *("--num_train_epochs", "2", "--learning_rate", "2e-2", "--per_device_train_batch_size", "8"),
    ]


@pytest.fixture(scope="module")
def full(pos: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("full") / "out"
    dlfa(["sweep", *pos, "--seeds", "1", "2", "--save_models", "False", "--output_dir", str(output)])
    return output


@pytest.fixture(scope="module")
def swept(pos: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("swept") / "out"
    dlfa(["sweep", *pos, "--one_pass", "--seeds", "1", "2", "--output_dir", str(output)])
    return output


def test_it_leaves_what_a_full_sweep_leaves(swept: Path, full: Path) -> None:
    results, expected = read(swept / "results.json"), read(full / "results.json")
    assert [entry["name"] for entry in results["runs"]] == [
        f"{name}-seed{seed}" for seed in (1, 2) for name in SYSTEMS
    ]
    assert results["recipe"] == expected["recipe"] | {"one_pass": True}
    assert results["selection"].endswith("mean over the systems, which were trained in one pass")
    same = ("name", "system", "baseline", "fusion", "fusion_layers", "gate", "config", "seed", "parameters")
    for one, other in zip(results["runs"], expected["runs"], strict=True):
        assert all(one[key] == other[key] for key in (*same, "trainable_parameters"))
        assert one["train"]["together"] == 4 and one["train"]["steps"] == 8
        assert one.keys() == other.keys() | {"model"} and one["test"].keys() == other["test"].keys()
    written = {path.relative_to(swept) for path in (swept / "predictions").rglob("*.tsv")}
    assert written == {path.relative_to(full) for path in (full / "predictions").rglob("*.tsv")}
    sweep = read(swept / "layer_sweep.json")
    assert list(sweep["layers"]) == ["0", "1", "2"] and sweep["recipe"]["one_pass"]
    assert "- One pass: all systems of a seed" in (swept / "layer_sweep.md").read_text(encoding="utf-8")
    assert "One pass:" not in (full / "layer_sweep.md").read_text(encoding="utf-8")
    assert not (swept / "checkpoints").exists()


def test_candidates_share_steps_and_backbone_but_no_head(swept: Path) -> None:
    runs = read(swept / "results.json")["runs"][:4]
    histories = [[entry["f1"] for entry in one["validation"]["history"]] for one in runs]
    assert len({one["validation"]["best_step"] for one in runs}) == 1
    best = [4, 8].index(runs[0]["validation"]["best_step"])
    assert best == int(np.argmax(np.mean(histories, axis=0)))
    for one, history in zip(runs, histories, strict=True):
        assert one["validation"]["f1"] == pytest.approx(history[best])
        assert one["test"]["en"]["f1"] > 0.3, "nothing was learnt: equal predictions would prove nothing"
    weights = [load_file(swept / one["model"] / "model.safetensors") for one in runs]
    for name, value in weights[0].items():
        same = [torch.equal(value, other[name]) for other in weights[1:] if name in other]
        assert all(same) if "backbone." in name else not any(same), name


def test_a_model_predicts_what_its_files_say(swept: Path, tiny_tags: Path, tmp_path: Path) -> None:
    model = swept / "models" / "aif-layer1-seed2"
    assert isinstance(DlfaForTokenClassification.from_pretrained(model), DlfaForTokenClassification)
    files = ["--test_file", str(tiny_tags / "pos-test-{language}.tsv"), "--languages", "en", "de", "ar"]
    again = ["--model_name_or_path", str(model), "--do_train", "False", "--do_eval", "False", "--use_cpu", "True"]
    run("udpos", [*again, *files, "--output_dir", str(tmp_path / "again")])
    for path in (swept / "predictions" / "aif-layer1-seed2").iterdir():
        (found,) = (tmp_path / "again" / "predictions").rglob(path.name)
        assert found.read_bytes() == path.read_bytes()


def test_a_sweep_goes_on_with_the_seed_that_is_not_whole(
    swept: Path, pos: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    shutil.copytree(swept, output)
    (output / "runs" / "aif-layer2-seed2.json").unlink()
    first = (output / "runs" / "aif-layer2-seed1.json").stat().st_mtime_ns
    dlfa(
        [
            "sweep",
            *pos,
            "--one_pass",
            "--seeds",
            "1",
            "2",
            "--output_dir",
            str(output),
            "--resume_from_checkpoint",
            "last",
        ]
    )
    printed = re.findall(r"^\[\d/\d\] .*", capsys.readouterr().out, re.MULTILINE)
    assert printed == [f"[2/2] {' '.join(f'{name}-seed2' for name in SYSTEMS)}"]
    assert (output / "runs" / "aif-layer2-seed1.json").stat().st_mtime_ns == first
    assert read(output / "layer_sweep.json")["layers"] == read(swept / "layer_sweep.json")["layers"]


def test_training_goes_on_from_a_checkpoint_to_the_same_weights(
    xnli: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*xnli, "--one_pass", "--fusion_layers", "1", "--seeds", "3"]
    dlfa(["sweep", *arguments, "--output_dir", str(tmp_path / "whole")])

    class Stopped(Exception):
        pass

    def save_then_stop(trainer: Any, *args: Any, **kwargs: Any) -> None:
        saved(trainer, *args, **kwargs)
        raise Stopped

    with monkeypatch.context() as patch:
        saved = CrossLingualTrainer._save_checkpoint
        patch.setattr(CrossLingualTrainer, "_save_checkpoint", save_then_stop)
        with pytest.raises(Stopped):
            dlfa(["sweep", *arguments, "--output_dir", str(tmp_path / "parts")])
    assert len(list((tmp_path / "parts" / "checkpoints" / "one_pass-seed3").glob("checkpoint-*"))) == 1
    dlfa(["sweep", *arguments, "--output_dir", str(tmp_path / "parts"), "--resume_from_checkpoint", "last"])
    assert read(tmp_path / "parts" / "results.json")["runs"][0]["train"]["resumed"]
    for name in ("aif-layer1-seed3", "last-seed3"):
        one, other = (
            load_file(tmp_path / part / "models" / name / "model.safetensors") for part in ("whole", "parts")
        )
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    model = DlfaForSequenceClassification.from_pretrained(tmp_path / "whole" / "models" / "last-seed3")
    assert model.config.fusion == "last"


def test_a_full_sweep_is_not_continued_in_one_pass(
    full: Path, pos: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    again = ["--one_pass", "--resume_from_checkpoint", "last", "--save_models", "False", "--output_dir", str(full)]
    with pytest.raises(SystemExit):
        dlfa(["sweep", *pos, "--seeds", "1", "2", *again])
    assert "recipe.one_pass: None before, True now" in capsys.readouterr().err


def test_a_layer_can_be_selected_without_test_data(xnli: list[str], tmp_path: Path) -> None:
    from modeling_dlfa.training.arguments import parse_arguments

    task = get_task("xnli")
    arguments = parse_arguments(task, [*xnli[1:], "--do_predict", "False", "--output_dir", str(tmp_path / "out")])
    arguments.layers_apart = arguments.run.baseline = arguments.one_pass = True
    results = run_task(task, arguments, one_pass_runs.execute_together)
    scores = {run.system: run.validation.scores["accuracy"] for run in results.runs}
    best = max(SYSTEMS[:3], key=lambda name: scores[name])
    assert select_layer(results) == SYSTEMS.index(best) and results.summary is None


def test_with_a_frozen_backbone_each_candidate_is_what_it_is_alone(xnli: list[str], tmp_path: Path) -> None:
    """They share no trained weight then; without the norm of all gradients and own dropout nothing couples them."""
    arguments = [*xnli, "--peft", "frozen", "--fusion_layers", "0", "2", "--seeds", "1", "--max_grad_norm", "0"]
    arguments += ["--classifier_dropout", "0"]
    arguments += ["--load_best_model_at_end", "False", "--save_strategy", "no"]
    for extra, name in (([], "full"), (["--one_pass"], "one")):
        dlfa(["sweep", *arguments, *extra, "--output_dir", str(tmp_path / name)])
    for name in ("aif-layer0-seed1", "aif-layer2-seed1"):
        one, other = (load_file(tmp_path / part / "models" / name / "model.safetensors") for part in ("full", "one"))
        for key, value in one.items():
            torch.testing.assert_close(other[key], value, rtol=1e-4, atol=1e-5)


def test_the_command_compares_two_sweeps(full: Path, swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dlfa(["sweep", "--results_dir", str(full), "--compare_with", str(swept)])
    printed = capsys.readouterr().out
    agreement = read(swept / "one_pass_agreement.json")
    report = (swept / "one_pass_agreement.md").read_text(encoding="utf-8")
    assert "Spearman's rank correlation over 3 layers" in printed and f"{swept}/one_pass_agreement.md" in printed
    assert agreement["layers"] == [0, 1, 2] and agreement["cost"]["ratio"] > 0
    sweep, other = read(full / "layer_sweep.json"), read(swept / "layer_sweep.json")
    for part, source in (("full", sweep), ("one_pass", other)):
        for layer, entry in source["layers"].items():
            assert agreement[part]["target"][layer] == pytest.approx(entry["scores"]["macro_target"]["mean"])
            assert agreement[part]["validation"][layer] == entry["validation"]["mean"]
        baseline = source["baseline"]["scores"]["macro_target"]["mean"]
        assert agreement[part]["baseline"]["target"]["last"] == pytest.approx(baseline)
    assert agreement["selected"]["full"] == sweep["selected"]["layer"]
    assert agreement["selected"]["one_pass"] == other["selected"]["layer"]
    assert agreement["oracle"] == sweep["oracle"]["layer"]
    assert agreement["regret"]["full_to_oracle"] == sweep["regret"]
    assert report.count("\n| ") == 2 + 3 + 1 and all(line in report for line in printed.splitlines()[:-1])


COMPARISONS = {
    "the wrong way round": (("swept", "full"), "is a one-pass sweep. Name the full sweep first"),
    "two full ones": (("full", "full"), "is a full sweep. Compare with one that was trained with --one_pass"),
}


@pytest.mark.parametrize("case", COMPARISONS)
def test_sweeps_that_cannot_be_compared(
    case: str, full: Path, swept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names, expected = COMPARISONS[case]
    folders = [str({"full": full, "swept": swept}[name]) for name in names]
    with pytest.raises(SystemExit) as stop:
        dlfa(["sweep", "--results_dir", folders[0], "--compare_with", folders[1]])
    assert stop.value.code == 2 and expected in capsys.readouterr().err


def test_sweeps_of_other_data_are_not_compared(
    full: Path, swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = read(full / "results.json")
    results["data"]["train"]["sha256"] = "0" * 64
    (tmp_path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    with pytest.raises(SystemExit):
        dlfa(["sweep", "--results_dir", str(tmp_path), "--compare_with", str(swept)])
    assert "differ in task, data, fusion or layers: data.train: ['0000" in capsys.readouterr().err


ERRORS = {
    "lora": (["--peft", "lora"], "--peft lora adapts only one model at a time"),
    "shards": (["--num_shards", "2", "--shard_index", "0"], "--num_shards splits runs"),
    "publishing": (["--push_to_hub", "True", "--hub_model_id", "org/x"], "--push_to_hub would publish"),
    "smoothing": (["--label_smoothing_factor", "0.1"], "--label_smoothing_factor does not work with several models"),
    "checkpointing": (
        ["--gradient_checkpointing", "True"],
        "--gradient_checkpointing does not work with several models",
    ),
    "a layer twice": (["--fusion_layers", "1", "1"], "names a layer twice"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_one_pass_cannot_do_is_said_before_any_work(
    case: str, pos: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra, expected = ERRORS[case]
    with pytest.raises(SystemExit) as stop:
        dlfa(["sweep", *pos, "--one_pass", *extra, "--output_dir", str(tmp_path / "out")])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert stop.value.code == 2 and len(lines) == 1 and expected in lines[0], lines
    assert not (tmp_path / "out").exists()


def test_split_weights_are_refused(
    pos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(SystemExit):
        dlfa(["sweep", *pos, "--one_pass", "--output_dir", str(tmp_path / "out")])
    assert "--one_pass cannot split weights over processes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--results_dir", "x", "--one_pass"], "--one_pass trains: name a task"),
        (["pos", "--compare_with", "x"], "--compare_with compares two finished sweeps"),
    ],
)
def test_arguments_that_do_not_go_together(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        dlfa(["sweep", *arguments])
    assert stop.value.code == 2 and expected in capsys.readouterr().err
