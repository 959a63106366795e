"""The runner behind every example: train on the source language, test in all, baseline beside DLFA."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging

from ..data.description import statistics_text
from ..data.loading import languages_without_file, resolve_languages
from ..errors import InputError
from ..processor import bf16_is_slow, bf16_warning
from ..publishing.hub import HubRepository
from ..publishing.publish import publish, write_cards
from ..results.directory import OutputDirectory
from ..results.results import Results
from ..results.tables import text_table, write_report
from ..tasks import Task
from .adapters import check_adaptable
from .argument_checks import check_options
from .arguments import Arguments, CrossLingualTrainingArguments
from .checks import check_arguments
from .disk_space import check_disk
from .execution import Command, execute
from .glyphs import check_glyphs
from .processes import check_launch, check_shared, held, on_main_process
from .record import collect_results, start_record
from .systems import Run, check_buildable, fetch_weights, load_tokenizer, own_share, plan_runs
from .task_data import load_task_data
from .trial import try_trainer

logger = logging.get_logger(__name__)

Together = Callable[[Command, Sequence[Run]], None]


def run_task(task: Task, arguments: Arguments, together: Together | None = None) -> Results:
    """Trains and tests all runs of a command and writes its results.

    What it has to say goes to the package's loggers.

    Args:
        task: What to learn.
        arguments: What to fuse, on which data, how to train, where to write.
        together: Executes all runs of a seed at once and finishes each of them; one after another if None.

    Returns:
        The results; `results.json` holds them.

    Raises:
        InputError: Wrong input, before any training starts; or another command writes into the output directory.
    """
    # Made by hand, they have been through no command line.
    check_options(task, arguments)
    check_arguments(task, arguments)
    PartialState()
    check_launch(arguments.model.peft)
    output = OutputDirectory(str(arguments.training.output_dir))
    with held(output.path):
        return _run(task, arguments, output, together)


def _run(task: Task, arguments: Arguments, output: OutputDirectory, together: Together | None) -> Results:
    started = time.time()
    state, training = PartialState(), arguments.training
    resume = training.resume_from_checkpoint is not None
    anew = output.check_free(resume=resume, overwrite=arguments.run.overwrite, inputs=arguments.inputs())
    try_trainer(training)
    languages = _languages(task, arguments, tell=state.is_main_process)
    planned = plan_runs(task, arguments)
    runs = own_share(planned, arguments)
    if resume and training.resume_from_checkpoint != "last" and len(runs) > 1:
        raise InputError("A checkpoint's folder continues one run; with several, use --resume_from_checkpoint last.")
    check_adaptable(task, arguments.model, planned)
    check_buildable(arguments, runs[0].config)
    fetch_weights(arguments)
    if state.is_main_process:
        _warn_of_slow_bf16(training)
    tokenizer = load_tokenizer(arguments, runs[0].config)
    check_glyphs(arguments.model, tokenizer)
    max_length = _max_length(task, arguments, tokenizer)
    if not state.is_main_process:
        import datasets

        datasets.disable_progress_bars()
    data = load_task_data(task, arguments, languages, tokenizer, max_length)
    if state.is_main_process:
        logger.info(statistics_text(data.statistics, task))
    started_with = start_record(task, arguments, planned, data, max_length)
    if not anew:
        output.check_same(started_with)
    repository = hub_repository(arguments)
    told = on_main_process(lambda: check_disk(task, arguments, output, runs, data, anew=anew))
    if state.is_main_process and repository is not None:
        repository = repository.prepare()
    if state.is_main_process:
        logger.info(told)
        if anew and (others := output.start(started_with)):
            logger.info(f"Left as they are, not written by an earlier command: {', '.join(others)}.")
    state.wait_for_everyone()
    check_shared(output.arguments)
    _execute_all(Command(task, arguments, data, tokenizer, output), runs, together)
    results: dict[str, Any] = {}
    if state.is_main_process:
        results = collect_results(task, arguments, planned, data, output, max_length, time.time() - started)
        _report(results, arguments, output, repository)
    [results] = broadcast_object_list([results])
    return Results(results, output.path)


def _report(
    results: Mapping[str, Any], arguments: Arguments, output: OutputDirectory, repository: HubRepository | None
) -> None:
    """Writes everything that is made of the results, and publishes the selected model if wished."""
    Results(results).write(output.results)
    if "summary" in results:
        write_report(results, output.path)
        write_cards(results, output, arguments.run.license)
        logger.info(text_table(results))
    logger.info(f"Results: {output.results}")
    if repository is not None:
        logger.info(f"Published: {publish(output.path, repository, license=arguments.run.license)}")


def _execute_all(command: Command, runs: Sequence[Run], together: Together | None) -> None:
    """Executes what is not finished yet: each run alone, or the runs of a seed together."""
    state = PartialState()
    jobs = [[run] for run in runs] if together is None else _by_seed(runs)
    for index, job in enumerate(jobs, start=1):
        if any(command.output.finished(run.name) is None for run in job):
            if state.is_main_process:
                logger.info(f"[{index}/{len(jobs)}] {' '.join(run.name for run in job)}")
            if together is None:
                execute(command, job[0])
            else:
                together(command, job)
        state.wait_for_everyone()


def _by_seed(runs: Sequence[Run]) -> list[list[Run]]:
    jobs: dict[int, list[Run]] = {}
    for run in runs:
        jobs.setdefault(run.seed, []).append(run)
    return list(jobs.values())


def _languages(task: Task, arguments: Arguments, *, tell: bool) -> list[str]:
    """Returns the languages to test and, on the main process, tells which of "all" have no file."""
    wished = arguments.data.languages
    languages = resolve_languages(wished, task, arguments.data.test_file if arguments.training.do_predict else None)
    missing = languages_without_file(wished, task, languages)
    if tell and missing:
        logger.info(f"Skipped, no test file: {' '.join(missing)}.")
    return languages


def _warn_of_slow_bf16(training: CrossLingualTrainingArguments) -> None:
    options = {"--bf16 True": training.bf16, "--bf16_full_eval True": training.bf16_full_eval}
    options["The launcher's mixed precision bf16"] = training.precision == "bf16"
    asked = [option for option, given in options.items() if given]
    if asked and training.device.type == "cpu" and bf16_is_slow():
        logger.warning(bf16_warning(asked[0]))


def _max_length(task: Task, arguments: Arguments, tokenizer: PreTrainedTokenizerBase) -> int:
    longest = tokenizer.model_max_length  # No more than the model's own.
    wished = arguments.data.max_length
    if wished is not None and wished > longest:
        raise InputError(f"--max_length {wished} is more than the {longest} positions of this model. Lower it.")
    return wished if wished is not None else min(task.max_length, longest)


def hub_repository(arguments: Arguments) -> HubRepository | None:
    """Returns where the runner publishes to by the Trainer's own arguments, checked; None without `--push_to_hub`.

    Raises:
        InputError: Wrong id, or no token.
    """
    training = arguments.training
    if not training.push_to_hub:
        return None
    repository = HubRepository(
        training.hub_model_id or Path(str(training.output_dir)).absolute().name,
        training.hub_token or arguments.model.token,
        training.hub_private_repo,
        training.hub_revision,
    )
    repository.check()
    return repository
