"""The runner end to end, with the real Trainer, Accelerate and files."""

from __future__ import annotations

import csv
import os
import shutil
import time
from pathlib import Path
from unittest import mock

import pytest
import torch
from safetensors.torch import load_file

from modeling_dlfa import DlfaForSequenceClassification
from modeling_dlfa.cli import main
from modeling_dlfa.training.arguments import default_workers

from ..commands import read
from ..conftest import write_nli
from ..launching import fork, launch, start_forked


def test_results_equal_what_anyone_recomputes_from_the_predictions(finished: Path, tiny_data: Path) -> None:
    results = read(finished / "results.json")
    assert [run["name"] for run in results["runs"]] == [
        "aif-layer1-seed1",
        "last-seed1",
        "aif-layer1-seed2",
        "last-seed2",
    ]
    for run in results["runs"]:
        for language in ("en", "de", "ar"):
            with (finished / "predictions" / run["name"] / f"{language}.tsv").open(encoding="utf-8") as file:
                rows = list(csv.DictReader(file, delimiter="\t"))
            with (tiny_data / f"test-{language}.tsv").open(encoding="utf-8") as file:
                gold = [row["label"] for row in csv.DictReader(file, delimiter="\t")]
            assert [row["label"] for row in rows] == gold
            assert [int(row["row"]) for row in rows] == list(range(37))
            accuracy = sum(row["label"] == row["prediction"] for row in rows) / 37
            assert run["test"][language]["accuracy"] == pytest.approx(accuracy, abs=1e-12)
            assert sum(run["test"][language]["predictions"].values()) == run["test"][language]["n"] == 37
            for row in rows:
                shares = {label: float(row[label]) for label in ("entailment", "neutral", "contradiction")}
                assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
                assert shares[row["prediction"]] == max(shares.values())
        assert run["test"]["en"]["accuracy"] > 0.5, "nothing was learnt: equal predictions would prove nothing"
    scores = [run["test"]["de"]["accuracy"] for run in results["runs"] if run["baseline"]]
    assert results["summary"]["systems"]["last"]["languages"]["de"]["mean"] == pytest.approx(sum(scores) / 2)


def test_results_record_how_they_came_about(finished: Path, tiny_data: Path) -> None:
    results = read(finished / "results.json")
    assert results["seeds"] == [1, 2] and results["command"].startswith("python ")
    assert results["data"]["train"]["rows"] == 96
    assert f"train {tiny_data / 'train.tsv'} (96 rows)" in (finished / "results.md").read_text(encoding="utf-8")
    assert results["runs"][0]["config"]["reduction_ratio"] == 4 and results["runs"][1]["config"]["fusion"] == "last"
    assert results["data"]["test"]["ar"]["bytes"] == (tiny_data / "test-ar.tsv").stat().st_size
    assert len(results["data"]["validation"]["sha256"]) == 64
    assert results["versions"]["torch"] == torch.__version__
    assert results["recipe"]["learning_rate"] == 2e-2 and results["recipe"]["batch_size"] == 8
    for run in results["runs"]:
        history = run["validation"]["history"]
        best = max(history, key=lambda entry: entry["accuracy"])
        assert run["validation"]["best_step"] in (12, 24, 36, 48) and len(history) == 4
        assert run["validation"]["accuracy"] == pytest.approx(best["accuracy"])


def test_report_and_models_are_there(finished: Path) -> None:
    assert (finished / "figures" / "accuracy_by_language.png").read_bytes().startswith(b"\x89PNG")
    assert "aif-layer1" in (finished / "results.md").read_text(encoding="utf-8")
    for name, fusion in (("aif-layer1-seed1", "aif"), ("last-seed2", "last")):
        model = DlfaForSequenceClassification.from_pretrained(finished / "models" / name)
        assert model.config.fusion == fusion and model.config.id2label[2] == "contradiction"
        tokenizer = read(finished / "models" / name / "tokenizer_config.json")
        assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
        assert (finished / "models" / name / "README.md").read_text(encoding="utf-8").startswith("---\n")
    assert not list(finished.rglob("*.bin")) and not list(finished.rglob("*.pt"))
    assert not (finished / "checkpoints" / "last-seed1").exists()


def test_systems_share_the_head_and_the_data_order(finished: Path, tiny_encoder: Path) -> None:
    from transformers import set_seed

    heads = []
    for fusion in ("aif", "last"):
        set_seed(1)
        model = DlfaForSequenceClassification.from_backbone(tiny_encoder, fusion=fusion, num_labels=3)
        heads.append(model.classifier.weight.detach())
    assert torch.equal(*heads)


@pytest.mark.parametrize("validation", [[], ["--validation_file", ""]], ids=["validated", "test files alone"])
def test_evaluating_the_checkpoint_gives_the_same_predictions(
    finished: Path, xnli_arguments: list[str], validation: list[str], tmp_path: Path
) -> None:
    arguments = [*xnli_arguments, *validation, "--model_name_or_path", str(finished / "models" / "aif-layer1-seed1")]
    arguments += ["--do_train", "False", "--reduction_ratio", "4", "--per_device_eval_batch_size", "5"]
    main("xnli", arguments)
    again = read(tmp_path / "out" / "results.json")["runs"][0]
    first = read(finished / "results.json")["runs"][0]
    assert {code: entry["predictions"] for code, entry in again["test"].items()} == {
        code: entry["predictions"] for code, entry in first["test"].items()
    }


