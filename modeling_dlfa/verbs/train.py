"""`dlfa train`: fine-tune on the source language, test in all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..command.ending import one_line
from ..command.parser import CommandParser
from ..tasks import TASK_NAMES, get_task

if TYPE_CHECKING:
    from ..tasks import Task
    from ..training.arguments import Arguments

_TASK = f"one of {', '.join(TASK_NAMES)}"


def main(argv: Sequence[str]) -> None:
    """Trains and tests the task that the first word names."""
    task, rest = split_task(argv, "train", "Fine-tunes on English and tests in every language.")
    train(task, rest, prog=f"dlfa train {argv[0]}")


def split_task(argv: Sequence[str], verb: str, description: str) -> tuple[Task, Sequence[str]]:
    """Returns the task that a verb's first word names, and what follows it.

    Raises:
        InputError: There is no such task.
        SystemExit: Help, or the task is missing.
    """
    if argv and not argv[0].startswith("-"):
        return get_task(argv[0]), argv[1:]
    parser = CommandParser(
        prog=f"dlfa {verb}",
        usage=f"dlfa {verb} TASK [ARGUMENTS.yaml] [OPTION ...]",
        description=description,
        epilog=f"`dlfa {verb} xnli --help` lists the options of a task, with its recipe.",
    )
    parser.add_argument("task", metavar="TASK", help=_TASK)
    parser.parse_args(list(argv[:1]))
    raise AssertionError("without a task the parser ends the command")


def train(task: Task | str, argv: Sequence[str] | None = None, *, prog: str | None = None) -> None:
    """Trains and tests a task; our own options are read and checked before anything slow is imported.

    Args:
        task: A task of one's own, or a name.
        argv: Options; the process's own if None.
        prog: What the help calls the command; the script's name if None.
    """
    from ..training.command_line import parse_options

    task = get_task(task) if isinstance(task, str) else task
    options = parse_options(task, argv, prog=prog)
    completed: list[Arguments] = []
    with one_line(lambda: how_to_go_on(*completed)):
        from ..training.arguments import complete_arguments
        from ..training.runner import run_task

        completed.append(complete_arguments(task, options))
        run_task(task, completed[0])


def how_to_go_on(arguments: Arguments | None = None) -> str:
    """Returns what to do after a command that did not come to its end, given how far it came."""
    from ..results.directory import OutputDirectory

    if arguments is not None and OutputDirectory(str(arguments.training.output_dir)).has_results():
        return "What is finished is kept: go on with the same command and --resume_from_checkpoint last."
    return "Nothing was finished: start the same command again."
