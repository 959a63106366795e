"""What `--report_to` leaves open: a run of ours is a run of its own in Weights & Biases and in trackio, too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def own_reports() -> Iterator[None]:
    """Ends the reports that were opened within.

    The Trainer leaves them open, and the next run of the command would go on writing into the first one's. A report
    that the caller had open takes all runs, as with any Trainer, and stays open.
    """
    before = _open_reports()
    try:
        yield
    finally:
        for module in _open_reports() - before:
            sys.modules[module].finish()


def _open_reports() -> set[str]:
    """Returns the names of the modules that have one; those that are not imported have none."""
    wandb: Any = sys.modules.get("wandb")
    trackio: Any = sys.modules.get("trackio")
    reports = {
        "wandb": getattr(wandb, "run", None),
        "trackio": trackio.context_vars.current_run.get() if hasattr(trackio, "context_vars") else None,
    }
    return {name for name, report in reports.items() if report is not None}