# Compiling, which takes half a minute, is in test_backbones.py.
SPEED_OPTIONS = {
    "--dataloader_num_workers 2": 0.0,
    "--optim adamw_torch": 1e-5,
    "--attn_implementation eager": 1e-4,
    "--bf16 True": 2e-2,
}


@pytest.mark.parametrize("option", SPEED_OPTIONS)
def test_options_of_speed_keep_the_results(option: str, xnli_arguments: list[str], tmp_path: Path) -> None:
    def outcome(*more: str) -> list[float]:
        output = tmp_path / f"out{len(more)}"
        few = ["--max_steps", "3", "--eval_strategy", "no", "--load_best_model_at_end", "False", "--languages", "de"]
        main("xnli", [*xnli_arguments, *few, *more, "--output_dir", str(output)])
        run = read(output / "results.json")["runs"][0]
        with (output / "predictions" / run["name"] / "de.tsv").open(encoding="utf-8") as file:
            shares = [float(row["neutral"]) for row in csv.DictReader(file, delimiter="\t")]
        return [run["train"]["loss"], *shares]

    # Accelerate is told of them by the environment.
    with mock.patch.dict(os.environ):
        reference = outcome()
        assert outcome(*option.split()) == pytest.approx(reference, abs=SPEED_OPTIONS[option], rel=0)


def test_batches_are_padded_in_processes_beside_a_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    for has_gpu, workers in ((False, 0), (True, 4)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda has_gpu=has_gpu: has_gpu)
        assert default_workers() == workers


def test_training_goes_on_from_a_dlfa_checkpoint(finished: Path, xnli_arguments: list[str], tmp_path: Path) -> None:
    start = finished / "models" / "aif-layer1-seed1"
    main("xnli", [*xnli_arguments, "--model_name_or_path", str(start), "--max_steps", "1", "--learning_rate", "1e-9"])
    before = load_file(start / "model.safetensors")
    after = load_file(tmp_path / "out" / "models" / "aif-layer1-seed42" / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.allclose(before[key], after[key], atol=1e-6) for key in before)


@pytest.mark.slow
def test_two_processes_evaluate_like_one(finished: Path, xnli_arguments: list[str], tmp_path: Path) -> None:
    arguments = [*xnli_arguments, "--model_name_or_path", str(finished / "models" / "aif-layer1-seed1")]
    arguments += ["--do_train", "False", "--per_device_eval_batch_size", "4"]
    main("xnli", [*arguments, "--output_dir", str(tmp_path / "one")])
    fork(["train", "xnli", *arguments], tmp_path / "two")
    for language in ("en", "de", "ar"):
        name = f"predictions/aif-layer1-seed42/{language}.tsv"
        one, two = ((tmp_path / folder / name).read_text(encoding="utf-8") for folder in ("one", "two"))
        assert one == two and one.count("\n") == 38
    one, two = (read(tmp_path / folder / "results.json") for folder in ("one", "two"))
    assert one["summary"] == two["summary"] and one["runs"][0]["validation"] == two["runs"][0]["validation"]
    assert two["hardware"]["processes"] == 2


@pytest.mark.slow
def test_killed_and_resumed_training_ends_in_the_same_weights(xnli_arguments: list[str], tmp_path: Path) -> None:
    # Checkpoints fall into the middle of the epochs of 12 steps.
    arguments = [*xnli_arguments, "--save_strategy", "steps", "--save_steps", "5", "--eval_strategy", "steps"]
    arguments += ["--eval_steps", "5", "--baseline", "--num_train_epochs", "3"]
    main("xnli", [*arguments, "--output_dir", str(tmp_path / "whole")])
    broken = tmp_path / "broken"
    process = start_forked(["train", "xnli", *arguments, "--output_dir", str(broken)], tmp_path / "log")
    seen = broken / "checkpoints" / "last-seed42" / "checkpoint-15" / "trainer_state.json"
    deadline = time.time() + 240
    while not seen.is_file() and process.is_alive() and time.time() < deadline:
        time.sleep(0.01)
    assert process.is_alive(), "the run ended before it could be killed"
    process.kill()
    process.join()
    assert not (broken / "results.json").exists()
    (broken / "checkpoints" / "last-seed42" / "checkpoint-35").mkdir()  # As if killed while saving.
    main("xnli", [*arguments, "--output_dir", str(broken), "--resume_from_checkpoint", "last"])
    for run in ("aif-layer1-seed42", "last-seed42"):
        whole, resumed = (load_file(tmp_path / d / "models" / run / "model.safetensors") for d in ("whole", "broken"))
        assert whole.keys() == resumed.keys() and all(torch.equal(whole[key], resumed[key]) for key in whole)
    whole, resumed = (read(tmp_path / folder / "results.json") for folder in ("whole", "broken"))
    assert whole["summary"] == resumed["summary"]
    assert resumed["runs"][1]["train"]["resumed"] and not resumed["runs"][0]["train"]["resumed"]


