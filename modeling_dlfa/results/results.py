"""The results of a command as an object: the contents of `results.json`, and questions that one asks of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..command.wording import counted
from ..errors import InputError, quoted
from ..files.writing import read_json, write_json
from ..languages import by_family
from ..scoring.metrics import SINGLE_LABEL, get_metric, shown_averages
from ..statistics.comparisons import Comparison, compare_to_baseline
from ..tasks import Task, get_task
from .counts import RunCounts, check_counts, read_counts
from .format import FORMAT, Record, RunRecord, RunsSummary, each, part
from .provenance import DataSources, MergedShard, ShardPlan
from .tables import markdown_table, text_table

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

TASK_FIELDS = ("title", "kind", "problem_type", "text_columns", "label_column", "labels", "metric", "source_language")


@dataclass(frozen=True, kw_only=True, repr=False)
class Results(Record):
    """What a command found: the fields of `results.json`, and answers computed from them.

    Attributes:
        summary: All systems over their seeds; None if no language was tested.
        folder: The output directory, where the predictions lie; None for results that were never written.

    Example:
        >>> from modeling_dlfa import load_results
        >>> results = load_results("runs/xnli")
        >>> results.systems
        ['last', 'aif-layer1']
        >>> difference = results.compare("aif-layer1", "last")["macro_target"]
        >>> difference.low <= difference.mean <= difference.high
        True
    """

    schema_version: int = FORMAT
    task: str
    title: str | None = None
    kind: str | None = None
    problem_type: str = SINGLE_LABEL
    text_columns: list[str] = part(default_factory=list)
    label_column: str = "label"
    labels: list[str] | None = None  # The earliest files record only the task's name.
    metric: str
    source_language: str
    train_languages: list[str] = part(default_factory=list)
    languages: list[str]
    languages_without_file: list[str] = part(default_factory=list)
    command: str
    created: str = ""
    seconds: float = 0.0
    versions: dict[str, Any] = part(default_factory=dict)
    hardware: dict[str, Any] = part(default_factory=dict)
    model_name_or_path: str
    model_revision: str | None = None
    model_commit: str | None = None
    model_origin: dict[str, Any] | None = None
    seeds: list[int] = part(default_factory=list)
    data: DataSources = part(DataSources.from_dict, default_factory=DataSources)
    data_statistics: dict[str, Any] = part(default_factory=dict)
    recipe: dict[str, Any] = part(default_factory=dict)
    selection: str = ""
    runs: list[RunRecord] = part(each(RunRecord.from_dict))
    shard: ShardPlan | None = part(ShardPlan.from_dict, optional=True)
    shards: list[MergedShard] | None = part(each(MergedShard.from_dict), optional=True)
    summary: RunsSummary | None = part(RunsSummary.from_dict, optional=True)
    folder: Path | None = None

    def write(self, path: str | Path) -> None:
        """Writes `results.json`, whole or not at all."""
        write_json(Path(path), self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Returns what `results.json` holds."""
        content = super().to_dict()
        del content["folder"]
        return content

    def __repr__(self) -> str:
        numbers = f"{counted(len(self.runs), 'run')}, {counted(len(self.languages), 'language')}"
        return f"<Results of {self.task}: {numbers}{f', {str(self.folder)!r}' if self.folder else ''}>"

    def require_summary(self) -> RunsSummary:
        """Returns the summary.

        Raises:
            InputError: No language was tested.
        """
        if self.summary is None:
            holder = "These results contain" if self.folder is None else f"{self.folder} holds"
            raise InputError(f"{holder} no scores of test languages. Test some (--do_predict True).")
        return self.summary

    @property
    def described_task(self) -> Task:
        """The task as it was recorded, so that a user's custom task is known as well.

        Raises:
            InputError: The results name a task that does not exist, and do not describe it.
        """
        if self.labels is None:
            return get_task(self.task)
        described = {name: getattr(self, name) for name in TASK_FIELDS}
        described |= {name: tuple(described[name]) for name in ("text_columns", "labels")}
        return Task(name=self.task, languages=tuple(self.languages) or (self.source_language,), **described)

    @property
    def families(self) -> list[tuple[str, list[str]]]:
        """The languages by family, the source language first."""
        return by_family(self.languages, self.source_language)

    @property
    def shown(self) -> list[str]:
        """The languages in the order of tables, followed by the averages that exist for them."""
        return [*(code for _, codes in self.families for code in codes), *self.averages]

    @property
    def averages(self) -> list[str]:
        """The averages in `metrics.AVERAGES` that exist for these languages and differ from each other."""
        return shown_averages(self.languages, self.seen)

    @property
    def seen(self) -> list[str]:
        """The languages that had labels in training, the source language first."""
        return self.train_languages or [self.source_language]

    @property
    def targets(self) -> list[str]:
        """The languages that had no labels in training."""
        return [code for code in self.languages if code not in self.seen]

    @property
    def systems(self) -> list[str]:
        """Names of the systems that were tested, the baseline first."""
        return list(self.require_summary().systems)

    @property
    def baseline(self) -> str | None:
        """Name of the baseline; None without one."""
        return next((run.system for run in self.runs if run.baseline), None)

    @property
    def fused(self) -> list[str]:
        """The systems other than the baseline, in the order of their fusion layers."""
        layers = {
            run.system: [layer + 0.5 if layer < 0 else layer for layer in run.fusion_layers]
            for run in self.runs
            if not run.baseline
        }
        return sorted(layers, key=lambda system: (layers[system], system))

    def runs_of(self, system: str) -> list[RunRecord]:
        """Returns the runs of a system, in their order."""
        return [run for run in self.runs if run.system == system]

    def seeds_of(self, *systems: str) -> tuple[int, ...]:
        """Returns the seeds that all these systems share, in the order of the first."""
        first, *others = ([run.seed for run in self.runs_of(system)] for system in systems)
        return tuple(seed for seed in first if all(seed in other for other in others))

    def stacked(self, counts: RunCounts, system: str, seeds: Sequence[int]) -> dict[str, NDArray[np.int64]]:
        """Returns for each language the (S, N, K) counts of a system's runs with these seeds."""
        names = {run.seed: run.name for run in self.runs_of(system)}
        return {code: np.stack([counts[names[seed]][code] for seed in seeds]) for code in self.languages}

    def run_scores(self, run: RunRecord) -> dict[str, float]:
        """Returns a run's score in each language."""
        return {code: run.test[code].scores[self.metric] for code in self.languages}

    def counts(self) -> RunCounts:
        """Returns for each run's name and each language the (N, K) counts of the metric, read from the predictions.

        Raises:
            InputError: No language was tested, or the predictions are missing or contradict the scores.
        """
        self.require_summary()
        counts = read_counts(self)
        check_counts(self, counts)
        return counts

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """For each system and each language or average (see `Summary`) the mean over the seeds, a fraction of 1."""
        systems = self.require_summary().systems
        return {name: {key: value.mean for key, value in system.values.items()} for name, system in systems.items()}

    def compare(self, system: str, other: str) -> dict[str, Comparison]:
        """Compares two systems, paired by seed and by example.

        Args:
            system: A name of `systems`.
            other: Another system. For the baseline the differences are those of the tables; otherwise they are
                computed from the predictions.

        Returns:
            For each language and average, as in `scores`, the difference with its 95% interval (`mean`, `low`,
            `high`), fractions of 1, and its `p_value`, not corrected for the number of comparisons.

        Raises:
            InputError: A system does not exist, the two share no seed, or the predictions are missing.
        """
        for name in (system, other):
            if name not in self.systems:
                raise InputError(f"There is no system '{name}' in these results. Choose from {quoted(self.systems)}.")
        if system == other:
            raise InputError(f"'{system}' cannot be compared with itself. Name two systems.")
        summary = self.require_summary()
        recorded = summary.differences.get(system)
        if recorded is not None and recorded.baseline == other:
            return {
                key: Comparison(value.mean, value.low, value.high, value.p_value)
                for key, value in recorded.values.items()
                if value.p_value is not None
            }
        seeds = self.seeds_of(system, other)
        if not seeds:
            raise InputError(
                f"'{system}' and '{other}' share no seed, so they cannot be paired. Train both with the same seed."
            )
        counts = self.counts()
        return compare_to_baseline(
            {system: self.stacked(counts, system, seeds)},
            self.stacked(counts, other, seeds),
            metric=get_metric(self.metric),
            source_language=self.seen,
            aligned=summary.bootstrap.aligned,
        )[system]

    def table(self, form: str = "text") -> str:
        """Returns the table for a paper, with the notes that say how the numbers were computed.

        Args:
            form: `"text"` for a terminal, or `"markdown"`.

        Raises:
            InputError: There are no test scores, or the form does not exist.
        """
        if form not in ("text", "markdown"):
            raise InputError(f"There is no form '{form}'. Choose 'text' or 'markdown'.")
        return text_table(self) if form == "text" else markdown_table(self)

    def to_pandas(self) -> DataFrame:
        """Returns the scores as a pandas DataFrame, with one row per system and one column per language and average.

        Raises:
            InputError: pandas is not installed, or there are no test scores.
        """
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise InputError("A DataFrame needs pandas, which is not installed: pip install pandas.") from error
        return DataFrame.from_dict(self.scores, orient="index").rename_axis("system")


