"""How often the 95 % interval of a difference holds the true one, on simulated systems: the table of docs/method.md.

Two systems, the one 2 points better, are trained S times and tested on the same 300 examples, translated into four
languages; a seed moves a system in all languages together. `python docs/snippets/interval_coverage.py [REPEATS]`
"""

import sys

import numpy as np

from modeling_dlfa.scoring.metrics import METRICS
from modeling_dlfa.statistics.comparisons import compare_to_baseline

EXAMPLES, LANGUAGES, GAIN = 300, ("de", "hi", "sw", "zh"), 0.02
SEEDS, SPREADS = (1, 2, 3, 5, 10), (0.0, 0.01, 0.03)  # training seeds; standard deviation between them


def right_or_wrong(
    rng: np.random.Generator, seeds: int, spread: float, accuracy: float, difficulty: np.ndarray
) -> dict[str, np.ndarray]:
    """Counts of one system: for each language S x N x 2, right answers and answers."""
    moved = accuracy + spread * rng.normal(size=(seeds, 1))
    counts = {}
    for code in LANGUAGES:
        right = difficulty + 0.15 * rng.normal(size=(seeds, EXAMPLES)) < moved
        counts[code] = np.stack([right, np.ones_like(right)], axis=-1).astype(np.int64)
    return counts


def coverage(repeats: int, seeds: int, spread: float) -> dict[str, float]:
    """Share of simulations whose interval holds the true gain, of one language and of the average over all."""
    rng, held = np.random.default_rng(0), {"de": 0, "macro_all": 0}
    for repeat in range(repeats):
        difficulty = rng.random(EXAMPLES)
        system, baseline = (right_or_wrong(rng, seeds, spread, level, difficulty) for level in (0.5 + GAIN, 0.5))
        options = {"metric": METRICS["accuracy"], "aligned": True, "n_resamples": 200, "seed": repeat}
        found = compare_to_baseline({"system": system}, baseline, **options)["system"]
        for key in held:
            held[key] += found[key].low <= GAIN <= found[key].high
    return {key: count / repeats for key, count in held.items()}


if __name__ == "__main__":
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    columns = [f"{100 * spread:.0f} points, {what}" for spread in SPREADS for what in ("a language", "average")]
    print(f"| seeds | {' | '.join(columns)} |\n|---:|{'---:|' * len(columns)}")
    for seeds in SEEDS:
        shares = [share for spread in SPREADS for share in coverage(repeats, seeds, spread).values()]
        print(f"| {seeds} | " + " | ".join(f"{100 * share:.1f}" for share in shares) + " |", flush=True)
