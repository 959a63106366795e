"""Merges the shards of one command into the results directory that the whole command would have left."""

from __future__ import annotations

import datetime
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..command.redaction import command_line
from ..errors import InputError
from ..files.folders import check_new_folder, check_space, named_folder, new_folder
from ..files.writing import read_json, write_json
from ..publishing.licences import check_license
from ..publishing.publish import write_cards
from ..results.counts import read_counts
from ..results.directory import OutputDirectory, differences
from ..results.provenance import DataSources, MergedShard, ShardPlan
from ..results.results import Results, load_results
from ..results.summary import summarise_runs
from ..results.tables import write_report

# What all shards of a command record identically.
COMMON = ("task", "labels", "metric", "languages", "seeds", "model_commit")
FOLDERS = ("adapters", "models", "predictions")


@dataclass(frozen=True)
class Shard:
    """A finished shard.

    Attributes:
        output: Its output directory.
        results: Contents of its `results.json`.
        plan: Which shard it is.
        started_with: Contents of its `arguments.json`.
    """

    output: OutputDirectory
    results: Results
    plan: ShardPlan
    started_with: Mapping[str, Any]

    @classmethod
    def read(cls, path: str | os.PathLike) -> Shard:
        """Reads a shard's output directory.

        Raises:
            InputError: It does not come from a finished command with `--num_shards`.
        """
        output = OutputDirectory(path)
        results = load_results(output.path)
        if results.shard is None:
            raise InputError(
                f"{path} is not a shard. Merge the output directories of commands that were run with --num_shards."
            )
        return cls(output, results, results.shard, read_json(output.arguments))

    @property
    def names(self) -> list[str]:
        """Names of its runs."""
        return [run.name for run in self.results.runs]

    def identity(self) -> dict[str, Any]:
        """Returns what the shards of one command share."""
        started = {key: value for key, value in self.started_with.items() if key != "shard"}
        data = DataSources.from_dict(started["data"]).identity()
        common = {key: getattr(self.results, key) for key in COMMON}
        return {**started, "data": data, **common, "planned_runs": self.plan.planned_runs}


def merge_runs(
    shard_dirs: Sequence[str | os.PathLike], output_dir: str | os.PathLike, *, license: str | None = None
) -> Results:
    """Merges shards into a new output directory: runs, predictions and models copied, everything else computed anew.

    The scores, averages and intervals are those of the command without `--num_shards`, to the last digit.

    Args:
        shard_dirs: Output directories of all shards of one command, in any order.
        output_dir: A directory that does not exist or is empty; it appears whole or not at all.
        license: Licence for the models' cards, as the Hub names it.

    Returns:
        The results of the whole command.

    Raises:
        InputError: A directory is not a shard, the shards belong to different commands, repeat a run or lack one, or
            `output_dir` is not empty.
    """
    check_license(license)
    target = named_folder(output_dir)
    check_new_folder(target)
    if not shard_dirs:
        raise InputError("There is nothing to merge. Give the output directory of every shard.")
    shards = [Shard.read(path) for path in shard_dirs]
    check_belong_together(shards)
    shards = sorted(shards, key=lambda shard: shard.plan.shard_index)
    copied = sum(path.stat().st_size for shard in shards for path in _copied(shard))
    check_space(target, copied, "the shards' models and predictions", "Free some space, or merge on another disk.")
    with new_folder(target, "--output_dir") as folder:
        draft = OutputDirectory(folder)
        results = _fill(draft, shards)
        if results.summary is not None:
            write_cards(results, draft, license, named=OutputDirectory(target))
    return replace(results, folder=target)


def _copied(shard: Shard) -> Iterator[Path]:
    for name in shard.names:
        for folder in FOLDERS:
            yield from (path for path in (shard.output.path / folder / name).rglob("*") if path.is_file())


def check_belong_together(shards: Sequence[Shard]) -> None:
    """Checks that shards make up one command.

    Raises:
        InputError: They were started with different arguments, repeat a run or lack one.
    """
    first, *others = shards
    for other in others:
        if details := differences(first.identity(), other.identity()):
            raise InputError(
                f"{first.output.path} and {other.output.path} are not shards of one command ({details}). Start all "
                "of them with the same arguments, except for --shard_index and --output_dir."
            )
    owner: dict[str, Path] = {}
    for shard in shards:
        for name in shard.names:
            if name in owner:
                raise InputError(f"{owner[name]} and {shard.output.path} both contain {name}. Give each shard once.")
            owner[name] = shard.output.path
    if missing := [name for name in first.plan.planned_runs if name not in owner]:
        raise InputError(
            f"The shards lack {len(missing)} of the command's runs ({', '.join(missing[:3])}"
            f"{', ...' if len(missing) > 3 else ''}). Give the directories of all "
            f"{first.plan.num_shards} shards."
        )


def _fill(output: OutputDirectory, shards: Sequence[Shard]) -> Results:
    """Writes everything except the models' cards."""
    for shard in shards:
        for run in shard.results.runs:
            for folder in FOLDERS:
                source = shard.output.path / folder / run.name
                if source.is_dir():
                    shutil.copytree(source, output.path / folder / run.name, ignore=_other_cards)
            write_json(output.record(run.name), run.to_dict())
    results = replace(_results(shards), folder=output.path)
    write_json(output.arguments, {key: value for key, value in shards[0].started_with.items() if key != "shard"})
    if (summary := shards[0].results.summary) is not None:
        whole = summarise_runs(results, read_counts(results), aligned=summary.bootstrap.aligned)
        results = replace(results, summary=whole)
        write_report(results, output.path)
    results.write(output.results)
    return results


def _other_cards(folder: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name == "README.md"]


def _results(shards: Sequence[Shard]) -> Results:
    """Returns what the whole command would have recorded, and what each shard did; without the summary."""
    all_results = [shard.results for shard in shards]
    runs = {run.name: run for results in all_results for run in results.runs}
    return replace(
        all_results[0],
        command="\n".join([*(results.command for results in all_results), command_line(sys.argv)]),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        seconds=round(sum(results.seconds for results in all_results), 1),
        versions=_joined([results.versions for results in all_results]),
        hardware=_joined([results.hardware for results in all_results]),
        runs=[runs[name] for name in shards[0].plan.planned_runs],
        shard=None,
        shards=[
            MergedShard.from_dict({**results.to_dict(), "runs": [run.name for run in results.runs]})
            for results in all_results
        ],
        summary=None,
    )


def _joined(mappings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merges mappings into one: a value that differs between them becomes a text with all of its values."""
    joined = {}
    for key in dict.fromkeys(key for mapping in mappings for key in mapping):
        values = list(dict.fromkeys(mapping.get(key) for mapping in mappings))
        joined[key] = values[0] if len(values) == 1 else " / ".join(map(str, values))
    return joined
