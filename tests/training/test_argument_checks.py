"""Options without effect, values that make no sense and packages that are missing are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import UDPOS, XNLI
from modeling_dlfa.training.argument_checks import check_installed
from modeling_dlfa.training.arguments import parse_arguments
from modeling_dlfa.training.command_line import parse_options

Python = Callable[..., Any]
MODEL = ["--model_name_or_path", "org/model"]
WITHOUT_EFFECT = {
    "layers of the last": (["--fusion", "last", "--fusion_layers", "3"], "--fusion_layers has no effect"),
    "layers of all": (["--fusion", "scalar_mix", "--fusion_layers", "3"], "--fusion_layers has no effect"),
    "gate of a mean": (["--fusion", "mean", "--gate", "excite"], "--gate has no effect with --fusion mean"),
    "ratio of a mean": (["--fusion", "concat", "--reduction_ratio", "2"], "--reduction_ratio has no effect"),
    "seed beside seeds": (["--seed", "1", "--seeds", "2"], "--seed has no effect with --seeds"),
    "LoRA's rank": (["--lora_r", "2"], "--lora_r has an effect only with --peft lora"),
    "revision of files": (["--test_file", "x.tsv", "--dataset_revision", "v1"], "--dataset_revision has no effect"),
    "repository": (["--hub_model_id", "org/x"], "--hub_model_id has no effect without --push_to_hub"),
    "name of a run": (["--run_name", "mine"], "--run_name has no effect"),
    "workers that stay": (["--dataloader_persistent_workers", "True"], "without --dataloader_num_workers 1 or more"),
    "steps of epochs": (["--save_steps", "7"], "--save_steps has no effect with --save_strategy epoch"),
    "steps of validation": (["--eval_steps", "7"], "--eval_steps has no effect with --eval_strategy epoch"),
    "a shard of one": (["--shard_index", "0"], "--shard_index has no effect without --num_shards"),
    "licence of no card": (["--license", "mit", "--no_save_models"], "--license has no effect with --save_models"),
    "accelerator": (["--accelerator_config", '{"bogus": 1}'], "The Trainer rejects its options"),
    "the optimiser's options": (["--optim_args", "foo"], "--optim_args foo is not in the form name=value"),
    "no checkpoints": (
        ["--keep_checkpoints", "--save_strategy", "no", "--load_best_model_at_end", "False"],
        "--keep_checkpoints has no effect",
    ),
}


@pytest.mark.parametrize("case", WITHOUT_EFFECT)
def test_an_option_that_cannot_act_is_refused(case: str, tmp_path: Path) -> None:
    extra, expected = WITHOUT_EFFECT[case]
    with pytest.raises(InputError) as error:
        parse_arguments(XNLI, [*MODEL, "--output_dir", str(tmp_path), *extra])
    assert expected in str(error.value)


def test_options_are_refused_where_the_model_or_the_task_gives_them_no_effect(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--model_revision has no effect"):
        parse_options(XNLI, ["--model_name_or_path", str(tmp_path), "--model_revision", "v1"])
    with pytest.raises(InputError, match="--pooling has no effect"):
        parse_options(UDPOS, [*MODEL, "--pooling", "mean"])


NONSENSE = {
    "unknown metric": (["--metric_for_best_model", "bleu"], "bleu is not computed"),
    "no such report": (["--report_to", "paper"], "--report_to paper does not exist; choose from"),
    "batch of none": (["--per_device_train_batch_size", "0"], "--per_device_train_batch_size 0"),
    "evaluation batch of none": (["--per_device_eval_batch_size", "-1"], "--per_device_eval_batch_size -1"),
    "no accumulation": (["--gradient_accumulation_steps", "0"], "--gradient_accumulation_steps 0"),
    "rate not a number": (["--learning_rate", "nan"], "--learning_rate nan"),
    "rate without end": (["--learning_rate", "inf"], "--learning_rate inf"),
    "rate below zero": (["--learning_rate=-1e-5"], "--learning_rate -1e-05"),
    "decay not a number": (["--weight_decay", "nan"], "--weight_decay nan"),
    "epochs not a number": (["--num_train_epochs", "nan"], "--num_train_epochs nan"),
    "steps below zero": (["--max_steps", "-5"], "--max_steps -5 is out of range. Give 1 or more"),
    "no steps": (["--max_steps", "0"], "--max_steps 0 is out of range"),
    "seeds without training": (["--do_train", "False", "--seeds", "1", "2"], "only repeat. Leave --seeds out."),
    "no epochs": (["--num_train_epochs", "0"], "--num_train_epochs 0"),
    "seed below zero": (["--seed", "-1"], "--seed -1"),
    "seed too large": (["--seed", str(2**32)], f"--seed {2**32}"),
    "one of the seeds": (["--seeds", "1", "-2"], "--seeds -2"),
    "seed of the data": (["--data_seed", "-3"], "--data_seed -3"),
    "length": (["--max_length", "0"], "--max_length 0"),
    "rows": (["--max_train_samples", "0"], "--max_train_samples 0"),
    "dropout": (["--fusion_dropout", "nan"], "--fusion_dropout nan"),
    "shards": (["--num_shards", "0"], "--num_shards 0"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_values_that_make_no_sense(case: str, tmp_path: Path) -> None:
    extra, expected = NONSENSE[case]
    with pytest.raises(InputError) as error:
        parse_arguments(XNLI, [*MODEL, "--output_dir", str(tmp_path), *extra])
    assert expected in str(error.value) and "\n" not in str(error.value)


def test_metrics_beside_the_tasks_and_the_loss_may_choose_the_checkpoint(tmp_path: Path) -> None:
    for metric in ("f1", "accuracy", "eval_accuracy", "loss", "eval_loss"):
        parse_arguments(UDPOS, [*MODEL, "--output_dir", str(tmp_path), "--metric_for_best_model", metric])


PACKAGES = {
    "tensorboard": (["--report_to", "tensorboard"], "--report_to tensorboard"),
    "wandb": (["--report_to", "wandb"], "--report_to wandb"),
    "optimiser": (["--optim", "adamw_8bit"], "bitsandbytes"),
    "deepspeed": (["--deepspeed", "ds.json"], "--deepspeed needs DeepSpeed"),
}
WITHOUT = """
import json, sys
for name in ("tensorboard", "tensorboardX", "wandb", "deepspeed", "bitsandbytes"): sys.modules[name] = None
from modeling_dlfa.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main("xnli", arguments)
    except SystemExit as stop:
        assert stop.code == 2
