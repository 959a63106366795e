"""What commands have in common: no abbreviated options, one line for an error, imports when they are needed."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from ..errors import InputError
from .redaction import hide_secrets


class CommandParser(argparse.ArgumentParser):
    """An `ArgumentParser` that takes no abbreviations and answers a mistake with the mistake, not with its usage.

    Args:
        kwargs: As for `argparse.ArgumentParser`; a description keeps its lines. With `exit_on_error=False` every
            mistake is an `InputError`, for callers from Python.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**{**kwargs, "allow_abbrev": False})

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parses; what is left over is an error that names the option that was meant."""
        given, rest = self.parse_known_args(args, namespace)
        self.refuse_unknown(rest)
        return given

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parses; returns the values and what is left over."""
        try:
            return super().parse_known_args(args, namespace)
        except argparse.ArgumentError as error:  # With exit_on_error=False.
            self.error(str(error))

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

    def unknown(self, name: str, others: Iterable[str] = (), *, what: str = "option") -> str:
        """Returns what to say of an option, or of a verb, that does not exist."""
        known = [*(self._option_string_actions if what == "option" else ()), *others]
        close = difflib.get_close_matches(name, known, n=1) or [full for full in known if full.startswith(name)][:1]
        return f"there is no {what} {name}" + (f". Did you mean {close[0]}?" if close else "")

    def error(self, message: str) -> NoReturn:
        """Prints the error, once however many processes of a machine there are, and exits with status 2.

        Raises:
            InputError: Instead, with `exit_on_error=False`.
        """
        if not self.exit_on_error:
            message = hide_secrets(message)
            raise InputError(message if message.endswith(("?", ".")) else f"{message}.")
        if int(os.environ.get("LOCAL_RANK", "0")) == 0:
            end = "" if message.endswith(("?", ".")) else "."
            print(f"error: {hide_secrets(message)}{end} See --help.", file=sys.stderr)
        raise SystemExit(2)
