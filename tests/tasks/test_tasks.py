"""The definition of each task."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.results.results import Results
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
    ("name", "languages", "labels", "epochs"), [("pawsx", 7, 2, 5), ("panx", 48, 7, 10), ("udpos", 37, 17, 10)]
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
        ({"text_columns": "tokens"}, r"text_columns is the string 'tokens'.*letter by letter\. Write \(\"tokens\",\)"),
        ({"text_columns": ["tokens"]}, "text_columns is .* Give a tuple of strings"),
        ({"text_columns": ()}, "text_columns is empty"),
        ({"text_columns": ("",)}, "text_columns holds ''"),
        ({"label_column": "tokens"}, "'tokens' is both a text column and the label column"),
        ({"label_column": ""}, "label_column is ''. Give a string"),
        ({"labels": "OI"}, "labels is the string 'OI'"),
        ({"labels": ("O", "O", "B")}, "labels has 'O' more than once"),
        ({"labels": ("O",)}, "one label, 'O'. A classifier needs at least two"),
        ({"labels": (0, 1)}, "labels holds 0"),
        ({"labels": ("O", " B")}, "' B' has white space at an end"),
        ({"labels": ("O", "B\tC")}, "has white space at an end, or a tab"),
        ({"unlabelled": ("O",)}, "'O' cannot be a label and stand for words without one"),
        ({"languages": "en"}, "languages is the string 'en'"),
        ({"languages": ("en", "de", "en")}, "languages has 'en' more than once"),
        ({"languages": ("en", "../de")}, "'../de' is not a language code"),
        ({"languages": ("all",)}, "'all' is not a language code"),
        ({"source_language": None}, "source_language is None"),
        ({"kind": "tokens"}, "kind is 'tokens'. Choose 'sequence'"),
        ({"metric": None}, "metric is None"),
        ({"name": " "}, "name is ' '"),
        ({"name": "a/b"}, "Task 'a/b': the name cannot be that of a folder. Give one without '/'"),
        ({"name": "..\\b"}, "the name cannot be that of a folder"),
        ({"hub": "unimelb-nlp/wikiann"}, "hub is 'unimelb-nlp/wikiann'. Give a HubSource"),
        ({"max_length": 0}, "max_length is 0. Give a whole number of 1 or more"),
        ({"batch_size": True}, "batch_size is True"),
        ({"num_train_epochs": 2.5}, "num_train_epochs is 2.5"),
        ({"learning_rate": float("nan")}, "learning_rate is nan. Give a number above 0"),
        ({"learning_rate": -1e-5}, "learning_rate is -1e-05"),
    ],
)
def test_a_task_that_contradicts_itself(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(get_task("panx"), **changes)


def test_a_pair_of_texts_is_the_most_that_an_encoder_reads() -> None:
    with pytest.raises(InputError, match="reads one text or two, but there are 3"):
        replace(get_task("xnli"), text_columns=("a", "b", "c"))


@pytest.mark.parametrize("languages", [["en", "de"], []])
def test_a_task_is_known_from_its_results(languages: list[str]) -> None:
    """Also from those of a command that tested no language, and of a task whose text stands in a column `label`."""
    task = replace(get_task("xnli"), name="own", text_columns=("label",), label_column="stance")
    results = {
        **{name: getattr(task, name) for name in ("title", "kind", "metric", "source_language", "label_column")},
        **{"task": "own", "text_columns": ["label"], "labels": list(task.labels), "languages": languages, "runs": []},
        **{"command": "python own.py", "model_name_or_path": "some/encoder"},
    }
    recorded = Results.from_dict(results).described_task
    assert (recorded.text_columns, recorded.label_column, recorded.labels) == (("label",), "stance", task.labels)
    assert recorded.languages == tuple(languages or ["en"])


@pytest.mark.parametrize("name", TASKS)
def test_definitions_agree_with_themselves(name: str) -> None:
    task = TASKS[name]
    assert task.name == name
    assert task.source_language in task.languages
    assert list(task.languages) == sorted(set(task.languages))
    assert len(set(task.labels)) == len(task.labels) > 1
    assert task.label_column not in task.text_columns


def test_unknown_task_lists_what_exists() -> None:
    with pytest.raises(InputError, match=r"There is no task 'xnil'\. Choose one of: xnli"):
        get_task("xnil")


def test_hub_source_with_its_own_names() -> None:
    hub = HubSource("some/treebanks", train_config="en_ewt", test_config="{language}_pud", validation_split="dev")
    assert hub.locate("validation", "en") == (("en_ewt",), "dev")
    assert hub.locate("test", "de") == (("de_pud",), "test")
