"""Wrong arguments and files end a command with one message, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import TrainingArguments

from modeling_dlfa.cli import main

from ..commands import Python, assert_refused, read
from ..conftest import ROOT

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


def test_an_option_that_reads_the_models_configuration_is_taken(xnli_arguments: list[str], tmp_path: Path) -> None:
    main("xnli", [*xnli_arguments, "--label_smoothing_factor", "0.1", "--max_steps", "2"])
    assert read(tmp_path / "out" / "results.json")["recipe"]["label_smoothing_factor"] == 0.1


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
