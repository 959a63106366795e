"""The parts of `results.json` as objects, with how each is read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar

from ..scoring.metrics import AVERAGES
from ..statistics.comparisons import stands_out
from ..statistics.intervals import Interval

FORMAT = 2  # Increases when a field changes its meaning or is removed: with 2, intervals hold with few seeds.

R = TypeVar("R", bound="Record")


def part(read: Callable[[Any], Any] | None = None, *, optional: bool = False, **default: Any) -> Any:
    """Describes a field: what builds it from JSON, and whether the file omits it where it is None."""
    if optional:
        default = {"default": None}
    return field(**default, metadata={"read": read, "optional": optional})


def each(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Returns a function that reads a list or mapping of such parts."""

    def read_all(content: Any) -> Any:
        if isinstance(content, dict):
            return {key: read(value) for key, value in content.items()}
        return [*map(read, content)]

    return read_all


@dataclass(frozen=True, kw_only=True)
class Record:
    """A part of `results.json`; its fields are written in order, under their names."""

    @classmethod
    def from_dict(cls: type[R], content: Mapping[str, Any]) -> R:
        """Builds the object from what JSON holds; null counts as absent.

        Raises:
            KeyError: A required field is missing.
        """
        readers = {one.name: one.metadata.get("read") for one in fields(cls) if content.get(one.name) is not None}
        for one in fields(cls):
            if one.name not in readers and one.default is MISSING and one.default_factory is MISSING:
                raise KeyError(one.name)
        return cls(**{name: read(content[name]) if read else content[name] for name, read in readers.items()})

    def to_dict(self) -> dict[str, Any]:
        """Returns what JSON holds."""
        absent = {one.name for one in fields(self) if one.metadata.get("optional") and getattr(self, one.name) is None}
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self) if one.name not in absent}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [*map(_plain, value)]
    return value.to_dict() if hasattr(value, "to_dict") else value


@dataclass(frozen=True, kw_only=True)
class Spread(Record):
    """A mean over seeds with its standard deviation, None for one seed."""

    mean: float
    std: float | None = None


@dataclass(frozen=True)
class Score(Record, Interval):
    """A mean over seeds with its interval and standard deviation, None for one seed; fractions of 1."""

    std: float | None = None


@dataclass(frozen=True)
class Difference(Record, Interval):
    """A difference to the baseline, with its p-values."""

    p_value: float | None = part(optional=True)
    p_adjusted: float | None = part(optional=True)

    @property
    def stands_out(self) -> bool:
        """Whether it is significant after the correction for its table."""
        return stands_out(self.to_dict())


@dataclass(frozen=True, kw_only=True)
class _ByLanguage(Record):
    """Has `values` for each language and each average that exists; the file keeps the two apart."""

    @classmethod
    def from_dict(cls: type[R], content: Mapping[str, Any]) -> R:
        """Builds the object from what JSON holds, languages and averages in one."""
        averages = {name: content[name] for name in AVERAGES if content.get(name)}
        return super().from_dict({**content, "values": {**content["languages"], **averages}})

    def to_dict(self) -> dict[str, Any]:
        """Returns what JSON holds, the averages beside the languages; None for an average that does not exist."""
        written: dict[str, Any] = {}
        for name, value in super().to_dict().items():
            if name == "values":
                written["languages"] = {key: entry for key, entry in value.items() if key not in AVERAGES}
                written |= {key: value.get(key) for key in AVERAGES}
            else:
                written[name] = value
        return written


@dataclass(frozen=True, kw_only=True)
class SystemScores(_ByLanguage):
    """A system over its seeds: its score in each language and average, and on the source's validation data."""

    baseline: bool
    runs: int
    seeds: list[int]
    collapsed: list[str]
    values: dict[str, Score] = part(each(Score.from_dict))
    validation: Spread | None = part(Spread.from_dict, default=None)


@dataclass(frozen=True, kw_only=True)
class SystemDifferences(_ByLanguage):
    """A system's differences to the `baseline` in each language and average, paired by the seeds that both have."""

    baseline: str
    seeds: list[int]
    values: dict[str, Difference] = part(each(Difference.from_dict))


