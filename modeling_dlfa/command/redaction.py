"""Keeps secrets out of what is recorded and published, recognised by their option's name or their form."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

HIDDEN = "***"
_SECRET_NAME = re.compile(r"(^|_)(token|password|passwd|secret|api_?key|access_?key|credentials?)($|_)", re.IGNORECASE)
# Tokens of the Hub, GitHub, OpenAI's kin and AWS; credentials in a URL, and signatures after its path.
_SECRET_VALUES = (
    re.compile(r"\b(?:hf_|api_org_|gh[oprsu]_|github_pat_)\w{16,}"),
    re.compile(r"\bsk-[\w-]{16,}"),
    re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    re.compile(r"(?<=://)[^/\s@]+(?=@)"),
    re.compile(r"(?<=[?&])((?:\w+[_-])?(?:token|key|password|secret|sig|signature)=)[^&\s]+", re.IGNORECASE),
)
_LEAST = 8  # Shorter values could be ordinary words, so they are not hidden everywhere.


def hide_secrets(text: str, known: Collection[str | None] = ()) -> str:
    """Returns a text without what looks like a secret, or is one that the environment or the caller knows.

    Args:
        text: Anything that is to be recorded.
        known: Values to hide wherever they stand; None and values under 8 characters are passed over.
    """
    values = [value for name, value in os.environ.items() if _SECRET_NAME.search(name)]
    for value in (*values, *known):
        if value and len(value) >= _LEAST:
            text = text.replace(value, HIDDEN)
    for pattern in _SECRET_VALUES:
        text = pattern.sub(lambda found: (found[1] if found.re.groups else "") + HIDDEN, text)
    return text


def without_secrets(record: Any, known: Collection[str | None] = ()) -> Any:
    """Returns a record, mappings and lists of any depth, whose texts have gone through `hide_secrets`."""
    if isinstance(record, str):
        return hide_secrets(record, known)
    if isinstance(record, Mapping):
        return {key: without_secrets(value, known) for key, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [without_secrets(value, known) for value in record]
    return record


def command_line(argv: Sequence[str]) -> str:
    """Returns the command as one would type it, secrets left out: results are published.

    Args:
        argv: The program and its arguments; the `dlfa` command, wherever it is installed, goes by its name.
    """
    program = Path(argv[0])
    is_dlfa = program.stem == "dlfa" or program.parts[-2:] == ("modeling_dlfa", "__main__.py")
    shown, hidden = ["dlfa"] if is_dlfa else ["python"], False
    for argument in argv[1:] if is_dlfa else argv:
        name, equals, _ = argument.partition("=")
        secret = name.startswith("--") and bool(_SECRET_NAME.search(name[2:].replace("-", "_")))
        if hidden and not argument.startswith("--"):
            shown.append(HIDDEN)
        else:
            shown.append(f"{name}={HIDDEN}" if secret and equals else hide_secrets(argument))
        hidden = secret and not equals
    return shlex.join(shown)
