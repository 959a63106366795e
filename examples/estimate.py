"""Estimates how long commands will take on this machine, from a few steps of their own.

python examples/estimate.py < commands    # `dlfa train TASK ...` and `dlfa sweep TASK ...`, one a line

Nothing is written. Where a command trains on what an earlier line's `dlfa augment` will write, that line's rows stand
for it. `examples/reproduce.sh TASK --dry_run` prints such commands.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import datasets
import torch
from transformers.trainer_utils import IntervalStrategy
from transformers.utils import logging

from modeling_dlfa.command.ending import one_line
from modeling_dlfa.command.parser import CommandParser
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import get_task
from modeling_dlfa.training.adapters import adapt
from modeling_dlfa.training.answers import data_collator
from modeling_dlfa.training.arguments import parse_arguments
from modeling_dlfa.training.base_model import load_model
from modeling_dlfa.training.frozen_cache import AUTOCAST, frozen_depth
from modeling_dlfa.training.planning import planned

if TYPE_CHECKING:
    from modeling_dlfa.training.planning import Plan

STEPS = 4


@dataclass(frozen=True)
class Estimate:
    """Seconds that a command will take.

    Attributes:
        training: For training all of its runs, validation included.
        testing: For predicting all test languages with each run.
        steps: Number of training batches, of all runs.
        step: For one of them.
    """

    training: float
    testing: float
    steps: float
    step: float


def estimate(plan: Plan, timed: int = STEPS) -> Estimate:
    """Times a few steps of the first run where the command would run, and counts the command's steps.

    Args:
        plan: Plan of a command that trains and tests in one process.
        timed: How many steps to take; the first one is not counted.

    Raises:
        InputError: The model does not load.
    """
    runs, training, tokenizer, data = plan.runs, plan.training, plan.tokenizer, plan.data.encoded
    device, precision = training.device, AUTOCAST.get(training.precision)
    together = [run for run in runs if run.seed == runs[0].seed] if plan.one_pass else runs[:1]
    model: Any = _model(plan).to(device)
    collate = data_collator(plan.task, tokenizer, None)

    def batch(name: str, size: int) -> dict[str, torch.Tensor]:
        """Rows of average length; the command also groups rows of similar length."""
        rows = data[name].sort("length").select_columns([*tokenizer.model_input_names, "labels"])
        first = max(0, (len(rows) - size) // 2)
        collated = collate([rows[index] for index in range(first, min(len(rows), first + size))])
        return {key: value.to(device) for key, value in collated.items()}

    train_batch = batch("train", training.per_device_train_batch_size)
    test_batch = batch("test", training.per_device_eval_batch_size)
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad])

    def train_step() -> None:
        model.train()
        with torch.autocast(device.type, precision, enabled=precision is not None):
            loss = model(**train_batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def predict() -> None:
        model.eval()
        with torch.no_grad(), torch.autocast(device.type, precision, enabled=precision is not None):
            model(**test_batch)

    jobs, epochs = len(runs) // len(together), training.num_train_epochs
    if training.max_steps > 0:
        steps = float(training.max_steps * training.gradient_accumulation_steps)
    else:
        steps = epochs * -(-len(data["train"]) // training.per_device_train_batch_size)
    row = _seconds(predict, timed, device) / len(test_batch["labels"])
    # What lies below the trained blocks is computed once where its states are kept.
    depth = frozen_depth(plan) / runs[0].config.num_hidden_layers if plan.model.cache_frozen else 0
    step = _seconds(train_step, timed, device) - depth * row * len(train_batch["labels"])
    kept = sum(map(len, data.values())) * depth * row
    validations = 1 + (epochs if training.eval_strategy == IntervalStrategy.EPOCH else 0)
    row *= 1 - depth
    return Estimate(
        training=kept + jobs * (steps * step + validations * len(data["validation"]) * row),
        testing=jobs * len(data["test"]) * row,
        steps=jobs * steps,
        step=step,
    )


def _model(plan: Plan) -> torch.nn.Module:
    """Returns what is trained first: the model of a run, or of all runs of a seed."""
    if plan.one_pass:
        from modeling_dlfa.studies.layer_sweep.one_pass_runs import one_pass_model

        return one_pass_model(plan, [run for run in plan.runs if run.seed == plan.runs[0].seed])
    return adapt(load_model(plan.task.kind, plan.model, plan.runs[0]), plan.model)


def _seconds(step: Callable[[], None], timed: int, device: torch.device) -> float:
    """Median time of a step, without the first one, which also allocates memory."""
    times = []
    for _ in range(timed):
        started = time.perf_counter()
        step()
        if device.type == "cuda":  # It computes while we go on.
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return sorted(times[1:])[len(times[1:]) // 2]


def estimate_commands(commands: Sequence[Sequence[str]], timed: int) -> list[tuple[str, Estimate]]:
    """Estimates each command that trains; commands that differ only in where they write are measured once.

    Args:
        commands: The words of each command; those that do not train are passed over.
        timed: How many steps to take of each.

    Returns:
        Verb, task and output directory of each command, and what it takes.

    Raises:
        InputError: A command is wrong, or its data or its model are missing.
    """
    rows_of: dict[str, tuple[str, int]] = {}  # A file to be written, the file whose rows it holds, and how often.
    from_hub: set[str] = set()  # Folders that will hold the Hub's rows.
    measured: dict[tuple[str, ...], Estimate] = {}
    found = []
    for program, verb, *words in commands:
        if program == "dlfa" and verb == "augment" and "--output_file" in words:
            copies = 1 if "--only_copies" in words else 2
            rows_of[_value(words, "--output_file")] = _value(words, "--train_file"), copies
        if program == "reproduce_steps.py" and verb == "rows":
            from_hub.add(words[1])
        if program != "dlfa" or verb not in ("train", "sweep"):
            continue
        output, factor = _value(words, "--output_dir"), 1
        words = _without(words, "--output_dir", "--mixup")  # Mixing takes little of a step.
        if "--train_file" in words and (known := rows_of.get(_value(words, "--train_file"))):
            words[words.index("--train_file") + 1], factor = known
        if "--train_file" in words and str(Path(_value(words, "--train_file")).parent) in from_hub:
            words = _without(words, "--train_file", "--validation_file", "--test_file")
        key = (verb, *words)
        if key not in measured:
            measured[key] = _measure(verb, words, timed)
        once = measured[key]
        longer = replace(once, training=factor * once.training, steps=factor * once.steps)
        found.append((f"{verb} {words[0]}, {output}", longer))
    return found


def _measure(verb: str, words: Sequence[str], timed: int) -> Estimate:
    name, *options = words
    arguments = parse_arguments(get_task(name), [word for word in options if word != "--one_pass"])
    if verb == "sweep":
        arguments.run.baseline = arguments.layers_apart = True
        arguments.one_pass = "--one_pass" in options
    with TemporaryDirectory() as folder:  # Nothing is written there, but what was before would be in the way.
        arguments.training.output_dir = folder
        with planned(get_task(name), arguments) as plan:
            return estimate(plan, timed)


def _value(words: Sequence[str], option: str) -> str:
    return words[words.index(option) + 1]


def _without(words: Sequence[str], *options: str) -> list[str]:
    """Returns words without some options and the value of each."""
    places = {words.index(option) for option in options if option in words}
    return [word for place, word in enumerate(words) if place not in places and place - 1 not in places]


def duration(seconds: float) -> str:
    """Returns a time in words: seconds, minutes or hours."""
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the estimate of each command on standard input and their sum."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="Steps to time of each kind of command (20).")
    given = parser.parse_args(argv)
    with one_line():
        if given.steps < 2:
            raise InputError(f"--steps {given.steps}: give 2 or more; the first one is not counted.")
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        datasets.disable_progress_bars()
        lines = [shlex.split(line, comments=True) for line in sys.stdin]
        found = estimate_commands([words for words in lines if len(words) > 1], given.steps)
        where = torch.cuda.get_device_name() if torch.cuda.is_available() else "the CPU"
        print(f"What is left to train, from {given.steps} steps of each kind of command on this machine ({where}):")
        for name, one in found:
            print(
                f"  {name}: {one.steps:,.0f} steps of {one.step:.3f} s; {duration(one.training)} to train, "
                f"{duration(one.testing)} to test"
            )
        hours = sum(one.training + one.testing for _, one in found)
        print(f"Total: about {duration(hours)}, if all rows take as long as those of median length.")
        print("Not counted: downloads, reading, saving, a teacher's answers, tables. Finished runs are counted.")


if __name__ == "__main__":
    main()
