"""The study of language scaling as a command: from output directories to JSON, Markdown and figures."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...command.redaction import command_line
from ...errors import InputError
from ...files.folders import locked
from ...results.joining import join_results
from ...results.results import load_results
from ...version import __version__
from .contrasts import Pairs, check_pairs
from .evaluation_cost import CostOptions, measure_cost
from .language_scaling import scale_languages
from .orders import language_orders
from .sections import SCALING


def run_language_scaling(
    sources: Sequence[str | Path],
    output_dir: str | Path,
    *,
    max_subsets: int = 100,
    n_resamples: int = 1000,
    seed: int = 0,
    differences: Pairs = (),
    cost: CostOptions | None = None,
    overwrite: bool = False,
) -> Path:
    """Read results, compute the study and write `language_scaling.json`, `language_scaling.md` and `figures/`.

    Results of one task are compared with each other, whatever command trained each system; each task has its own part.

    Args:
        sources: Output directories of the runner, or their `results.json`.
        output_dir: Where to write; created if missing.
        max_subsets: See `language_scaling.scale_languages`.
        n_resamples: See there.
        seed: See there.
        differences: Pairs of systems, such as glyphs and their control: the first minus the second, by language and
            by script.
        cost: What to time with the first results; nothing if None.
        overwrite: Whether to replace an earlier study.

    Returns:
        The JSON file.

    Raises:
        InputError: Wrong input, before anything is computed, such as results of one task that do not belong together
            (see `joining.join_results`); or an earlier study that may not be replaced.
    """
    output = SCALING.folder(output_dir, overwrite=overwrite)
    if max_subsets < 1 or n_resamples < 2:
        raise InputError("The study needs --max_subsets of at least 1 and --n_resamples of at least 2.")
    options: dict[str, Any] = {"max_subsets": max_subsets, "n_resamples": n_resamples, "seed": seed}
    with locked(output):
        loaded = [load_results(source) for source in sources]
        prepared = []
        for task in dict.fromkeys(results.task for results in loaded):
            names = [str(source) for source, one in zip(sources, loaded, strict=True) if one.task == task]
            results, counts = join_results([one for one in loaded if one.task == task])
            check_pairs(differences, results)
            orders = language_orders(results.targets, results.source_language)
            prepared.append((names, results, counts, *orders))
        entries = []
        for names, results, counts, some, left_out in prepared:
            comparisons = max(1, len(results.fused))
            entry = scale_languages(results, counts, some, comparisons=comparisons, differences=differences, **options)
            entries.append({**entry, "sources": names, "left_out": left_out})
        study = {
            "command": command_line(sys.argv),
            "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "version": __version__,
            "settings": {**options, "confidence": 0.95},
            "sources": [str(source) for source in sources],
            "results": entries,
            "cost": None if cost is None else measure_cost(loaded[0], cost),
        }
        SCALING.write(study, output)
    return output / SCALING.record
