"""The runner behind every example: train on the source language, test in all, baseline beside DLFA."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from transformers import PreTrainedTokenizerBase

from .adapters import check_adaptable
from .arguments import Arguments, parse_arguments
from .data import languages_without_file, resolve_languages
from .data_statistics import statistics_text
from .errors import InputError
from .execution import Command, execute
from .output import OutputDirectory, write_json
from .processes import check_launch, check_shared, end_processes
from .publishing import hub_repository, publish, write_cards
from .reporting import text_table, write_report
from .repository import HubRepository
from .results import collect_results, start_record
from .systems import Run, fetch_weights, load_tokenizer, own_share, plan_runs
from .task_data import load_task_data
from .tasks import Task, get_task

Together = Callable[[Command, Sequence[Run]], None]


def main(task: Task | str, argv: Sequence[str] | None = None) -> None:
    """Entry point of the example scripts: wrong input ends with one message and exit status 2.

    Args:
        task: A task of one's own, or a key of `tasks.TASKS`.
        argv: Arguments without the program's name; the process's own if None.

    Raises:
        SystemExit: Status 2 on wrong input.
    """
    try:
        task = get_task(task) if isinstance(task, str) else task
        run_task(task, parse_arguments(task, argv))
    except InputError as error:
        if int(os.environ.get("LOCAL_RANK", "0")) == 0:
            print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    finally:
        end_processes()


def run_task(task: Task, arguments: Arguments, together: Together | None = None) -> dict[str, Any]:
    """Trains and tests all runs of a command and writes its results.

    Args:
        task: What to learn.
        arguments: What to fuse, on which data, how to train, where to write.
        together: Executes all runs of a seed at once and finishes each of them; one after another if None.

    Returns:
        What `results.json` holds.

    Raises:
        InputError: Wrong input, before any training starts.
    """
    started = time.time()
    state = PartialState()
    check_launch(arguments.model.peft)
    training = arguments.training
    resume = training.resume_from_checkpoint is not None
    output = OutputDirectory(str(training.output_dir))
    output.check_free(resume=resume, overwrite=arguments.run.overwrite)
    languages = _languages(task, arguments, tell=state.is_main_process)
    planned = plan_runs(task, arguments)
    runs = own_share(planned, arguments)
    if resume and training.resume_from_checkpoint != "last" and len(runs) > 1:
        raise InputError("A checkpoint's folder continues one run; with several, use --resume_from_checkpoint last.")
    check_adaptable(task, arguments.model, planned)
    tokenizer = load_tokenizer(arguments, runs[0].config)
    max_length = _max_length(task, arguments, tokenizer)
    if not state.is_main_process:
        import datasets

        datasets.disable_progress_bars()
    data = load_task_data(task, arguments, languages, tokenizer, max_length)
    if state.is_main_process:
        print(statistics_text(data.statistics, task), flush=True)
    started_with = start_record(task, arguments, planned, data, max_length)
    if resume:
        output.check_same(started_with)
    repository = hub_repository(arguments)
    fetch_weights(arguments)
    state.wait_for_everyone()
    if state.is_main_process and repository is not None:
        repository = repository.prepare()
    if state.is_main_process and not resume:
        output.start(started_with, overwrite=arguments.run.overwrite)
    state.wait_for_everyone()
    check_shared(output.arguments)
    _execute_all(Command(task, arguments, data, tokenizer, output), runs, together)
    results: dict[str, Any] = {}
    if state.is_main_process:
        results = collect_results(task, arguments, planned, data, output, max_length, time.time() - started)
        _report(results, arguments, output, repository)
    [results] = broadcast_object_list([results])
    return results


def _report(
    results: Mapping[str, Any], arguments: Arguments, output: OutputDirectory, repository: HubRepository | None
) -> None:
    """Writes everything that is made of the results, and publishes the selected model if wished."""
    write_json(output.results, results)
    if "summary" in results:
        write_report(results, output.path)
        write_cards(results, output, arguments.run.license)
        print(text_table(results))
    print(f"Results: {output.results}", flush=True)
    if repository is not None:
        print(f"Published: {publish(output.path, repository, license=arguments.run.license)}", flush=True)


def _execute_all(command: Command, runs: Sequence[Run], together: Together | None) -> None:
    """Executes what is not finished yet: each run alone, or the runs of a seed together."""
    state = PartialState()
    jobs = [[run] for run in runs] if together is None else _by_seed(runs)
    for index, job in enumerate(jobs, start=1):
        if any(command.output.finished(run.name) is None for run in job):
            if state.is_main_process:
                print(f"[{index}/{len(jobs)}] {' '.join(run.name for run in job)}", flush=True)
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
        print(f"Not tested, for want of a file: {' '.join(missing)}.", flush=True)
    return languages


def _max_length(task: Task, arguments: Arguments, tokenizer: PreTrainedTokenizerBase) -> int:
    longest = tokenizer.model_max_length  # No more than the model's own.
    wished = arguments.data.max_length
    if wished is not None and wished > longest:
        raise InputError(f"--max_length {wished} is more than the {longest} positions of this model. Lower it.")
    return wished if wished is not None else min(task.max_length, longest)
