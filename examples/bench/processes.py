"""Work in a process of its own, as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OFFICIAL, OURS = ROOT / "examples/bench/official.py", ROOT / "examples/run_xnli.py"


def python(arguments: Sequence[object]) -> tuple[float, str]:
    """Runs a Python program to its end, offline, with this checkout's package.

    Args:
        arguments: Of the interpreter: a script and its arguments, or `-c` and code.

    Returns:
        The seconds from its start to its end, and what it printed.

    Raises:
        RuntimeError: It failed; the message ends with what it printed last.
    """
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    own = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, *map(str, arguments)]
    started = time.perf_counter()
    process = subprocess.run(
        command, env={**os.environ, **own}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    seconds = time.perf_counter() - started
    if process.returncode:
        last = "\n".join(process.stdout.strip().splitlines()[-15:])
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}:\n{last}")
    return seconds, process.stdout
