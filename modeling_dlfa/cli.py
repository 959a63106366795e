"""Entry points of commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .command.ending import one_line

if TYPE_CHECKING:
    from .tasks import Task
    from .training.arguments import Arguments


def main(task: Task | str, argv: Sequence[str] | None = None) -> None:
    """Entry point of the example scripts: what goes wrong ends with one message, wrong input with exit status 2.

    The package's own options are read and checked before anything slow is imported.

    Args:
        task: A task of one's own, or a key of `tasks.TASKS`.
        argv: Arguments without the program's name; the process's own if None.

    Raises:
        SystemExit: See `command.ending.one_line`.
    """
    completed: list[Arguments] = []
    try:
        with one_line(lambda: how_to_go_on(*completed)):
            from .tasks import get_task
            from .training.command_line import parse_options

            task = get_task(task) if isinstance(task, str) else task
            options = parse_options(task, argv)

            from .training.arguments import complete_arguments
            from .training.runner import run_task

            completed.append(complete_arguments(task, options))
            run_task(task, completed[0])
    finally:
        end_started_processes()


def how_to_go_on(arguments: Arguments | None = None) -> str:
    """Returns what to do after a command that did not come to its end, given how far it came."""
    from .results.directory import OutputDirectory

    if arguments is not None and OutputDirectory(str(arguments.training.output_dir)).has_results():
        return "What is finished is kept: go on with the same command and --resume_from_checkpoint last."
    return "Nothing was finished: start the same command again."


def end_started_processes() -> None:
    """Ends the group of processes at the end of a command, if it came so far as to have one."""
    if processes := sys.modules.get(f"{__package__}.training.processes"):
        processes.end_processes()
