"""Commands that run at once, sharing the processors."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO


def run_together(commands: Sequence[Sequence[str]]) -> None:
    """Runs commands at once. The first one's output is seen, that of another is shown where it fails.

    Args:
        commands: Each with its arguments; each gets an even share of the processors as its threads.

    Raises:
        SystemExit: A command failed, with its status; the others were stopped.
    """
    threads = max(1, (os.cpu_count() or 1) // len(commands))
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with contextlib.ExitStack() as stack:
        logs = [None, *(stack.enter_context(tempfile.TemporaryFile()) for _ in commands[1:])]
        processes = [
            stack.enter_context(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            for command, log in zip(commands, logs, strict=True)
        ]
        failed = None
        try:
            failed = _first_failure(processes)
        finally:
            for process in processes:
                if process.poll() is None:
                    process.terminate()
        if failed is not None:
            _show(logs[failed])
            raise SystemExit(processes[failed].returncode)


def _first_failure(processes: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Waits until one fails, whose position is returned, or all have ended well."""
    while True:
        states = [process.poll() for process in processes]
        for index, state in enumerate(states):
            if state:
                return index
        if None not in states:
            return None
        time.sleep(0.1)


def _show(log: IO[bytes] | None) -> None:
    if log is not None:
        log.seek(0)
        print(log.read().decode(errors="replace"), file=sys.stderr)