"""


def test_packages_that_the_trainer_would_miss_later(run_python: Python, tmp_path: Path) -> None:
    """In one process, which is told before its first import that they are missing."""
    (tmp_path / "ds.json").write_text('{"train_batch_size": "auto"}')
    out = ["--output_dir", str(tmp_path / "out")]
    cases = [[*MODEL, *out, *extra] for extra, _ in PACKAGES.values()]
    given = json.dumps(cases).replace("ds.json", str(tmp_path / "ds.json"))
    told = run_python("-c", WITHOUT, given).stderr
    lines = [line for line in told.splitlines() if line.startswith("error: ")]
    assert len(lines) == len(PACKAGES) and "Traceback" not in told, told
    for line, (_, expected) in zip(lines, PACKAGES.values(), strict=True):
        assert expected in line
    assert not (tmp_path / "out").exists()


def test_a_base_install_is_told_of_the_extra(run_python: Python) -> None:
    code = (
        "import sys\nsys.modules['seqeval'] = sys.modules['datasets'] = None\n"
        "from modeling_dlfa.cli import main\nmain('xnli', ['--model_name_or_path', 'x'])"
    )
    ended = run_python("-c", code, check=False)
    assert ended.returncode == 2
    assert ended.stderr == (
        "error: Training needs datasets, seqeval (not installed): pip install 'modeling-dlfa[train]'.\n"
    )


def test_installed_packages_pass() -> None:
    check_installed(("json", "torch"), "train", "Training")
