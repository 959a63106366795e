"""Examples of one language from a data set of the Hub, or from its cache."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..tasks import HubSource, SplitName, Task
from .files import table_from_dataset
from .splits import SourceInfo, Split, check_max_samples, to_split

if TYPE_CHECKING:
    from datasets import Dataset

OFFLINE_REMEDY = (
    "Pass --train_file, --validation_file and --test_file to use files of your own, "
    "or set HF_HUB_OFFLINE=1 where the data set lies in the cache already."
)


def load_hub(
    task: Task,
    split: SplitName,
    language: str,
    dataset_name: str | None = None,
    revision: str | None = None,
    max_samples: int | None = None,
    cache_dir: str | None = None,
) -> Split:
    """Load one language's examples from the Hub, or from its cache when offline.

    Args:
        task: Gives the data set, its configurations and splits, the columns and the labels.
        split: `"train"`, `"validation"` or `"test"`.
        language: Language code.
        dataset_name: Another data set, on the Hub or in a local folder, with the task's configurations, splits and
            columns.
        revision: Commit, tag or branch.
        max_samples: Take no more than the first `max_samples` rows.
        cache_dir: Where `datasets` keeps what it downloads; `None` is its default.

    Returns:
        The examples.

    Raises:
        InputError: If the data set cannot be reached or lacks the configuration, the split or a column, or a row has
            no label or an unknown one.
    """
    check_max_samples(max_samples)
    hub = task.hub or HubSource(dataset_name or "")
    if not hub.dataset:
        raise InputError(f"{task.title} has no data on the Hub. {OFFLINE_REMEDY.partition(', or set')[0]}.")
    name = dataset_name or hub.dataset
    if dataset_name is None:
        revision = revision or hub.revision
    configs, split_name = hub.locate(split, language)
    parts: list[Split] = []
    for config in configs:
        limit = None if max_samples is None else max_samples - sum(map(len, parts))
        if limit == 0:
            break
        parts.append(_load_config(task, language, name, config, split_name, revision, limit, cache_dir))
    sources = [part.source for part in parts]
    return Split(
        language,
        tuple([text for part in parts for text in part.texts[index]] for index in range(len(task.text_columns))),
        [label for part in parts for label in part.labels],
        replace(sources[0], rows=sum(map(len, parts)), config="+".join(str(source.config) for source in sources)),
        [place for part in parts for place in part.blank],
        parts[0].prefix,
        sum(part.marked for part in parts),
    )


def _load_config(
    task: Task,
    language: str,
    name: str,
    config: str,
    split_name: str,
    revision: str | None,
    max_samples: int | None,
    cache_dir: str | None,
) -> Split:
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    try:
        dataset = load_dataset(name, config, split=split_name, revision=revision, cache_dir=cache_dir)
    except (OSError, ValueError, DatasetsError) as error:
        raise InputError(
            f"Cannot load '{name}' (configuration '{config}', split '{split_name}'): "
            f"{' '.join(str(error).split()).rstrip('.!')}. {OFFLINE_REMEDY}"
        ) from error
    where = f"{name} (configuration '{config}', split '{split_name}')"
    table = table_from_dataset(dataset, where, [*task.text_columns, task.label_column], max_samples)
    source = SourceInfo(name, 0, revision=_commit(dataset) or revision, config=config, split=split_name)
    return to_split(table, task, language, source)


def _commit(dataset: Dataset) -> str | None:
    """Commit of a Hub data set: `datasets` names the folder of the prepared data after it."""
    folders = [Path(file["filename"]).parent.name for file in dataset.cache_files]
    return folders[0] if folders and re.fullmatch(r"[0-9a-f]{40}", folders[0]) else None
