"""The runner behind every example: train on the source language, test in all, baseline beside DLFA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from transformers.utils import logging

from ..publishing.publish import publish, write_cards
from ..results.results import Results
from ..results.tables import write_report
from ..tasks import Task
from .arguments import Arguments
from .disk_space import check_disk
from .execution import execute_run
from .frozen_cache import check_cache
from .planning import Plan, planned
from .processes import check_shared, on_main_process
from .record import collect_results, start_record
from .systems import Run

logger = logging.get_logger(__name__)

Together = Callable[[Plan, Sequence[Run]], None]


def run_task(task: Task, arguments: Arguments, together: Together | None = None) -> Results:
    """Trains and tests all runs of a command and writes its results.

    Messages go to the package's loggers.

    Args:
        task: What to learn.
        arguments: What to fuse, on which data, how to train, where to write.
        together: Executes all runs of a seed at once and finishes each; if None, runs go one after another.

    Returns:
        The results; `results.json` holds them.

    Raises:
        InputError: Wrong input, before any training starts; or another command is writing into the output directory.
    """
    with planned(task, arguments) as plan:
        return execute(plan, together)


def execute(plan: Plan, together: Together | None = None) -> Results:
    """Executes a plan from `planned`; see `run_task`.

    Raises:
        InputError: The output directory was started otherwise, the disk has no room, the repository cannot
            be written, or a run diverged.
    """
    state = PartialState()
    plan = _start(plan)
    state.wait_for_everyone()
    check_shared(plan.output.arguments)
    _execute_runs(plan, together)
    results = _report(plan) if state.is_main_process else None
    [found] = broadcast_object_list([results])
    return cast(Results, found)


def _start(plan: Plan) -> Plan:
    """Makes the last checks of a plan, starts its output, and returns it with its repository created."""
    record = start_record(plan)
    if not plan.anew:
        plan.output.check_same(record)
    told = on_main_process(lambda: [check_disk(plan), check_cache(plan)])
    if (repository := plan.repository) is not None:
        repository = on_main_process(repository.prepare)
    if PartialState().is_main_process:
        for sentence in filter(None, told):
            logger.info(sentence)
        if plan.anew and (others := plan.output.start(record)):
            logger.info(f"Left as they are, not written by an earlier command: {', '.join(others)}.")
    return replace(plan, repository=repository)


def _execute_runs(plan: Plan, together: Together | None) -> None:
    """Executes the unfinished runs: each alone, or the runs of a seed together."""
    state = PartialState()
    jobs: dict[int | str, list[Run]] = {}
    for run in plan.runs:
        jobs.setdefault(run.name if together is None else run.seed, []).append(run)
    for index, job in enumerate(jobs.values(), start=1):
        if any(plan.output.finished(run.name) is None for run in job):
            if state.is_main_process:
                logger.info(f"[{index}/{len(jobs)}] {' '.join(run.name for run in job)}")
            if together is None:
                execute_run(plan, job[0])
            else:
                together(plan, job)
        state.wait_for_everyone()


def _report(plan: Plan) -> Results:
    """Writes everything derived from the results, and publishes the selected model if asked to."""
    results = collect_results(plan)
    results.write(plan.output.results)
    if results.summary is not None:
        write_report(results, plan.output.path)
        write_cards(results, plan.output, plan.saving.license)
        logger.info(results.table())
    logger.info(f"Results: {plan.output.results}")
    if plan.repository is not None:
        logger.info(f"Published: {publish(plan.output.path, plan.repository, license=plan.saving.license)}")
    return results
