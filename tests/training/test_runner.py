"""The runner end to end, with the real Trainer, Accelerate and files."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainingArguments
from transformers.utils import is_liger_kernel_available

from modeling_dlfa import DlfaForSequenceClassification
from modeling_dlfa.cli import main
from modeling_dlfa.training.arguments import default_workers

from ..commands import Python, assert_refused, holding, read
from ..conftest import ROOT, write_nli
from ..launching import launch, start


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
    launch(arguments, tmp_path / "two")
    for language in ("en", "de", "ar"):
        name = f"predictions/aif-layer1-seed42/{language}.tsv"
        one, two = ((tmp_path / folder / name).read_text(encoding="utf-8") for folder in ("one", "two"))
        assert one == two and one.count("\n") == 38
    one, two = (read(tmp_path / folder / "results.json") for folder in ("one", "two"))
    assert one["summary"] == two["summary"] and one["runs"][0]["validation"] == two["runs"][0]["validation"]
    assert two["hardware"]["processes"] == 2


@pytest.mark.slow
def test_two_processes_train(xnli_arguments: list[str], tmp_path: Path) -> None:
    launch([*xnli_arguments, "--baseline", "--per_device_train_batch_size", "4"], tmp_path / "two")
    results = read(tmp_path / "two" / "results.json")
    assert results["recipe"]["batch_size"] == 8 and results["runs"][0]["train"]["steps"] == 24
    assert {run["system"] for run in results["runs"]} == {"aif-layer1", "last"}


@pytest.mark.slow
def test_killed_and_resumed_training_ends_in_the_same_weights(xnli_arguments: list[str], tmp_path: Path) -> None:
    # Checkpoints fall into the middle of the epochs of 12 steps.
    arguments = [*xnli_arguments, "--save_strategy", "steps", "--save_steps", "5", "--eval_strategy", "steps"]
    arguments += ["--eval_steps", "5", "--baseline", "--num_train_epochs", "3"]
    main("xnli", [*arguments, "--output_dir", str(tmp_path / "whole")])
    broken = tmp_path / "broken"
    command = [sys.executable, "examples/run_xnli.py", *arguments, "--output_dir", str(broken)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    seen = broken / "checkpoints" / "last-seed42" / "checkpoint-15" / "trainer_state.json"
    deadline = time.time() + 240
    while not seen.is_file() and process.poll() is None and time.time() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, "the run ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
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


ERRORS = {
    "missing file": (["--train_file", "absent.tsv"], "absent.tsv"),
    "unknown language": (["--languages", "en", "xx"], "xx"),
    "no test file for a language": (["--languages", "en", "sw"], "sw"),
    "duplicate languages": (["--languages", "en", "en"], "more than once"),
    "duplicate seeds": (["--seeds", "1", "1"], "twice"),
    "layer outside": (["--fusion_layers", "9"], "outside this 3-layer backbone"),
    "last layer": (["--fusion_layers", "3"], "last layer"),
    "ratio": (["--reduction_ratio", "5"], "does not divide"),
    "unknown fusion": (["--fusion", "magic"], "magic"),
    "baseline of itself": (["--fusion", "last", "--baseline"], "baseline itself"),
    "encoder without head": (["--do_train", "False"], "plain encoder"),
    "no such model": (["--model_name_or_path", "org/absent"], "org/absent"),
    "nothing to resume": (["--resume_from_checkpoint", "last"], "nothing to resume"),
    "too long": (["--max_length", "4096"], "positions"),
    "two sources": (["--dataset_name", "facebook/xnli"], "two sources"),
    "no validation file": (["--validation_file", ""], "--validation_file"),
    "evaluation examples dropped": (["--dataloader_drop_last", "True"], "--dataloader_drop_last True also leaves out"),
    "predictions in batches": (["--eval_do_concat_batches", "False"], "--eval_do_concat_batches False keeps"),
    "no predictions": (["--prediction_loss_only", "True"], "--prediction_loss_only True discards"),
    "other labels": (["--label_names", "premise", "labels"], "--label_names premise labels makes the Trainer look"),
    "scores of batches": (["--batch_eval_metrics", "True"], "--batch_eval_metrics True scores each batch by itself"),
    "an order that does not exist": (
        ["--train_sampling_strategy", "foo"],
        "group_by_length" if hasattr(TrainingArguments, "train_sampling_strategy") else "there is no option",
    ),
    "modules of no optimiser": (["--optim_target_modules", "foo"], "has no effect with --optim adamw"),
    "half precision on a CPU": (["--fp16", "True"], "needs a GPU, but"),
    "bf16 without a GPU or a CPU": (["--bf16", "True", "--use_cpu", "False"], "add --use_cpu True to compute in bf16"),
    "the worst checkpoint": (["--greater_is_better", "False"], "--greater_is_better False with accuracy keeps"),
    "pushing checkpoints": (["--push_to_hub", "True", "--hub_strategy", "every_save"], "--hub_strategy every_save"),
    "pushing untested": (["--push_to_hub", "True", "--do_predict", "False"], "--do_predict"),
    "pushing to no repository": (
        ["--push_to_hub", "True", "--hub_model_id", "a/b/c"],
        "'a/b/c' is not a repository",
    ),
    "pushing offline": (
        ["--push_to_hub", "True", "--hub_model_id", "org/name", "--hub_token", "hf_x"],
        "HF_HUB_OFFLINE is set",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_arguments_end_with_one_message(
    case: str, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra, expected = ERRORS[case]
    assert_refused([*xnli_arguments, *extra], expected, capsys)
    assert not (tmp_path / "out").exists()


BROKEN_FILES = {
    "missing column": ("premise\tlabel\na\tneutral\n", "hypothesis"),
    "unknown label": ("premise\thypothesis\tlabel\na\tb\tperhaps\n", "perhaps"),
    "empty file": ("", "no rows"),
    "no rows": ("premise\thypothesis\tlabel\n", "train.tsv"),
    "malformed line": ("premise\thypothesis\tlabel\na\tb\tneutral\na\tb\n", "train.tsv, line 3"),
    "no label": ("premise\thypothesis\tlabel\na\tb\t\n", "train.tsv, line 2"),
    "nothing but blanks": (
        "premise\thypothesis\tlabel\n \t\tneutral\n\t \tentailment\n",
        "All texts of the training data are blank (the first: ",
    ),
}


@pytest.mark.parametrize("case", BROKEN_FILES)
def test_broken_files_end_with_one_message(
    case: str, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, expected = BROKEN_FILES[case]
    path = tmp_path / "train.tsv"
    path.write_text(content, encoding="utf-8")
    assert_refused([*xnli_arguments, "--train_file", str(path)], expected, capsys)


def test_another_runs_results_are_not_overwritten(
    xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*xnli_arguments, "--max_steps", "1"]
    main("xnli", arguments)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    before = (tmp_path / "out" / "results.json").read_bytes()
    assert_refused(arguments, "another run's results", capsys)
    assert_refused([*arguments, "--resume_from_checkpoint", "last", "--learning_rate", "0.1"], "learning_rate", capsys)
    assert (tmp_path / "out" / "results.json").read_bytes() == before
    main("xnli", [*arguments, "--seeds", "5", "--overwrite"])
    assert [run["seed"] for run in read(tmp_path / "out" / "results.json")["runs"]] == [5]
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_overwriting_deletes_nothing_that_the_command_reads(
    finished: Path, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, tmp_path / "out")
    os.symlink(tmp_path / "out", tmp_path / "link")
    model = "models/aif-layer1-seed1"
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    for place, options in {
        f"out/{model}": ["--model_name_or_path"],
        f"link/{model}": ["--model_name_or_path"],
        "out/models/../models/last-seed1": ["--tokenizer_name"],
        "out/predictions/last-seed1/en.tsv": ["--train_file"],
        "out/predictions/last-seed1/{language}.tsv": ["--test_file"],
    }.items():
        named = [*options, str(tmp_path / place)]
        assert_refused([*xnli_arguments, "--overwrite", *named], " ".join(named) + " is inside --output_dir", capsys)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


WRONG_FOR_THE_TRAINER = {
    "--use_liger_kernel True": "--use_liger_kernel needs liger-kernel",
    "--fsdp full_shard": "--fsdp: ",
    "--lr_scheduler_type cosine_with_min_lr": "--lr_scheduler_type cosine_with_min_lr: ",
    '--lr_scheduler_kwargs {"a":1}': "--lr_scheduler_type linear with --lr_scheduler_kwargs {'a': 1}: ",
    "--debug underflow_overflow": "--debug underflow_overflow",
}


@pytest.mark.parametrize("options", WRONG_FOR_THE_TRAINER)
def test_nothing_is_deleted_before_the_trainer_takes_its_options(
    options: str, finished: Path, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, tmp_path / "out")
    if "liger" in options and is_liger_kernel_available():
        pytest.skip("it is installed here")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert_refused([*xnli_arguments, "--overwrite", *options.split()], WRONG_FOR_THE_TRAINER[options], capsys)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


def test_an_option_that_reads_the_models_configuration_is_taken(xnli_arguments: list[str], tmp_path: Path) -> None:
    main("xnli", [*xnli_arguments, "--label_smoothing_factor", "0.1", "--max_steps", "2"])
    assert read(tmp_path / "out" / "results.json")["recipe"]["label_smoothing_factor"] == 0.1


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_a_project_folder_keeps_its_files(
    overwrite: list[str], xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {tmp_path / "out" / name / "mine": name for name in ("models", "figures", "runs", "checkpoints")}
    for path, content in own.items():
        path.parent.mkdir(parents=True)
        path.write_text(content)
    assert_refused(
        [*xnli_arguments, *overwrite], "no arguments.json shows that a command of this package wrote", capsys
    )
    assert {path: path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()} == own


def test_an_empty_output_directory_is_not_the_working_one(
    xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused([*xnli_arguments, "--output_dir", ""], "--output_dir is empty", capsys)
    assert not list(tmp_path.iterdir())


def test_the_corrected_command_runs_where_nothing_was_finished(
    xnli_arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [*xnli_arguments, "--max_steps", "2"]
    with monkeypatch.context() as context, pytest.raises(ZeroDivisionError):
        context.setattr("modeling_dlfa.training.execution.train", lambda *arguments: 1 // 0)
        main("xnli", [*few, "--fusion_layers", "0"])
    assert (tmp_path / "out" / "arguments.json").is_file()
    main("xnli", few)
    [run] = read(tmp_path / "out" / "results.json")["runs"]
    assert run["name"] == "aif-layer1-seed42"
    assert [path.name for path in (tmp_path / "out" / "models").iterdir()] == [run["name"]]


@pytest.mark.slow
def test_two_commands_do_not_resume_into_one_directory(
    xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed = [*xnli_arguments, "--max_steps", "2", "--resume_from_checkpoint", "last"]
    main("xnli", resumed[:-2])
    monkeypatch.setattr("modeling_dlfa.files.folders.PATIENCE", 0.2)
    with holding(tmp_path / "out") as other:
        assert_refused(resumed, f"is in use by process {other.pid}", capsys)
        printed = start(resumed).communicate(timeout=300)[0]
        assert printed.count("error: ") == printed.count(f"is in use by process {other.pid}") == 1, printed[-3000:]
    main("xnli", resumed)


def test_tokenizer_larger_than_the_embeddings(
    xnli_arguments: list[str], tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    tokenizer.add_tokens([f"extra{index}" for index in range(300)])
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    assert_refused([*xnli_arguments, "--tokenizer_name", str(tmp_path / "tokenizer")], "embeddings", capsys)


def test_no_network_and_no_files(tiny_encoder: Path, tmp_path: Path, run_python: Python) -> None:
    arguments = [
        "--model_name_or_path",
        str(tiny_encoder),
        "--output_dir",
        str(tmp_path / "out"),
        "--fusion_layers",
        "1",
    ]
    process = run_python("examples/run_xnli.py", *arguments, check=False, PYTHONPATH=str(ROOT), HF_HOME=str(tmp_path))
    assert process.returncode == 2 and "--train_file" in process.stderr.splitlines()[-1]


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
