"""`dlfa train`: fine-tune on the source language, test in all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..command.ending import one_line
from ..tasks import TASK_NAMES, get_task
from ..training.command_line import options_parser, parse_options

if TYPE_CHECKING:
    from ..tasks import Task


def main(argv: Sequence[str]) -> None:
    """Trains and tests the task that the first word names."""
    if not argv or argv[0].startswith("-"):
        parser = options_parser(None, prog="dlfa train")
        if argv[:1] in (["-h"], ["--help"]):
            parser.parse_known_args(argv[:1])
        parser.error(f"name a task: {', '.join(TASK_NAMES)}")
    train(argv[0], argv[1:], prog=f"dlfa train {argv[0]}")


def train(task: Task | str, argv: Sequence[str] | None = None, *, prog: str | None = None) -> None:
    """Trains and tests a task; our own options are read and checked before anything slow is imported.

    Args:
        task: Your own task, or a name.
        argv: Options; the process's own if None.
        prog: What the help calls the command; the script's name if None.
    """
    task = get_task(task) if isinstance(task, str) else task
    options = parse_options(task, argv, prog=prog)
    output: list[str] = []
    with one_line(lambda: how_to_go_on(*output)):
        from ..training.arguments import complete_arguments
        from ..training.runner import run_task

        arguments = complete_arguments(task, options)
        output.append(str(arguments.training.output_dir))
        run_task(task, arguments)


def how_to_go_on(output: str | None = None) -> str:
    """Returns what to do after a command was interrupted, given where it had begun to write."""
    from ..results.directory import OutputDirectory

    if output is not None and OutputDirectory(output).has_results():
        return "Finished runs are kept: continue with the same command and --resume_from_checkpoint last."
    return "Nothing was finished: run the same command again."
