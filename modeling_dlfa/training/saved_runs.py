"""All saved models of a finished command, tested on other data: `--do_train False` with its output directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from transformers.utils import CONFIG_NAME

from ..configuration_dlfa import DlfaConfig
from ..errors import InputError
from ..results.directory import OutputDirectory
from ..results.format import RunRecord
from ..results.results import Results, load_results
from ..tasks import Task
from .options import ModelArguments
from .systems import Run, check_checkpoint, load_config, name_labels

# Of a test, not of the training: everything else in a recipe is what the finished command says.
_OF_TESTS = ("mixed_precision", "bf16_full_eval", "processes", "max_length")
_OF_TRAINING = ("trainable_parameters", "failed_attempts", "trained_with", "train")
_OF_COMMAND = ("model_name_or_path", "model_revision", "model_commit", "model_origin", "train_languages", "selection")


def finished_command(path: str) -> Results | None:
    """Returns the results of a finished command if a path is its output directory, else None.

    Raises:
        InputError: The command is not finished, is only a shard, or its results cannot be read.
    """
    folder, output = Path(path), OutputDirectory(path)
    if (folder / CONFIG_NAME).exists() or not (output.results.is_file() or output.arguments.is_file()):
        return None
    if not output.results.is_file():
        raise InputError(
            f"{path} is the output directory of a command that did not finish. Finish it with the same command and "
            "--resume_from_checkpoint last, or name one of its models."
        )
    finished = load_results(folder)
    if finished.shard is not None:
        finished.shard.refuse(path)
    return finished


def saved_runs(
    task: Task, model: ModelArguments, finished: Results, seeds: Sequence[int] | None, *, do_train: bool
) -> list[Run]:
    """Returns a run for each saved model of a finished command, under the name that it has there.

    Args:
        task: What the models were trained for.
        model: The command's output directory, and arguments that must not contradict the models.
        finished: Its results.
        seeds: Which seeds to test; all if None.
        do_train: Whether to train, which starts from one model and not from a directory of them.

    Raises:
        InputError: A model is missing, belongs to another task or contradicts the arguments; or there is no such seed.
    """
    path = model.model_name_or_path
    if do_train:
        raise InputError(
            f"{path} is the output directory of a command. Give one of its models to train it further, or "
            "--do_train False to test all of them."
        )
    there = sorted({run.seed for run in finished.runs})
    if missing := sorted(set(seeds or ()) - set(there)):
        raise InputError(f"{path} has no run with seed {missing[0]}; its seeds are {' '.join(map(str, there))}.")
    runs = [_saved_run(task, model, run) for run in finished.runs if seeds is None or run.seed in seeds]
    name_labels(task, [run.config for run in runs])
    return runs


def _saved_run(task: Task, model: ModelArguments, record: RunRecord) -> Run:
    if record.model is None:
        raise InputError(
            f"{model.model_name_or_path} has no model of {record.name}: its command only tested, or ran with "
            "--save_models False. Give the directory of a command that trained and kept its models."
        )
    own = replace(model, model_name_or_path=str(Path(model.model_name_or_path) / record.model))
    config = load_config(own)
    if not isinstance(config, DlfaConfig):
        raise InputError(f"{own.model_name_or_path} is not a DLFA checkpoint. Restore what the command wrote there.")
    try:
        check_checkpoint(task, own, config, do_train=False)
    except (ValueError, TypeError) as error:
        raise InputError(str(error)) from error
    return Run(
        record.system,
        baseline=record.baseline,
        seed=record.seed,
        config=config,
        from_checkpoint=True,
        checkpoint=own.model_name_or_path,
    )


def with_training_of(results: Results, finished: Results) -> Results:
    """Returns a test's results with what is known of how its models were trained.

    Encoder, training data, languages seen, recipe and selection are the finished command's; so is what happened to its
    runs, and their validation unless the test validated them anew.

    Args:
        results: The test's own results.
        finished: Those of the command that trained the models.
    """
    before = {run.name: run for run in finished.runs}
    runs = []
    for run in results.runs:
        own = before[run.name]
        kept = {name: getattr(own, name) for name in _OF_TRAINING}
        if run.validation is None:
            kept |= {"validation": own.validation, "collapsed": own.collapsed}
        runs.append(replace(run, **kept))
    data = replace(
        results.data,
        train=finished.data.train,
        train_by_language=finished.data.train_by_language,
        validation=results.data.validation or finished.data.validation,
    )
    return replace(
        results,
        **{name: getattr(finished, name) for name in _OF_COMMAND},
        recipe={**finished.recipe, **{name: results.recipe[name] for name in _OF_TESTS if name in results.recipe}},
        data=data,
        runs=runs,
    )