def load_results(path: str | Path) -> Results:
    """Reads the results of a finished command.

    Args:
        path: The output directory of `dlfa train`, `dlfa sweep` or `dlfa merge`, or its `results.json`.

    Raises:
        InputError: The results are missing or broken, or of another format.

    Example:
        >>> from modeling_dlfa import load_results
        >>> print(load_results("runs/xnli").table("markdown"))  # doctest: +ELLIPSIS
        |  | en | ...
    """
    file = Path(path) / "results.json" if Path(path).is_dir() else Path(path)
    content, ours = read_json(file), f"{file} is not what `dlfa train` writes"
    remedy = "Give the output directory of a finished command."
    if not isinstance(content, dict) or not {"task", "runs"} <= content.keys():
        raise InputError(f"{ours}. {remedy}")
    version = content.get("schema_version", 1)  # The earliest files lack it.
    if version != FORMAT:
        raise InputError(
            f"{file} has format {version}; this version of modeling_dlfa reads format {FORMAT}. Update the package "
            "(pip install --upgrade modeling-dlfa), or run the command of an older file again."
        )
    try:
        return Results.from_dict({**content, "folder": file.parent})
    except KeyError as error:
        raise InputError(f"{ours}: it lacks {error}. {remedy}") from error
    except (AttributeError, TypeError) as error:
        raise InputError(f"{ours} ({error}). {remedy}") from error