def test_mixed_precision_accumulation_and_logging(xnli_arguments: list[str], tmp_path: Path) -> None:
    arguments = [*xnli_arguments, "--bf16", "True", "--gradient_accumulation_steps", "2", "--logging_steps", "1"]
    main("xnli", [*arguments, "--gradient_checkpointing", "True", "--max_steps", "4"])
    run = read(tmp_path / "out" / "results.json")["runs"][0]
    assert run["train"]["steps"] == 4
    weights = load_file(tmp_path / "out" / "models" / run["name"] / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


@pytest.mark.slow
def test_the_precision_that_the_launcher_sets_is_recorded(xnli_arguments: list[str], tmp_path: Path) -> None:
    few = [*xnli_arguments, "--max_steps", "3", "--eval_strategy", "no", "--load_best_model_at_end", "False"]
    launch(few, tmp_path / "launched", launcher=("--num_processes", "1", "--mixed_precision", "bf16"))
    with mock.patch.dict(os.environ):  # Where v4 keeps it.
        main("xnli", [*few, "--output_dir", str(tmp_path / "plain")])
        main("xnli", [*few, "--output_dir", str(tmp_path / "asked"), "--bf16", "True"])
    results = {name: read(tmp_path / name / "results.json") for name in ("launched", "asked", "plain")}
    assert [entry["recipe"]["mixed_precision"] for entry in results.values()] == ["bf16", "bf16", "no"]
    assert {entry["selection"] for entry in results.values()} == {"last checkpoint"}
    losses = {name: entry["runs"][0]["train"]["loss"] for name, entry in results.items()}
    assert losses["launched"] == pytest.approx(losses["asked"], rel=1e-6)
    shares = [(tmp_path / name / "predictions/aif-layer1-seed42/de.tsv").read_text() for name in ("launched", "plain")]
    assert shares[0] != shares[1], "bf16 makes no difference: equal losses would prove nothing"


def test_arguments_of_a_file_yield_to_the_command_line(xnli_arguments: list[str], tmp_path: Path) -> None:
    config = tmp_path / "arguments.yaml"
    config.write_text("seeds: [7]\nmax_steps: 2\nlanguages: [en, de]\nlearning_rate: 0.5\nmax_test_samples: 11\n")
    with config.open("a") as file:
        file.write("metric_for_best_model: loss\n")
    arguments = [argument for argument in xnli_arguments if argument not in ("--languages", "en", "de", "ar")]
    main("xnli", [str(config), *arguments])
    results = read(tmp_path / "out" / "results.json")
    assert results["seeds"] == [7] and results["languages"] == ["en", "de"]
    assert results["recipe"]["max_steps"] == 2 and results["recipe"]["learning_rate"] == 1e-3
    assert results["runs"][0]["test"]["de"]["n"] == 11
    assert results["selection"] == "best checkpoint by en validation loss"


def test_the_commit_of_an_encoder_from_the_hub_is_recorded(
    xnli_arguments: list[str], tiny_encoder: Path, tmp_path: Path
) -> None:
    commit, cached = "0123456789abcdef0123456789abcdef01234567", tmp_path / "cache" / "models--org--encoder"
    shutil.copytree(tiny_encoder, cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    from_hub = ["--model_name_or_path", "org/encoder", "--cache_dir", str(tmp_path / "cache")]
    main("xnli", [*xnli_arguments, "--max_steps", "1", *from_hub])
    results = read(tmp_path / "out" / "results.json")
    assert results["model_commit"] == commit
    card = (tmp_path / "out" / "models" / results["runs"][0]["name"] / "README.md").read_text(encoding="utf-8")
    assert "base_model: org/encoder" in card and commit in card


def test_files_of_every_format_give_the_same_result(xnli_arguments: list[str], tmp_path: Path) -> None:
    import pandas

    scores = []
    for suffix in ("tsv", "csv", "jsonl", "parquet"):
        for name, seed in (("train", 1), ("dev", 2), ("en", 3)):
            source = tmp_path / f"{name}.tsv"
            write_nli(source, "en", 24, seed)
            table = pandas.read_csv(source, sep="\t", quoting=csv.QUOTE_NONE)
            target = tmp_path / f"{name}.{suffix}"
            if suffix == "csv":
                table.to_csv(target, index=False)
            elif suffix == "jsonl":
                table.to_json(target, orient="records", lines=True, force_ascii=False)
            elif suffix == "parquet":
                table.to_parquet(target)
        paths = {name: str(tmp_path / f"{name}.{suffix}") for name in ("train", "dev", "{language}")}
        files = ["--train_file", paths["train"], "--validation_file", paths["dev"], "--test_file", paths["{language}"]]
        files += ["--languages", "en", "--max_steps", "2"]
        main("xnli", [*xnli_arguments, *files, "--output_dir", str(tmp_path / suffix)])
        scores.append(read(tmp_path / suffix / "results.json")["runs"][0]["test"])
    assert all(score == scores[0] for score in scores)
