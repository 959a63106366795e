"""What a forked process runs; it imports nothing of the tests, whose Hub is another process's."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from pathlib import Path


def command(arguments: Sequence[str], log: Path, variables: dict[str, str]) -> None:
    """Runs `dlfa` with arguments, `variables` in its environment; both its streams go into a file."""
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.environ.update(variables)
    multiprocessing.set_start_method(None, force=True)  # For workers of its own: not from another server.
    # What a shell starts in the background ignores Ctrl-C, and hands that on to what it starts itself.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from modeling_dlfa.cli import run

    run(arguments)
