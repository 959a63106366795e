"""Several processes on the CPU: by `accelerate launch` and configurations of examples/, or forked, which is faster.

A launcher and its two processes import torch and transformers three times over. Where a test is not about the launch,
its processes are forked from a server that has imported them, with the variables that the launcher would set.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from accelerate.utils.other import get_free_port

from . import forked
from .conftest import ROOT

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["modeling_dlfa.verbs.sweep", "modeling_dlfa.training.runner"])
CONFIGS = ROOT / "examples" / "configs"


def start(
    arguments: list[str],
    *,
    script: str = "examples/run_xnli.py",
    config: str = "cpu.yaml",
    launcher: tuple = (),
    **env: str,
) -> subprocess.Popen[str]:
    """Starts a script under a configuration; `launcher` are arguments of `accelerate launch`, `env` more variables."""
    port = () if "--main_process_port" in launcher else ("--main_process_port", "0")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CONFIGS / config)]
    return subprocess.Popen(
        [*command, "--num_processes", "2", *port, *launcher, script, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def launch(arguments: list[str], output: Path, script: str = "examples/run_xnli.py", **options: Any) -> str:
    """Runs a script to its end, whose output goes into a folder; returns what it printed."""
    process = start([*arguments, "--output_dir", str(output)], script=script, **options)
    printed = process.communicate(timeout=600)[0]
    assert process.returncode == 0, printed[-4000:]
    return printed


def start_forked(arguments: list[str], log: Path, **variables: str) -> BaseProcess:
    """Starts `dlfa` in one process, `variables` in its environment, which prints into a file."""
    process = SERVER.Process(target=forked.command, args=(arguments, log, {"OMP_NUM_THREADS": "1", **variables}))
    process.start()
    return process


def run_forked(arguments: list[str], log: Path, processes: int = 2) -> list[int | None]:
    """Runs `dlfa` in processes that train together, which print into a file; returns their exit codes."""
    together = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(get_free_port()), "WORLD_SIZE": str(processes)}
    together |= {"LOCAL_WORLD_SIZE": str(processes), "ACCELERATE_USE_CPU": "true"}
    started = [
        start_forked(arguments, log, RANK=rank, LOCAL_RANK=rank, **together) for rank in map(str, range(processes))
    ]
    for process in started:
        process.join(timeout=300)
    codes = [process.exitcode for process in started]
    for process in started:
        process.kill()
    return codes


def fork(arguments: list[str], output: Path) -> str:
    """Runs `dlfa` to its end in two processes, whose output goes into a folder; returns what they printed."""
    log = output.with_suffix(".log")
    codes = run_forked([*arguments, "--output_dir", str(output)], log)
    printed = log.read_text(encoding="utf-8")
    assert codes == [0, 0], printed[-4000:]
    return printed
