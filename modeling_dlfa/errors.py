"""The error that a user can mend."""

from __future__ import annotations

from collections.abc import Iterable


class InputError(ValueError):
    """Wrong input from the user, found before any work is lost.

    The message is one sentence or two: the cause and the remedy. The command-line runner prints it without a traceback
    and exits with status 2.
    """


def quoted(names: Iterable[str]) -> str:
    """Join names for a message, each in quotes."""
    return ", ".join(f"'{name}'" for name in names)
