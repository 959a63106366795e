"""The snippets of README and docs, run as printed but in this process: each of its own would import torch anew."""

from __future__ import annotations

import contextlib
import re
import runpy
import subprocess
from tempfile import TemporaryFile
from typing import Any
from unittest import mock

from modeling_dlfa.cli import run as dlfa

from ..online import ROOT

# A snippet has a language and, where it is run here, a mark behind it, by which it is found whatever it says.
SNIPPET = re.compile(r"^```(\w+)(?: ([\w-]+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))}
SNIPPETS = [(page, *snippet) for page, text in PAGES.items() for snippet in SNIPPET.findall(text)]
# In place of the commands: their words, as bash expands them, and an empty one behind.
TOLD = """
tell() { printf '%s\\0' "$@" ''; }
dlfa() { tell dlfa "$@"; }
python() { tell python "$@"; }
"""


def marked(page: str, mark: str) -> str:
    """Returns the one snippet of a page with a mark."""
    (found,) = (text for name, _, known, text in SNIPPETS if (name, known) == (page, mark))
    return found


def commands(script: str) -> list[list[str]]:
    """Returns the words of each `dlfa` and `python` command of a bash snippet."""
    told = subprocess.run(["bash", "-euc", TOLD + script], check=True, capture_output=True, text=True).stdout
    found: list[list[str]] = [[]]
    for word in told.split("\0")[:-1]:
        if word:
            found[-1].append(word)
        else:
            found.append([])
    return found[:-1]


def shell(script: str, entered: str = "") -> str:
    """Runs the commands of a bash snippet, with `entered` on standard input; returns what they print."""
    with TemporaryFile("w+", encoding="utf-8") as printed, TemporaryFile("w+", encoding="utf-8") as given:
        given.write(entered)
        given.seek(0)
        with contextlib.redirect_stdout(printed), mock.patch("sys.stdin", given):
            for program, *arguments in commands(script):
                if program == "dlfa":
                    dlfa(arguments)
                else:
                    with mock.patch("sys.argv", arguments):
                        runpy.run_path(arguments[0], run_name="__main__")
        printed.seek(0)
        return printed.read()


def execute(*snippets: str) -> dict[str, Any]:
    """Runs snippets of Python, each with the names of those before it; returns the names."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for snippet in snippets:
        exec(compile(snippet, "snippet", "exec"), names)
    return names
