"""Where results came from, as `results.json` records it: the data, and the shards of a command."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from ..data.splits import SourceInfo
from ..errors import InputError
from .format import Record, each, part


def _source(content: Mapping[str, Any]) -> SourceInfo:
    return SourceInfo(**{one.name: content[one.name] for one in fields(SourceInfo) if one.name in content})


@dataclass(frozen=True, kw_only=True)
class DataSources(Record):
    """Where the data came from.

    Attributes:
        train: Training data; of several languages their number of rows in all, under the common name of the files.
        train_by_language: The training data of each language; None if there is one.
        validation: Data of the source language on which checkpoints were chosen.
        test: Test data of each language.
    """

    train: SourceInfo | None = part(_source, optional=True)
    train_by_language: dict[str, SourceInfo] | None = part(each(_source), optional=True)
    validation: SourceInfo | None = part(_source, optional=True)
    test: dict[str, SourceInfo] = part(each(_source), default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """Returns what tells the data from others; a file is identified by its checksum, wherever it lies."""
        content = self.to_dict()
        apart = content.get("train_by_language", {})
        if apart:
            del content["train"]  # Their sum, under the name of all their files.
        for source in (content.get("train"), content.get("validation"), *apart.values(), *content["test"].values()):
            if source and source["sha256"]:
                del source["source"]
        return content


@dataclass(frozen=True, kw_only=True)
class ShardPlan(Record):
    """Which shard of a command a file belongs to, and all runs of the command."""

    shard_index: int
    num_shards: int
    planned_runs: list[str]

    def refuse(self, name: str | os.PathLike) -> NoReturn:
        """Refuses what is valid only for a whole command.

        Args:
            name: What holds the shard.

        Raises:
            InputError: Always.
        """
        raise InputError(
            f"{name} is only a shard ({self.shard_index} of {self.num_shards}, from 0). Merge all "
            "shards with `dlfa merge` first."
        )


@dataclass(frozen=True, kw_only=True)
class MergedShard(Record):
    """What a shard of merged results did, and where it ran."""

    runs: list[str]
    command: str
    created: str
    seconds: float
    versions: dict[str, Any]
    hardware: dict[str, Any]
