"""Repeats a run that diverged or collapsed, with a new seed and a longer warm-up; what failed is recorded and told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers.utils import logging

from ..files.writing import read_json, write_json
from .argument_checks import LARGEST_SEED
from .planning import Plan
from .systems import Run
from .trainer import CrossLingualTrainer

logger = logging.get_logger(__name__)

COLLAPSED = "collapsed"
_STRIDE = 1_000_003  # Far from the seeds of other runs, which people count from 1.


@dataclass(frozen=True)
class Attempt:
    """An attempt at a run.

    Attributes:
        seed: Seed of head, dropout and data order.
        warmup_steps: Of the learning rate; as the arguments say if None, which is so in the first attempt.
        failed: `seed`, `warmup_steps` and `reason` of each attempt before this one.
    """

    seed: int
    warmup_steps: int | None
    failed: tuple[dict[str, Any], ...] = ()

    def may_be_repeated(self, plan: Plan) -> bool:
        """Returns whether another attempt follows if this one fails."""
        return len(self.failed) < (plan.learning.retry_collapsed or 0)

    def record(self) -> dict[str, Any]:
        """Returns what the run's record says about its attempts; empty in the first."""
        if not self.failed:
            return {}
        used = {"seed": self.seed, "warmup_steps": self.warmup_steps}
        return {"failed_attempts": [*self.failed], "trained_with": used}


def first_attempt(plan: Plan, run: Run) -> Attempt:
    """Returns the attempt to begin with, or the one that an interrupted command had come to."""
    path = plan.output.retries(run.name)
    if not path.is_file():
        return Attempt(run.seed, None)
    kept = read_json(path, "Remove it to begin this run with its first attempt.")
    return Attempt(kept["seed"], kept["warmup_steps"], tuple(kept["failed"]))


def next_attempt(
    plan: Plan, run: Run, attempt: Attempt, trainer: CrossLingualTrainer, record: dict[str, Any]
) -> Attempt | None:
    """Returns the attempt that follows a failed one; None if it did not fail, or no further attempt was asked for.

    The checkpoints of the failed attempt are deleted.

    Args:
        plan: The command's plan.
        run: The run.
        attempt: The attempt that ended.
        trainer: Its Trainer.
        record: Its record, with `failure` if it diverged.
    """
    reason = record.get("failure", COLLAPSED if record["collapsed"] else None)
    if reason is None or not attempt.may_be_repeated(plan):
        return None
    steps, number = trainer.state.max_steps, len(attempt.failed) + 1
    given = plan.training.get_warmup_steps(steps)
    used = given if attempt.warmup_steps is None else attempt.warmup_steps
    failed = {"seed": attempt.seed, "warmup_steps": used, "reason": reason}
    following = Attempt(
        (run.seed + number * _STRIDE) % (LARGEST_SEED + 1),
        longer_warmup(given, steps, number),
        (*attempt.failed, failed),
    )
    if trainer.is_world_process_zero():
        what = "collapsed: it predicts one label almost always" if reason == COLLAPSED else f"diverged: {reason}"
        logger.warning(
            f"{run.name} {what}. It is repeated with seed {following.seed} and {following.warmup_steps} warm-up steps "
            f"of {steps} (repetition {number} of {plan.learning.retry_collapsed})."
        )
        plan.output.remove_checkpoints(run.name)
        kept = {"seed": following.seed, "warmup_steps": following.warmup_steps, "failed": [*following.failed]}
        write_json(plan.output.retries(run.name), kept)
    PartialState().wait_for_everyone()
    return following


def longer_warmup(given: int, steps: int, number: int) -> int:
    """Returns how many steps the learning rate rises in a repetition.

    Args:
        given: Warm-up steps of the recipe.
        steps: Steps of the whole training.
        number: Which repetition it is, from 1.

    Returns:
        In the first one a tenth of the steps, or twice what the recipe has if that is more; twice as many in each
        further one, but at most half of the steps.
    """
    return max(1, min(steps // 2, max(2 * given, steps // 10) * 2 ** (number - 1)))


def stopped_at(checkpoint: Path) -> int | None:
    """Returns the step at which early stopping had ended the training that left a checkpoint; None if it had not."""
    state = read_json(checkpoint / "trainer_state.json", "Remove this checkpoint to resume from the one before.")
    kept = state.get("stateful_callbacks", {}).get("EarlyStoppingCallback")
    if not isinstance(kept, dict):
        return None
    ended = kept["attributes"]["early_stopping_patience_counter"] >= kept["args"]["early_stopping_patience"]
    return int(state["global_step"]) if ended else None
