"""The results of a command as an object: scores, differences, tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..command.wording import counted
from ..errors import InputError, quoted
from ..scoring.metrics import AVERAGES, get_metric
from ..statistics.comparisons import Comparison, compare_to_baseline
from .format import read_results, write_results
from .scores import load_scored_runs
from .tables import markdown_table, text_table

if TYPE_CHECKING:
    from pandas import DataFrame


class Results(Mapping[str, Any]):
    """What a command found: the content of `results.json`, field by field as a mapping, and what one asks of it.

    Args:
        content: What `results.json` holds.
        folder: The output directory, where the predictions lie; None for results that were never written.

    Example:
        >>> from modeling_dlfa import load_results
        >>> results = load_results("runs/xnli")
        >>> results.systems
        ['last', 'aif-layer1']
        >>> sorted(results.scores["last"])
        ['ar', 'de', 'en', 'macro_all', 'macro_target', 'transfer_gap']
        >>> difference = results.compare("aif-layer1", "last")["macro_target"]
        >>> difference.low <= difference.mean <= difference.high
        True
    """

    def __init__(self, content: Mapping[str, Any], folder: str | Path | None = None) -> None:
        self._content = dict(content)
        self.folder = None if folder is None else Path(folder)

    @classmethod
    def read(cls, path: str | Path) -> Results:
        """Reads an output directory, or its `results.json`.

        Raises:
            InputError: See `load_results`.
        """
        return cls(*read_results(path))

    def write(self, path: str | Path) -> None:
        """Writes `results.json`, whole or not at all."""
        write_results(Path(path), self)

    def __getitem__(self, field: str) -> Any:
        return self._content[field]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def __repr__(self) -> str:
        where = "" if self.folder is None else f", {str(self.folder)!r}"
        numbers = f"{counted(len(self['runs']), 'run')}, {counted(len(self['languages']), 'language')}"
        return f"<Results of {self['task']}: {numbers}{where}>"

    @property
    def systems(self) -> list[str]:
        """Names of the systems, the baseline first."""
        return list(self._summary["systems"])

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """For each system and each language or average the mean over the seeds, a fraction of 1.

        The averages are `macro_all`, over all languages, `macro_target`, over those without labels in training, and
        `transfer_gap`, the source language minus the latter; what these languages do not have is left out.
        """
        return {
            name: {
                **{code: value["mean"] for code, value in system["languages"].items()},
                **{average: system[average]["mean"] for average in AVERAGES if system[average] is not None},
            }
            for name, system in self._summary["systems"].items()
        }

    def compare(self, system: str, other: str) -> dict[str, Comparison]:
        """Compares two systems, paired by seed and by example.

        Args:
            system: A name of `systems`.
            other: Another one. For the baseline the differences are those of the tables; for any other, and in results
                written before format 2, they are computed from the predictions.

        Returns:
            For each language and average, as in `scores`, the difference with its 95% interval (`mean`, `low`,
            `high`), fractions of 1, and its `p_value`, not corrected for the number of comparisons.

        Raises:
            InputError: There is no such system, they share no seed, or the predictions are not there.
        """
        for name in (system, other):
            if name not in self.systems:
                raise InputError(f"There is no system '{name}' in these results. Choose from {quoted(self.systems)}.")
        if system == other:
            raise InputError(f"'{system}' is compared with itself. Name two systems.")
        recorded = self._summary["differences"].get(system)
        if recorded is not None and recorded["baseline"] == other and "intervals" in self._summary:
            averages = {name: recorded[name] for name in AVERAGES if recorded[name] is not None}
            numbers = ("mean", "low", "high", "p_value")
            entries = {**recorded["languages"], **averages}
            return {key: Comparison(*(entry[name] for name in numbers)) for key, entry in entries.items()}
        if self.folder is None:
            raise InputError("These results lie in no folder. Read them with load_results, for their predictions.")
        scored = load_scored_runs(self.folder)
        seeds = scored.seeds(system, other)
        if not seeds:
            raise InputError(f"'{system}' and '{other}' share no seed, so they cannot be paired. Train both with one.")
        mine, others = (
            {code: np.stack([scored.counts[name][seed][code] for seed in seeds]) for code in self["languages"]}
            for name in (system, other)
        )
        source, metric = self["source_language"], get_metric(self["metric"])
        compared = compare_to_baseline(
            {system: mine}, others, metric=metric, source_language=source, aligned=scored.aligned
        )
        return compared[system]

    def table(self, form: str = "text") -> str:
        """Returns the table that a paper would print, with the notes that say how the numbers came about.

        Args:
            form: `"text"` for a terminal, or `"markdown"`.

        Raises:
            InputError: There are no test scores, or no such form.
        """
        if form not in ("text", "markdown"):
            raise InputError(f"There is no form '{form}'. Choose 'text' or 'markdown'.")
        return text_table(self) if form == "text" else markdown_table(self)

    def to_pandas(self) -> DataFrame:
        """Returns the scores as a pandas DataFrame: a row for each system, a column for each language and average.

        Raises:
            InputError: pandas is not installed, or there are no test scores.
        """
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise InputError("A DataFrame needs pandas, which is not installed: pip install pandas.") from error
        return DataFrame.from_dict(self.scores, orient="index").rename_axis("system")

    @property
    def _summary(self) -> Mapping[str, Any]:
        summary: Mapping[str, Any] | None = self._content.get("summary")
        if not summary:
            raise InputError("These results have no scores of test languages. Predict them (--do_predict True).")
        return summary


def load_results(path: str | Path) -> Results:
    """Reads the results of a finished command.

    Args:
        path: The output directory of `dlfa train`, `dlfa sweep` or `dlfa merge`, or its `results.json`.

    Raises:
        InputError: There are none, they are broken, or a later version of the package wrote them.

    Example:
        >>> from modeling_dlfa import load_results
        >>> print(load_results("runs/xnli").table("markdown"))  # doctest: +ELLIPSIS
        |  | en | ...
    """
    return Results.read(path)