@dataclass(frozen=True, kw_only=True)
class Bootstrap(Record):
    """How examples were resampled, and whether row i is the same example in every language (`aligned`)."""

    confidence: float = 0.95
    n_resamples: int
    seed: int
    aligned: bool


@dataclass(frozen=True, kw_only=True)
class Correction(Record):
    """How the intervals were computed, and how many differences are corrected together."""

    method: str
    correction: str
    threshold: float
    comparisons: int


@dataclass(frozen=True, kw_only=True)
class RunsSummary(Record):
    """All systems over their seeds, the baseline first."""

    systems: dict[str, SystemScores] = part(each(SystemScores.from_dict))
    differences: dict[str, SystemDifferences] = part(each(SystemDifferences.from_dict))
    bootstrap: Bootstrap = part(Bootstrap.from_dict)
    intervals: Correction = part(Correction.from_dict)


@dataclass(frozen=True, kw_only=True)
class Evaluation(Record):
    """A run's scores on a split.

    Attributes:
        scores: By metric.
        n: Number of examples.
        words: Number of words of a token task.
        predictions: How often each label was predicted.
        classes: For each label `precision`, `recall`, `f1` and `support`.
        confusion: A row for each annotated label, with how often each label was predicted for it.
    """

    scores: dict[str, float]
    n: int | None = part(optional=True)
    words: int | None = part(optional=True)
    predictions: dict[str, int] | None = part(optional=True)
    classes: dict[str, dict[str, float]] | None = part(optional=True)
    confusion: list[list[int]] | None = part(optional=True)

    @classmethod
    def from_dict(cls: type[R], content: Mapping[str, Any]) -> R:
        """Builds the object from what JSON holds: every name that is not another field's is a score."""
        named = {one.name for one in fields(cls)}
        scores = {name: value for name, value in content.items() if name not in named}
        return super().from_dict({**content, "scores": scores})

    def to_dict(self) -> dict[str, Any]:
        """Returns what JSON holds, the scores beside the rest."""
        written = super().to_dict()
        return {**written.pop("scores"), **written}


@dataclass(frozen=True, kw_only=True)
class Validation(Evaluation):
    """The same on the validation data, with the step of the checkpoint and the scores of all of them."""

    best_step: int | None = None
    history: list[dict[str, Any]] = part(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Training(Record):
    """How a run was trained; for a resumed run only the last part.

    Attributes:
        together: Number of runs in one pass; None for a run trained alone.
        stopped_early: Whether validation ended it before its last step; None where that was not asked for.
    """

    loss: float | None = None
    steps: int | None = None
    seconds: float
    resumed: bool
    stopped_early: bool | None = part(optional=True)
    together: int | None = part(optional=True)


@dataclass(frozen=True, kw_only=True)
class RunRecord(Record):
    """A finished run.

    Attributes:
        baseline: Whether its system is the baseline.
        config: All options of the fusion.
        collapsed: Whether it nearly always predicts one label.
        model: Folder of its model, relative to the output directory; None if it was not saved.
        prediction: `seconds` of testing.
        failed_attempts: Of a run that was repeated: `seed`, `warmup_steps` and `reason` of each attempt that failed.
        trained_with: Of such a run: the `seed` and `warmup_steps` of the attempt that counts; `seed` is the run's own.
    """

    name: str
    system: str
    baseline: bool
    fusion: str | None = None
    fusion_layers: list[int] = part(default_factory=list)
    gate: str | None = None
    config: dict[str, Any] = part(default_factory=dict)
    seed: int
    parameters: int | None = None
    trainable_parameters: int | None = None
    collapsed: bool = False
    failed_attempts: list[dict[str, Any]] | None = part(optional=True)
    trained_with: dict[str, int] | None = part(optional=True)
    train: Training | None = part(Training.from_dict, optional=True)
    model: str | None = part(optional=True)
    validation: Validation | None = part(Validation.from_dict, optional=True)
    prediction: dict[str, Any] | None = part(optional=True)
    test: dict[str, Evaluation] = part(each(Evaluation.from_dict), default_factory=dict)
