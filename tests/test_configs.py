"""The Accelerate configurations beside the examples, read by Accelerate's own launcher."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DeepSpeedPlugin, FullyShardedDataParallelPlugin, patch_environment
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env
from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy

from .launching import CONFIGS

FILES = sorted(path.name for path in CONFIGS.iterdir())


def launcher(name: str, *more: str) -> argparse.Namespace:
    """Returns what `accelerate launch --config_file` makes of a file: it refuses keys that it does not know."""
    command = ["--config_file", str(CONFIGS / name), "--main_process_port", "0", *more, "script.py"]
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(command))
    return arguments


def test_the_files_are_those_that_are_tested_here() -> None:
    names = ["cpu.yaml", "ddp.yaml", "ddp_machines.yaml", "deepspeed_zero2.yaml", "deepspeed_zero3.yaml", "fsdp.yaml"]
    assert names == FILES


@pytest.mark.parametrize("name", FILES)
def test_precision_is_left_to_the_runner_which_records_it(name: str) -> None:
    arguments = launcher(name)
    assert arguments.mixed_precision == "no" and arguments.num_processes > 1
    assert "mixed_precision: 'no'" in (CONFIGS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "processes", "cpu"), [("cpu.yaml", 2, True), ("ddp.yaml", 4, False)])
def test_one_machine(name: str, processes: int, cpu: bool) -> None:
    arguments = launcher(name)
    assert arguments.multi_gpu and not arguments.use_fsdp and not arguments.use_deepspeed
    environment = prepare_multi_gpu_env(arguments)
    assert arguments.nproc_per_node == str(processes) and arguments.use_cpu is cpu
    assert "ACCELERATE_USE_FSDP" not in environment


def test_two_machines() -> None:
    arguments = launcher(
        "ddp_machines.yaml", "--machine_rank", "1", "--main_process_ip", "10.0.0.1", "--main_process_port", "29501"
    )
    prepare_multi_gpu_env(arguments)
    assert (arguments.nnodes, arguments.nproc_per_node, arguments.node_rank) == ("2", "4", 1)
    assert (arguments.rdzv_backend, arguments.rdzv_endpoint) == ("static", "10.0.0.1:29501")


def test_fsdp() -> None:
    arguments = launcher("fsdp.yaml")
    assert arguments.use_fsdp and not arguments.multi_gpu
    with patch_environment(**prepare_multi_gpu_env(arguments)):
        plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2 and plugin.reshard_after_forward is True
    assert plugin.auto_wrap_policy is transformer_auto_wrap_policy and plugin.transformer_cls_names_to_wrap is None
    assert "FULL_STATE_DICT" in str(plugin.state_dict_type) and not plugin.cpu_ram_efficient_loading


@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed(stage: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # Accelerate may leave a file for DeepSpeed's launcher.
    arguments = launcher(f"deepspeed_zero{stage}.yaml")
    assert arguments.use_deepspeed
    arguments.deepspeed_fields_from_accelerate_config = "zero_stage"  # As launch_command does.
    _, environment = prepare_deepspeed_cmd_env(arguments)
    with patch_environment(**environment):
        config = DeepSpeedPlugin().deepspeed_config
    assert config["zero_optimization"]["stage"] == stage
    assert config["gradient_accumulation_steps"] == config["gradient_clipping"] == "auto", "the runner's values count"
    assert config["zero_optimization"]["stage3_gather_16bit_weights_on_model_save"] is (stage == 3)
    assert environment["ACCELERATE_DEEPSPEED_ZERO3_INIT"] == "false"
