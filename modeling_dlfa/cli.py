"""What commands have in common: no abbreviated options, one line for an error, imports when they are needed."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from .errors import InputError
from .redaction import hide_secrets

if TYPE_CHECKING:
    from .tasks import Task


class CommandParser(argparse.ArgumentParser):
    """An `ArgumentParser` that takes no abbreviations and answers a mistake with the mistake, not with its usage.

    Args:
        kwargs: As for `argparse.ArgumentParser`; a description keeps its lines.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**{**kwargs, "allow_abbrev": False})

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parses; what is left over is an error that names the option that was meant."""
        given, rest = self.parse_known_args(args, namespace)
        self.refuse_unknown(rest)
        return given

    def refuse_unknown(self, rest: Sequence[str], others: Iterable[str] = ()) -> None:
        """Ends with an error if something was given that no option takes.

        Args:
            rest: What the options have left over.
            others: Names of options that another parser knows, with their dashes.
        """
        if rest:
            # A value may be a secret whose option is mistyped.
            name = next((word.partition("=")[0] for word in rest if word.startswith("-")), None)
            self.error(self.unknown(name, others) if name else f"unexpected argument {hide_secrets(rest[0])}")

    def unknown(self, name: str, others: Iterable[str] = ()) -> str:
        """Returns what to say of an option that does not exist."""
        known = [*self._option_string_actions, *others]
        close = difflib.get_close_matches(name, known, n=1) or [full for full in known if full.startswith(name)][:1]
        return f"there is no option {name}" + (f". Did you mean {close[0]}?" if close else "")

    def error(self, message: str) -> NoReturn:
        """Prints the error, once however many processes there are, and exits with status 2."""
        end = "" if message.endswith(("?", ".")) else "."
        report_error(f"{hide_secrets(message)}{end} See --help.")
        raise SystemExit(2)


def report_error(message: object) -> None:
    """Prints an error, in the first of a machine's processes."""
    if int(os.environ.get("LOCAL_RANK", "0")) == 0:
        print(f"error: {message}", file=sys.stderr)  # noqa: T201


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Ends a command whose input is wrong with one message and status 2, and leaves no group of processes behind.

    Raises:
        SystemExit: Status 2, for an `InputError`.
    """
    try:
        yield
    except InputError as error:
        report_error(error)
        raise SystemExit(2) from error
    finally:
        if processes := sys.modules.get(f"{__package__}.processes"):
            processes.end_processes()


def main(task: Task | str, argv: Sequence[str] | None = None) -> None:
    """Entry point of the example scripts: wrong input ends with one message and exit status 2.

    The package's own options are read and checked before anything slow is imported.

    Args:
        task: A task of one's own, or a key of `tasks.TASKS`.
        argv: Arguments without the program's name; the process's own if None.

    Raises:
        SystemExit: Status 2 on wrong input.
    """
    with errors_in_one_line():
        from .command_line import parse_options
        from .tasks import get_task

        task = get_task(task) if isinstance(task, str) else task
        options = parse_options(task, argv)

        from .arguments import complete_arguments
        from .training import run_task

        run_task(task, complete_arguments(task, options))
