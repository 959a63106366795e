"""The runner's command line and files of arguments, read without torch."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.hf_argparser import HfArgumentParser

from ..command.parser import CommandParser
from ..errors import InputError
from ..files.mappings import load_yaml, unique_pairs
from ..tasks import Task
from .argument_checks import check_options
from .options import DataArguments, LearningArguments, ModelArguments, RunArguments

TRAINER_PAGE = "https://huggingface.co/docs/transformers/main_classes/trainer"


class Help(argparse.RawDescriptionHelpFormatter):
    """Shows an option by its first name: `--seeds`, not `--max-length` as well as `--max_length`."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        names = action.option_strings[:1] if action.option_strings[0].startswith("--") else action.option_strings
        values = self._format_args(action, self._get_default_metavar_for_optional(action)) if action.nargs != 0 else ""
        return ", ".join(names) + (f" {values}" if values else "")


class DataclassParser(CommandParser, HfArgumentParser):
    """transformers' dataclass parser with the conventions of `CommandParser`.

    Args:
        dataclass_types: Dataclasses whose fields are the options.
        kwargs: As for `argparse.ArgumentParser`.
    """

    def __init__(self, dataclass_types: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", Help)
        super().__init__(dataclass_types=dataclass_types, **kwargs)
        for action in self._actions:
            # transformers gives the flag that turns an option off the same help as the option.
            if action.const is False and action.option_strings[0].startswith("--no_"):
                action.help = f"The same as --{action.dest} False."
            if action.dest == "fusion_layers":
                action.nargs = "*"  # May be empty with --glyphs.

    def parse(self, argv: Sequence[str] | None = None) -> tuple[Any, ...]:
        """Returns the dataclasses; leftover arguments are an error."""
        *parsed, rest = self.parse_known(argv)
        self.refuse_unknown(rest)
        return tuple(parsed)

    def parse_known(self, argv: Sequence[str] | None = None) -> tuple[Any, ...]:
        """Returns the dataclasses and, last, the list of leftover arguments."""
        given = list(sys.argv[1:] if argv is None else argv)
        return self.parse_args_into_dataclasses(given, return_remaining_strings=True, look_for_args_file=False)


def recipe_of(task: Task) -> dict[str, Any]:
    """Returns the `TrainingArguments` values that a task sets: its recipe and the place of its results."""
    return {
        "output_dir": f"runs/{task.name}",
        "learning_rate": task.learning_rate,
        "num_train_epochs": task.num_train_epochs,
        "per_device_train_batch_size": task.batch_size,
        "metric_for_best_model": task.metric,
    }


@dataclass(frozen=True)
class Options:
    """The runner's own options, and the arguments left for the Trainer.

    Attributes:
        model: Which encoder, and how its layers are fused.
        data: Where the examples come from.
        run: What is compared.
        learning: What the loss counts, when a run stops and when it is repeated.
        rest: Arguments for the Trainer, as typed.
        given: Names of all options that were given, with underscores.
        exit_on_error: Whether a mistake in the Trainer's arguments ends the process; else it is an `InputError`.
    """

    model: ModelArguments
    data: DataArguments
    run: RunArguments
    learning: LearningArguments
    rest: list[str]
    given: frozenset[str]
    exit_on_error: bool = True


def parse_options(
    task: Task, argv: Sequence[str] | None = None, *, prog: str | None = None, exit_on_error: bool = True
) -> Options:
    """Reads the runner's own options; a first argument that ends in .yaml, .yml or .json is a file of arguments.

    Args:
        task: The task whose recipe is used and shown by `--help`.
        argv: Arguments without the program's name; the process's own if None.
        prog: Name of the command in the help; the script's name if None.
        exit_on_error: Whether an argument that is unknown or does not parse ends the process.

    Returns:
        The options; the command line overrides the file.

    Raises:
        InputError: A file cannot be read, or values contradict each other.
        SystemExit: Status 2, for an argument that is unknown or does not parse, unless `exit_on_error` is False.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    if given and given[0].endswith((".yaml", ".yml", ".json")):
        given = arguments_of_file(Path(given[0])) + given[1:]
    trainers = trainer_options()
    parser = options_parser(task, prog=prog, exit_on_error=exit_on_error)
    model, data, learning, run, rest = parser.parse_known(given)
    if trainers:
        for flag in _flags(rest):
            if not {_name(flag), _name(flag).removeprefix("no_")} & {*trainers}:
                parser.error(parser.unknown(flag, (f"--{name}" for name in trainers)))
    options = Options(model, data, run, learning, rest, frozenset(map(_name, _flags(given))), exit_on_error)
    check_options(task, options)
    return options


def options_parser(task: Task | None, **kwargs: Any) -> DataclassParser:
    """Returns the parser of the runner's own options, whose help lists the Trainer's options below them.

    Args:
        task: The task whose recipe the help shows; any task if None.
        kwargs: As for `DataclassParser`.
    """
    described = "Fine-tune on English" if task is None else f"{task.title}: fine-tune on {task.source_language}"
    usage = "%(prog)s TASK [ARGUMENTS.yaml]" if task is None else "%(prog)s [ARGUMENTS.yaml]"
    return DataclassParser(
        [ModelArguments, DataArguments, LearningArguments, RunArguments],
        usage=f"{usage} --model_name_or_path MODEL [OPTION ...]",
        description=f"{described}, test in every language, with layers fused and without.",
        epilog=_trainer_help(task, trainer_options()),
        **kwargs,
    )


def _flags(words: Sequence[str]) -> list[str]:
    """Returns the flags among words, without any value after `=`."""
    return [word.partition("=")[0] for word in words if word.startswith("--")]


def _name(flag: str) -> str:
    """Returns the option's name behind a flag, which may have dashes for underscores."""
    return flag.removeprefix("--").replace("-", "_")


def trainer_options() -> list[str]:
    """Returns the names of transformers' TrainingArguments, read from their source: importing them imports torch.

    Returns:
        The names in order; empty if the source is missing.
    """
    package = importlib.util.find_spec("transformers")
    if package is None or package.origin is None:
        return []
    source = Path(package.origin).with_name("training_args.py")
    try:
        tree = ast.parse(source.read_text(encoding="utf-8"))
    except (OSError, SyntaxError):
        return []
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    body = classes["TrainingArguments"].body if "TrainingArguments" in classes else []
    targets = [node.target for node in body if isinstance(node, ast.AnnAssign)]
    return [node.id for node in targets if isinstance(node, ast.Name) and not node.id.startswith("_")]


def _trainer_help(task: Task | None, names: Sequence[str]) -> str:
    defaults = "The default is the published recipe of each task; `dlfa train xnli --help` shows XNLI's.\n"
    if task is not None:
        recipe = "".join(f"  --{name} {value}\n" for name, value in recipe_of(task).items())
        defaults = f"The defaults of these are those of the published recipe:\n{recipe}"
    listed = textwrap.fill(" ".join(names), 100, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return (
        f"training: all TrainingArguments of transformers work as well ({TRAINER_PAGE}).\n"
        f"{defaults}\nThe full list:\n{listed}"
    )


def arguments_of_file(path: Path) -> list[str]:
    """Turns a mapping in YAML or JSON into command-line arguments.

    Raises:
        InputError: It cannot be read, is not a mapping from names to values, or contains a name twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"Cannot read the argument file {path}: {error.strerror}. Check its name.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start + 1}). Save it as UTF-8.") from error
    try:
        values = json.loads(text, object_pairs_hook=unique_pairs) if path.suffix == ".json" else load_yaml(text)
    except ValueError as error:
        raise InputError(f"{path} is not valid {path.suffix[1:].upper()}: {error}.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} must contain a mapping of argument names to values, such as learning_rate: 2e-5.")
    languages = values.get("languages")
    for language in languages if isinstance(languages, list) else [languages]:
        if isinstance(language, bool):
            raise InputError(
                f"{path}: the languages contain {str(language).lower()}, because YAML reads an unquoted no, yes, on "
                "or off as true or false. If you mean the language code, quote it: 'no'."
            )
    return arguments_of(values)


def arguments_of(values: Mapping[str, Any]) -> list[str]:
    """Turns a mapping from names to values into command-line arguments; None means left out."""
    arguments: list[str] = []
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, dict):
            value = json.dumps(value)
        listed = value if isinstance(value, (list, tuple)) else [value]
        arguments += [f"--{name}", *map(str, listed)]
    return arguments
