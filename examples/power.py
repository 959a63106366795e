"""Tells how many training seeds and test rows a difference needs, from runs that have been trained.

python examples/power.py RUN ... [--points 0.5 1]    # results.json of `dlfa train ... --baseline`, or its folder

For each system, the average over the target languages is compared with the baseline's. "Needs" means that a true
difference of so many points is found (the 95% interval excludes 0) in four experiments of five; "more rows" stands
where the test rows alone leave more error than that, however many the seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

import numpy as np
from scipy.stats import chi2

from modeling_dlfa import load_results
from modeling_dlfa.command.ending import one_line
from modeling_dlfa.command.parser import CommandParser
from modeling_dlfa.errors import InputError
from modeling_dlfa.pages.model import Section, Table
from modeling_dlfa.pages.rendering import to_markdown
from modeling_dlfa.results.results import Results
from modeling_dlfa.scoring.metrics import average_weights, get_metric
from modeling_dlfa.statistics.intervals import half_width
from modeling_dlfa.statistics.resampling import resampled_scores

POWER = 0.8
MOST = 50  # seeds; beyond, more of them are not the way


def spread(run: str, results: Results, system: str) -> tuple[float, float, int]:
    """Returns what the difference of a system to its baseline varies by, over the target languages, in points.

    Returns:
        Standard deviation over the seeds, standard deviation over resampled test rows (the same rows for all seeds),
        and the number of seeds.

    Raises:
        InputError: There is no baseline, or fewer than two seeds are paired.
    """
    baseline = results.baseline
    if baseline is None:
        raise InputError(f"{run} has no baseline to compare {system} with. Train with --baseline.")
    seeds = results.seeds_of(system, baseline)
    if len(seeds) < 2:
        raise InputError(f"{run} has {len(seeds)} seed of {system} and {baseline}. Train with two or more.")
    counts = results.counts()
    pair = [results.stacked(counts, name, seeds) for name in (system, baseline)]
    together = {code: np.stack([part[code] for part in pair]) for code in results.languages}
    scores, draws = resampled_scores(
        together, metric=get_metric(results.metric), aligned=results.require_summary().bootstrap.aligned
    )
    weights = average_weights(results.languages, results.seen)["macro_target"]
    differences, drawn = (100 * (values[..., 0, :] - values[..., 1, :]) for values in (scores, draws))
    by_seed = weights @ differences
    return float(by_seed.std(ddof=1)), float((drawn.mean(axis=-1) @ weights).std()), len(seeds)


def enough_rows(points: float, row_sd: float) -> bool:
    """Tells whether any number of seeds can find a true difference, by what the test rows alone leave of error."""
    return points >= (NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(POWER)) * row_sd


def seeds_needed(points: float, seed_sd: float, row_sd: float) -> int | None:
    """Returns the fewest seeds with which a true difference is found in four experiments of five.

    It is found if it exceeds half the interval by `NormalDist().inv_cdf(0.8)` standard errors.

    Args:
        points: The true difference.
        seed_sd: Standard deviation over seeds.
        row_sd: Standard error that the test rows leave, whatever the seeds.

    Returns:
        A number from 2 to 50; None if more are needed.
    """
    seeds = np.arange(2, MOST + 1)
    errors = seed_sd / np.sqrt(seeds)
    for number, error in zip(seeds.tolist(), errors.tolist(), strict=True):
        reach = half_width(np.array([error]), np.array([row_sd]), (number - 1, np.inf))[0]
        if points >= reach + NormalDist().inv_cdf(POWER) * math.hypot(error, row_sd):
            return number
    return None


def upper(seed_sd: float, seeds: int) -> float:
    """Returns the upper limit (80 %, one-sided) of a standard deviation that so many seeds showed."""
    return seed_sd * math.sqrt((seeds - 1) / chi2.ppf(1 - POWER, seeds - 1))


def _shown(points: float, seed_sd: float, row_sd: float) -> str:
    if not enough_rows(points, row_sd):
        return "more rows"
    return str(seeds_needed(points, seed_sd, row_sd) or f"over {MOST}")


def table(runs: Sequence[str], points: Sequence[float]) -> Table:
    """Returns a line for each system of each run."""
    header = ["run", "system", "seeds", "sd over seeds", "sd of the test rows"]
    for size in points:
        header += [
            f"seeds for {size:g}",
            f"with 4 × the rows, for {size:g}",
            f"if the sd is at its limit, for {size:g}",
        ]

    def lines() -> Iterator[tuple[str, ...]]:
        for run in runs:
            results = load_results(run)
            for system in results.fused:
                seed_sd, row_sd, seeds = spread(run, results, system)
                cells = [run, system, str(seeds), f"{seed_sd:.2f}", f"{row_sd:.2f}"]
                for size in points:
                    wanted = [(seed_sd, row_sd), (seed_sd, row_sd / 2), (upper(seed_sd, seeds), row_sd)]
                    cells += [_shown(size, *pair) for pair in wanted]
                yield tuple(cells)

    return Table("", tuple(header), tuple(lines()))


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table, or ends with one message and exit status 2."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="Run directories or their results.json.")
    parser.add_argument("--points", nargs="+", type=float, default=[0.5, 1.0], help="True differences; 0.5 and 1.")
    arguments = parser.parse_args(argv)
    with one_line():
        if wrong := [size for size in arguments.points if not 0 < size < math.inf]:
            raise InputError(f"--points {wrong[0]:g} is not a difference. Give points above 0.")
        print(to_markdown([Section("Seeds that a difference needs", (table(arguments.runs, arguments.points),))]))


if __name__ == "__main__":
    main()
