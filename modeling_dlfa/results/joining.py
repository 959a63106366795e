"""Several commands' results as one: systems that were trained apart, and belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .counts import RunCounts
from .directory import OutputDirectory, differences
from .predictions import read_predictions
from .summary import summarise_runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .results import Results

# Options that every system reads, the baseline as well.
_OF_ALL = ("pooling", "classifier_dropout")


def join_results(parts: Sequence[Results]) -> tuple[Results, RunCounts]:
    """Joins the results of commands that differ in what they fuse alone, so that all their systems can be compared.

    A run that several commands have, such as a baseline that each trained, is taken once; it must be the same.

    Args:
        parts: The results, each with its folder; one alone is returned as it is.

    Returns:
        The results with the systems of all parts, their summary computed anew, without a folder; and for each run's
        name and each language the (N, K) counts of the metric.

    Raises:
        InputError: The parts differ in task, encoder, data, recipe, languages, seeds or options that they share, were
            tested on different examples, or have runs of one name that differ; or predictions are missing.
    """
    first = parts[0]
    counts = dict(first.counts())
    if len(parts) == 1:
        return first, counts
    runs = {run.name: run for run in first.runs}
    aligned = first.require_summary().bootstrap.aligned
    owners = dict.fromkeys(runs, first)
    for results in parts[1:]:
        found = results.counts()
        _check_belong_together(first, results)
        aligned = aligned and results.require_summary().bootstrap.aligned
        for run in results.runs:
            if run.name in runs and not _same(counts[run.name], found[run.name]):
                raise InputError(
                    f"{owners[run.name].folder} and {results.folder} both hold {run.name}, with other predictions. "
                    "Train each system in one of them alone, the baseline too (without --baseline in the others)."
                )
            runs.setdefault(run.name, run)
            owners.setdefault(run.name, results)
            counts.setdefault(run.name, found[run.name])
    joined = replace(
        first,
        command="\n".join(dict.fromkeys(results.command for results in parts)),
        recipe=_recipe(first),
        # A baseline may have been trained by a command of its own.
        runs=[replace(run, baseline=run.baseline or run.fusion == "last") for run in runs.values()],
        summary=None,
        folder=None,
    )
    return replace(joined, summary=summarise_runs(joined, counts, aligned=aligned)), counts


def _check_belong_together(first: Results, other: Results) -> None:
    options, others = _options(first), _options(other)
    shared = options.keys() & others.keys()
    details = differences(
        {**_identity(first), **{key: options[key] for key in shared}},
        {**_identity(other), **{key: others[key] for key in shared}},
    )
    if not details and (code := _other_examples(first, other)):
        details = f"the test examples in {code}"
    if details:
        raise InputError(
            f"{first.folder} and {other.folder} cannot be compared: they differ in more than what is fused "
            f"({details}). Compare commands of the same encoder, data, recipe, languages and seeds, and study others "
            "apart; `dlfa report` shows several studies on one page."
        )


def _identity(results: Results) -> dict[str, Any]:
    """What all parts have in common."""
    names = ("task", "labels", "metric", "source_language", "seen", "model_name_or_path", "model_commit", "selection")
    return {
        **{name: getattr(results, name) for name in names},
        "languages": sorted(results.languages),
        "seeds": sorted({run.seed for run in results.runs}),
        "data": results.data.identity(),
        "recipe": _recipe(results),
    }


def _recipe(results: Results) -> dict[str, Any]:
    """The recipe without the table of glyphs, which is what the parts differ in."""
    return {name: value for name, value in results.recipe.items() if name != "glyphs"}


def _options(results: Results) -> dict[str, Any]:
    """The options of the fusions, each under the name of its system without the table; those of all without a name."""
    found = {}
    for run in results.runs:
        looks = bool(run.config.get("glyph_size"))
        system = run.system.rpartition("+")[0] if looks else run.system
        for name, value in run.config.items():
            if name in _OF_ALL:
                found[name] = value
            elif name != "glyph_table" and (looks or not name.startswith("glyph_")):
                found[f"{system}: {name}"] = value
    return found


def _other_examples(first: Results, other: Results) -> str | None:
    """The first language whose examples do not have the same labels in both."""
    for code in first.languages:
        one, two = (_references(results, code) for results in (first, other))
        if len(one) != len(two) or not all(map(np.array_equal, one, two)):
            return code
    return None


def _references(results: Results, code: str) -> Any:
    assert results.folder is not None
    file = OutputDirectory(results.folder).predictions(results.runs[0].name, code)
    return read_predictions(file, results.described_task).references


def _same(counts: Mapping[str, NDArray[np.int64]], others: Mapping[str, NDArray[np.int64]]) -> bool:
    return all(np.array_equal(counts[code], others[code]) for code in counts)
