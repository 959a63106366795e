"""How an interrupted or failed command ends: with one line, not a traceback."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable, Iterator

from ..errors import InputError

INTERRUPTED = 130  # As shells have it.
_REMEDIES = {
    errno.ENOSPC: "Free some space.",
    errno.EDQUOT: "Free some space, or ask for a larger quota.",
    errno.EFBIG: "The file system allows no file of that size: choose another place.",
    errno.EROFS: "Choose a place on a file system that can be written.",
    errno.EACCES: "Name a place that you may write, or change its permissions.",
    errno.EPERM: "Name a place that you may write, or change its permissions.",
    errno.EISDIR: "Move that folder, or choose another place.",
    errno.ENOTDIR: "Move that file, or choose another place.",
    errno.ENOTEMPTY: "Move what is in that folder, or choose another place.",
    errno.ENAMETOOLONG: "Choose a place with a shorter name.",
    errno.EIO: "The disk or its connection is failing.",
}
# Libraries in Rust and C++ raise their own errors, with the system's error number or a phrase for it in the text.
_NUMBER = re.compile(r"\bos error (\d+)|\bcode: (\d+), kind: ")
_UNNUMBERED = ("PytorchStreamWriter failed writing file", "file write failed", "unexpected pos")


@contextlib.contextmanager
def one_line(go_on: Callable[[], str] | None = None) -> Iterator[None]:
    """Ends a command with one line on standard error where its input is wrong, its disk fails or it is interrupted.

    Of the processes of one machine the first one prints.

    Args:
        go_on: Returns what to do next if the command had begun its work; None to say nothing.

    Raises:
        SystemExit: Status 2 on wrong input, 1 where something cannot be written, 130 after Ctrl-C.
    """
    try:
        yield
    except InputError as error:
        _end(f"error: {error}", 2, error)
    except KeyboardInterrupt as error:
        _end(" ".join(["Interrupted.", *_said(go_on)]), INTERRUPTED, error)
    except Exception as error:
        reason = writing_failure(error)
        if reason is None:
            raise
        _end(" ".join([f"error: {reason}", *_said(go_on)]), 1, error)


def _said(go_on: Callable[[], str] | None) -> list[str]:
    return [] if go_on is None else [go_on()]


def _end(message: str, status: int, cause: BaseException) -> None:
    if int(os.environ.get("LOCAL_RANK", "0")) == 0:
        if tqdm := sys.modules.get("tqdm"):
            tqdm.tqdm.write(message, file=sys.stderr)  # On a separate line, not behind a progress bar.
        else:
            print(message, file=sys.stderr, flush=True)
    raise SystemExit(status) from cause


def writing_failure(error: Exception) -> str | None:
    """Returns what could not be written, why, and the remedy; None for an error of another kind."""
    number = error.errno if isinstance(error, OSError) else None
    if found := _NUMBER.search(str(error)):
        number = int(found[1] or found[2])
    if number in _REMEDIES:
        name = getattr(error, "filename2", None) or getattr(error, "filename", None) or "a file"
        return f"{name} cannot be written: {os.strerror(number)}. {_REMEDIES[number]}"
    if any(words in str(error) for words in _UNNUMBERED):
        return "a file cannot be written: the disk may be full. Free some space."
    return None
