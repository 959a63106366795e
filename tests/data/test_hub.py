"""Data sets of the Hub: configurations, splits, labels by name, and what is read without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

from modeling_dlfa.data.loading import SourceInfo, load_hub
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import HubSource, get_task

from .pairs import TASK
from .samples import write

ROOT = Path(__file__).resolve().parents[2]


def make_hub_folder(folder: Path, names: Sequence[str], test_labels: list[int]) -> None:
    """A data set repository laid out as `facebook/xnli`: a configuration a language, Parquet, features in the card."""
    features = [{"name": name, "dtype": "string"} for name in TASK.text_columns]
    label = {"name": "label", "dtype": {"class_label": {"names": {str(i): name for i, name in enumerate(names)}}}}
    card = {
        "dataset_info": [{"config_name": code, "features": [*features, label]} for code in ("en", "de")],
        "configs": [
            {
                "config_name": code,
                "data_files": [{"split": s, "path": f"{code}/{s}-*"} for s in ("train", "validation", "test")],
            }
            for code in ("en", "de")
        ],
    }
    # JSON is YAML, so the card's header needs no YAML writer.
    write(folder / "README.md", f"---\n{json.dumps(card)}\n---\n# XNLI\n")
    for code in ("en", "de"):
        for split, label_ids in (("train", [0, 1]), ("validation", [2]), ("test", test_labels)):
            columns: dict[str, list[Any]] = {
                "premise": [f"{code} {split} premise {i}" for i in range(len(label_ids))],
                "hypothesis": [f"{code} {split} hypothesis {i}" for i in range(len(label_ids))],
                "label": label_ids,
            }
            datasets.Dataset.from_dict(columns).to_parquet(folder / code / f"{split}-00000-of-00001.parquet")


def test_configurations_splits_and_labels(tmp_path: Path) -> None:
    make_hub_folder(tmp_path / "xnli", TASK.labels, [2, 0, 1])
    options: dict[str, Any] = {"dataset_name": str(tmp_path / "xnli"), "cache_dir": str(tmp_path / "cache")}
    train = load_hub(TASK, "train", "en", **options)
    assert train.texts == (
        ["en train premise 0", "en train premise 1"],
        ["en train hypothesis 0", "en train hypothesis 1"],
    )
    assert load_hub(TASK, "validation", "en", **options).labels == [2]
    test = load_hub(TASK, "test", "de", **options, max_samples=2)
    assert (test.language, test.labels, test.texts[0][0]) == ("de", [2, 0], "de test premise 0")
    assert test.source == SourceInfo(str(tmp_path / "xnli"), 2, config="de", split="test")


def test_labels_are_mapped_by_name(tmp_path: Path) -> None:
    make_hub_folder(tmp_path / "xnli", ["contradiction", "entailment", "neutral"], [0, 1, 2])
    test = load_hub(TASK, "test", "de", str(tmp_path / "xnli"), cache_dir=str(tmp_path / "cache"))
    assert test.labels == [2, 0, 1]


@pytest.mark.parametrize(
    ("names", "labels", "message"),
    [
        (TASK.labels, [0, -1], r"xnli \(configuration 'de', split 'test'\), row 2: no label"),
        (("yes", "no", "maybe"), [0], "row 1: unknown label 'yes'. Known: 'entailment'"),
        (TASK.labels, [], "corresponds to no data"),
    ],
)
def test_wrong_labels(tmp_path: Path, names: tuple[str, ...], labels: list[int], message: str) -> None:
    make_hub_folder(tmp_path / "xnli", names, labels)
    with pytest.raises(InputError, match=message):
        load_hub(TASK, "test", "de", str(tmp_path / "xnli"), cache_dir=str(tmp_path / "cache"))


def test_unknown_configuration_split_column_and_folder(tmp_path: Path) -> None:
    make_hub_folder(tmp_path / "xnli", TASK.labels, [0])
    options: dict[str, Any] = {"dataset_name": str(tmp_path / "xnli"), "cache_dir": str(tmp_path / "cache")}
    with pytest.raises(InputError, match=r"'xx' not found\. Available: \['en', 'de'\]\. Pass --train_file"):
        load_hub(TASK, "test", "xx", **options)
    with pytest.raises(InputError, match=r'Unknown split "dev"'):
        load_hub(replace(TASK, hub=replace(TASK.hub, test_split="dev")), "test", "de", **options)
    with pytest.raises(InputError, match="missing column 'question'; there are 'premise', 'hypothesis', 'label'"):
        load_hub(replace(TASK, text_columns=("question",)), "test", "de", **options)
    with pytest.raises(InputError, match="Cannot load '.*nowhere/at/all'"):
        load_hub(TASK, "test", "de", str(tmp_path / "nowhere/at/all"), cache_dir=str(tmp_path / "cache"))


def test_the_treebanks_of_a_language_are_put_together(tmp_path: Path) -> None:
    task = get_task("udpos")
    hub = HubSource(str(tmp_path / "ud"), test_config={"es": ("es_a", "es_b")})
    names = ["NOUN", "PUNCT", "ADP", "_", "X"]  # Not our order, and with a name that means nothing.
    kind = {"sequence": {"class_label": {"names": {str(i): name for i, name in enumerate(names)}}}}
    features = [{"name": "tokens", "sequence": "string"}, {"name": "upos", **kind}]
    card = {
        "dataset_info": [{"config_name": config, "features": features} for config in ("es_a", "es_b")],
        "configs": [
            {"config_name": config, "data_files": [{"split": "test", "path": f"{config}/test-*"}]}
            for config in ("es_a", "es_b")
        ],
    }
    write(tmp_path / "ud" / "README.md", f"---\n{json.dumps(card)}\n---\n")
    for config, words, tags in (
        ("es_a", [["casa"], ["."]], [[0], [1]]),
        ("es_b", [["del", "de", "uf"]], [[3, 2, 4]]),
    ):
        data = datasets.Dataset.from_dict({"tokens": words, "upos": tags})
        (tmp_path / "ud" / config).mkdir()
        data.to_parquet(tmp_path / "ud" / config / "test-00000-of-00001.parquet")
    options: dict[str, Any] = {"cache_dir": str(tmp_path / "cache")}
    split = load_hub(replace(task, hub=hub), "test", "es", **options)
    assert split.texts == ([["casa"], ["."], ["de", "uf"]],)
    assert [[task.labels[label] for label in labels] for labels in split.labels] == [
        ["NOUN"],
        ["PUNCT"],
        ["ADP", "X"],
    ]
    assert (split.source.config, split.source.rows) == ("es_a+es_b", 3)
    assert load_hub(replace(task, hub=hub), "test", "es", **options, max_samples=2).source.config == "es_a"


def test_a_task_without_hub_data() -> None:
    with pytest.raises(InputError, match=r"PAN-X has no data on the Hub\. Pass --train_file"):
        load_hub(replace(get_task("panx"), hub=None), "test", "de")


def load_offline(home: Path) -> subprocess.CompletedProcess[str]:
    """Ask for the real data set in a process that may not use the network, with nothing but `home` as its cache."""
    program = (
        "from modeling_dlfa.data.loading import load_hub\n"
        "from modeling_dlfa.errors import InputError\n"
        "from modeling_dlfa.tasks import get_task\n"
        "try:\n"
        "    split = load_hub(get_task('xnli'), 'test', 'de')\n"
        "    print(split.labels, split.source)\n"
        "except InputError as error:\n"
        "    print(error)\n"
        "    raise SystemExit(2)\n"
    )
    removed = ("HF_DATASETS_CACHE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
    environment = {name: value for name, value in os.environ.items() if name not in removed}
    environment |= {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120
    )


def test_without_network_and_cache_the_error_says_what_to_do(tmp_path: Path) -> None:
    process = load_offline(tmp_path)
    assert process.returncode == 2, process.stderr
    assert process.stdout.startswith("Cannot load 'facebook/xnli' (configuration 'de', split 'test')")
    for remedy in ("--train_file", "--validation_file", "--test_file", "HF_HUB_OFFLINE=1"):
        assert remedy in process.stdout
    assert process.stdout.count("\n") == 1


def test_a_cached_data_set_is_used_and_its_commit_recorded(tmp_path: Path) -> None:
    make_hub_folder(tmp_path / "xnli", TASK.labels, [2, 0])
    cache, commit = tmp_path / "home" / "datasets", "0123456789abcdef0123456789abcdef01234567"
    load_hub(TASK, "test", "de", str(tmp_path / "xnli"), cache_dir=str(cache))
    # Where and how `datasets` keeps the prepared data of a repository on the Hub.
    (prepared,) = (path.parent for path in cache.glob("xnli/de/*/*/dataset_info.json"))
    target = cache / "facebook___xnli" / "de" / "0.0.0" / commit
    target.parent.mkdir(parents=True)
    prepared.rename(target)
    process = load_offline(tmp_path / "home")
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.startswith("[2, 0] SourceInfo(source='facebook/xnli', rows=2")
    assert f"revision='{commit}', config='de', split='test'" in process.stdout
