"""What must hold of a task, checked when it is defined rather than in the middle of a command."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import InputError, quoted
from ..scoring.metrics import METRICS, MULTI_LABEL, PROBLEM_TYPES, REGRESSION, SINGLE_LABEL, get_metric

if TYPE_CHECKING:
    from ..tasks import Task

_CODE = re.compile(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*")

_NAME = re.compile(r"[^./\\\s][^/\\\t\n\r]*")


def check_task(task: Task) -> None:
    """Check that a task can be read, trained, scored and written down.

    Raises:
        InputError: A field is of another type than it says, empty or repeated; the metric is unknown or of another
            kind; a name could not stand in a file or its name; a number is out of range.
    """
    for problem in _problems(task):
        raise InputError(f"Task {task.name!r}: {problem}")


def _problems(task: Task) -> Iterator[str]:
    """What is wrong, in an order in which each check can rely on those before it."""
    for field in ("name", "title", "label_column", "source_language", "metric"):
        value = getattr(task, field)
        if not isinstance(value, str) or not value.strip():
            yield f"{field} is {value!r}. Give a string that is not empty."
    if not _NAME.fullmatch(task.name):
        yield "the name cannot be that of a folder. Give one without '/', '\\' and a dot at the start."
    for field in ("text_columns", "labels", "languages", "unlabelled"):
        if problem := _names_problem(getattr(task, field), needed=field != "unlabelled"):
            yield f"{field} {problem}"
    if task.kind not in ("sequence", "token"):
        yield f"kind is {task.kind!r}. Choose 'sequence' (a label for a text) or 'token' (a label for each word)."
    if get_metric(task.metric).kind != task.kind:
        yield f"{task.metric} does not score {task.kind} tasks. Choose another metric."
    if task.hub is not None and not hasattr(task.hub, "locate"):
        yield f"hub is {task.hub!r}. Give a HubSource, such as HubSource('organisation/name')."
    checks = (_type_problem, _columns_problem, _labels_problem, _languages_problem, _numbers_problem)
    yield from filter(None, (check(task) for check in checks))


def _type_problem(task: Task) -> str | None:
    if task.problem_type not in ((SINGLE_LABEL,) if task.kind == "token" else PROBLEM_TYPES):
        return f"problem_type is {task.problem_type!r}. Choose from {quoted(PROBLEM_TYPES)}; of words only the first."
    if task.problem_type not in get_metric(task.metric).problems:
        fitting = [name for name, metric in METRICS.items() if task.problem_type in metric.problems]
        fitting = [name for name in fitting if METRICS[name].kind == task.kind]
        return f"{task.metric} does not score {task.problem_type}. Choose from {quoted(fitting)}."
    return None


def _names_problem(names: object, needed: bool) -> str | None:
    """What is wrong with a field of several names."""
    if isinstance(names, str):
        return f'is the string {names!r}, which would be read letter by letter. Write ("{names}",).'
    if not isinstance(names, tuple):
        return f"is {names!r}. Give a tuple of strings."
    if needed and not names:
        return "is empty. Name at least one."
    wrong = [name for name in names if not isinstance(name, str) or not name.strip()]
    if wrong:
        return f"holds {wrong[0]!r}. Every entry is a string that is not empty."
    repeated = sorted({name for name in names if names.count(name) > 1})
    return f"has {quoted(repeated)} more than once. Name each once." if repeated else None


def _columns_problem(task: Task) -> str | None:
    if task.label_column in task.text_columns:
        return f"'{task.label_column}' is both a text column and the label column. Name another."
    if task.kind == "token" and len(task.text_columns) != 1:
        return "it labels words, so it has one text column, of the words."
    if len(task.text_columns) > 2:
        return f"an encoder reads one text or two, but there are {len(task.text_columns)} text columns. Join some."
    return None


def _labels_problem(task: Task) -> str | None:
    if task.problem_type == REGRESSION and len(task.labels) > 1:
        return f"there are {len(task.labels)} labels. A regression has one, the name of its number."
    if task.problem_type == MULTI_LABEL and any("|" in label for label in task.labels):
        return "a label holds '|', which stands between the labels of an example. Rename it."
    if task.problem_type != REGRESSION and len(task.labels) < 2:
        return f"there is one label, {quoted(task.labels)}. A classifier needs at least two."
    # Labels are read without the spaces around them, and written into tables with tabs.
    odd = [label for label in task.labels if label != label.strip() or re.search(r"[\t\n\r]", label)]
    if odd:
        return f"the label {odd[0]!r} has white space at an end, or a tab or line break. Remove it."
    both = [label for label in task.labels if label in task.unlabelled]
    return f"{quoted(both)} cannot be a label and stand for words without one." if both else None


def _languages_problem(task: Task) -> str | None:
    wrong = [code for code in (*task.languages, task.source_language) if not _CODE.fullmatch(code) or code == "all"]
    if wrong:
        return f"'{wrong[0]}' is not a language code. Give codes such as 'de' or 'pt-BR', which can name a file."
    return None


def _numbers_problem(task: Task) -> str | None:
    for field in ("max_length", "num_train_epochs", "batch_size"):
        value = getattr(task, field)
        if type(value) is not int or value < 1:
            return f"{field} is {value!r}. Give a whole number of 1 or more."
    rate = task.learning_rate
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not (math.isfinite(rate) and rate > 0):
        return f"learning_rate is {rate!r}. Give a number above 0."
    return None
