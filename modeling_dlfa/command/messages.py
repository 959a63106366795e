"""Shows the package's log in a command: messages on standard output, warnings on standard error."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator

PACKAGE = __name__.partition(".")[0]


class _Shown(logging.Handler):
    """Prints a message as it is; a warning says that it is one."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            print(f"{record.levelname.lower()}: {text}", file=sys.stderr, flush=True)
        else:
            print(text, flush=True)


@contextlib.contextmanager
def shown_messages() -> Iterator[None]:
    """Shows what the package logs while a command runs: a library is silent, a command tells what it does.

    A level that was set on the package's logger stays.
    """
    logger, handler = logging.getLogger(PACKAGE), _Shown()
    level = logger.level
    logger.addHandler(handler)
    if level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
