"""The `dlfa` command, and the entry point of scripts that train one task, such as `examples/run_xnli.py`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from .command.ending import one_line
from .command.messages import shown_messages
from .command.parser import CommandParser
from .version import __version__

if TYPE_CHECKING:
    from .tasks import Task


@dataclass(frozen=True)
class Verb:
    """A verb of the command.

    Attributes:
        usage: Its name, and what always follows it.
        help: What it is for, in one line.
        target: `module:function` within `verbs`, imported when the verb is called; it takes the arguments behind it.
    """

    usage: str
    help: str
    target: str

    @property
    def name(self) -> str:
        """What one types."""
        return self.usage.partition(" ")[0]

    def load(self) -> Callable[[Sequence[str]], None]:
        """Imports and returns the function."""
        module, _, function = self.target.partition(":")
        loaded: Callable[[Sequence[str]], None] = getattr(import_module(f".verbs.{module}", __package__), function)
        return loaded


VERBS = (
    Verb("train TASK", "Fine-tune on English and test in every language.", "train:main"),
    Verb("predict", "Label texts or words with a fine-tuned checkpoint.", "predict:main"),
    Verb("sweep TASK", "Find the layer to fuse: train with each, compare in every language.", "sweep:main"),
    Verb("layers", "Show what each layer of an encoder knows, without fine-tuning.", "layers:main"),
    Verb("scaling", "Show how transfer changes with the number of target languages.", "scaling:main"),
    Verb("report", "Put runs and studies together on one HTML page.", "report:main"),
    Verb("merge", "Merge the shards of one command into one directory.", "merge:main"),
    Verb("publish", "Push the selected model of a run to the Hub, with its card.", "publish:main"),
    Verb("export", "Export a checkpoint to ONNX.", "export:main"),
    Verb("compare", "Compare a checkpoint with its ONNX graphs on labelled files.", "compare:main"),
    Verb("trim", "Keep the part of a model's vocabulary that texts need.", "trim:main"),
    Verb("glyphs", "Tabulate what each token of a vocabulary looks like.", "glyphs:main"),
    Verb("perturb", "Write test files anew with visual noise in a share of their words.", "perturb:main"),
    Verb("augment TASK", "Switch words of the training data into other languages.", "augment:main"),
    Verb("fit-mlm-head", "Give an encoder the head that a teacher of augment needs.", "fit_mlm_head:main"),
    Verb("gate", "Show which tokens of a text take how much from the lower layer.", "gate:main"),
    Verb("space", "Serve a page: answers beside a baseline's, and the gate as coloured text.", "space:main"),
)
_EPILOG = "TASK is xnli, pawsx, ner or pos. `dlfa VERB --help` lists options, `dlfa --version` the version."


def run(argv: Sequence[str] | None = None) -> None:
    """Runs the `dlfa` command; what goes wrong ends with one message, wrong input with exit status 2.

    Args:
        argv: A verb and its arguments; the process's own if None.

    Raises:
        SystemExit: See `command.ending.one_line`.
    """
    width = max(len(verb.usage) for verb in VERBS)
    listed = "\n".join(f"  {verb.usage:<{width}}  {verb.help}" for verb in VERBS)
    parser = CommandParser(
        prog="dlfa",
        usage="dlfa VERB [OPTION ...]",
        description="Zero-shot cross-lingual transfer with fused layers: fine-tune on English, use elsewhere.\n\n"
        f"verbs:\n{listed}",
        epilog=_EPILOG,
        add_help=False,
    )
    # Not listed, to leave the screen to the verbs.
    parser.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
    parser.add_argument("--version", action="version", version=f"dlfa {__version__}", help=argparse.SUPPRESS)
    given = list(sys.argv[1:] if argv is None else argv)
    known = {verb.name: verb for verb in VERBS}
    if not given or given[0].startswith("-"):
        parser.parse_args(given)
        parser.error(f"name a verb: {', '.join(known)}")
    if given[0] not in known:
        parser.error(parser.unknown(given[0], known, what="verb"))
    with _command():
        known[given[0]].load()(given[1:])


def main(task: Task | str, argv: Sequence[str] | None = None) -> None:
    """Trains and tests one task, as a script's whole work; ends as `run` does.

    Args:
        task: Your own task, or a name of `tasks.TASKS`.
        argv: Arguments without the script's name; the process's own if None.

    Raises:
        SystemExit: See `command.ending.one_line`.
    """
    with _command():
        from .verbs.train import train

        train(task, argv)


@contextlib.contextmanager
def _command() -> Iterator[None]:
    """What surrounds a command: its messages are shown, its end is in one line, and no process is left behind."""
    try:
        with one_line(), shown_messages():
            yield
    except BrokenPipeError:
        # Whoever reads has enough, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    finally:
        # Without it no command came so far as to have a group of processes.
        if processes := sys.modules.get(f"{__package__}.training.processes"):
            processes.end_processes()
