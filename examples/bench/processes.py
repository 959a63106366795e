"""Work in processes of its own, as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = Path(__file__).resolve().parent
# Starts a program and writes its peak. A process's peak begins with that of the one that forked it, which is why this
# one, with its thousands of MiB, is not the one.
WATCHER = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status if status >= 0 else 128 - status)
"""


@dataclass(frozen=True)
class Finished:
    """A process that has ended well.

    Attributes:
        seconds: From its start to its end.
        peak: Most memory that it (or the largest of its children) had resident, in bytes.
        output: What it printed.
    """

    seconds: float
    peak: int
    output: str


def python(arguments: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Finished:
    """Runs a Python program to its end, offline, with this checkout's package.

    Args:
        arguments: Of the interpreter: a script or `-m` and a module, and its arguments.
        environment: Variables over this process's.

    Raises:
        RuntimeError: It failed; the message ends with what it printed last.
    """
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "true",
        **(environment or {}),
    }
    command = [sys.executable, *map(str, arguments)]
    with tempfile.NamedTemporaryFile("r") as peak:
        started = time.perf_counter()
        process = subprocess.run(
            [sys.executable, "-S", "-c", WATCHER, peak.name, *command],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        seconds = time.perf_counter() - started
        if process.returncode:
            last = "\n".join(process.stdout.strip().splitlines()[-15:])
            raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}:\n{last}")
        unit = 1 if sys.platform == "darwin" else 1024
        return Finished(seconds, int(peak.read()) * unit, process.stdout)
