"""The error that a user can mend."""

from __future__ import annotations

from collections.abc import Iterable


class InputError(ValueError):
    """Wrong input from the user, found before any work is lost.

    The message is one sentence or two: the cause and the remedy. The command-line runner prints it without a traceback
    and exits with status 2.
    """


def first_line(error: BaseException) -> str:
    """Returns what an error of several lines begins with, without the full stop."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def quoted(names: Iterable[str]) -> str:
    """Join names for a message, each in quotes."""
    return ", ".join(f"'{name}'" for name in names)
