"""The definition of each task."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import TASKS, HubSource, get_task


def test_xnli() -> None:
    task = get_task("xnli")
    assert task.labels == ("entailment", "neutral", "contradiction")
    assert task.text_columns == ("premise", "hypothesis")
    assert len(task.languages) == 15
    assert (task.learning_rate, task.batch_size, task.max_length, task.num_train_epochs) == (2e-5, 32, 128, 5)
    assert task.hub is not None
    assert task.hub.dataset == "facebook/xnli"
    assert task.hub.locate("train", "en") == (("en",), "train")
    assert task.hub.locate("test", "sw") == (("sw",), "test")


@pytest.mark.parametrize(
    ("name", "languages", "labels", "epochs"), [("pawsx", 7, 2, 5), ("panx", 40, 7, 10), ("udpos", 37, 17, 10)]
)
def test_the_tasks_of_xtreme(name: str, languages: int, labels: int, epochs: int) -> None:
    task = get_task(name)
    assert (len(task.languages), len(task.labels), task.num_train_epochs) == (languages, labels, epochs)
    assert (task.learning_rate, task.batch_size, task.max_length) == (2e-5, 32, 128)


def test_treebanks_are_put_together_by_language() -> None:
    hub = get_task("udpos").hub
    assert hub is not None
    assert hub.locate("train", "en") == (("en_ewt", "en_gum", "en_lines", "en_partut"), "train")
    assert hub.locate("test", "ru") == (("ru_gsd", "ru_pud", "ru_syntagrus", "ru_taiga"), "test")
    with pytest.raises(InputError, match=r"no train data for 'de'; there is: en\."):
        hub.locate("train", "de")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "accuracy"}, "accuracy does not score token tasks"),
        ({"metric": "bleu"}, "no metric 'bleu'"),
        ({"text_columns": ("a", "b")}, "labels words, so it has one text column"),
    ],
)
def test_a_task_that_contradicts_itself(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(get_task("panx"), **changes)


@pytest.mark.parametrize("name", TASKS)
def test_definitions_agree_with_themselves(name: str) -> None:
    task = TASKS[name]
    assert task.name == name
    assert task.source_language in task.languages
    assert list(task.languages) == sorted(set(task.languages))
    assert len(set(task.labels)) == len(task.labels) > 1
    assert task.label_column not in task.text_columns


@pytest.mark.parametrize("name", TASKS)
def test_references_are_fractions_of_known_languages_with_a_source(name: str) -> None:
    for reference in TASKS[name].references:
        assert reference.source
        assert set(reference.scores) <= set(TASKS[name].languages)
        assert all(1 / len(TASKS[name].labels) < score < 1 for score in reference.scores.values())


def test_unknown_task_lists_what_exists() -> None:
    with pytest.raises(InputError, match=r"There is no task 'xnil'\. Choose one of: xnli"):
        get_task("xnil")


def test_hub_source_with_its_own_names() -> None:
    hub = HubSource("some/treebanks", train_config="en_ewt", test_config="{language}_pud", validation_split="dev")
    assert hub.locate("validation", "en") == (("en_ewt",), "dev")
    assert hub.locate("test", "de") == (("de_pud",), "test")
