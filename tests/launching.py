"""Starting an example in several processes on the CPU, by `accelerate launch` and the configurations of examples/."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .conftest import ROOT

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
