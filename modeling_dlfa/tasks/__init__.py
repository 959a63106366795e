"""What a task is: its languages, labels, columns, Hub source, metric and published recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import InputError
from ..scoring.metrics import SINGLE_LABEL
from .checks import check_task
from .treebanks import ENGLISH_TREEBANKS, TEST_TREEBANKS

SplitName = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class HubSource:
    """Where a task's data lies on the Hub.

    Attributes:
        dataset: Repository id of the data set.
        train_config: Configuration of the training and validation data; `{language}` stands for the language code.
            A mapping gives the configurations of each language, whose examples are put one after the other.
        test_config: The same for the test data.
        train_split: Name of the training split.
        validation_split: Name of the validation split.
        test_split: Name of the test split.
        revision: Commit, tag or branch; `None` is the default branch.
    """

    dataset: str
    train_config: str | Mapping[str, tuple[str, ...]] = "{language}"
    test_config: str | Mapping[str, tuple[str, ...]] = "{language}"
    train_split: str = "train"
    validation_split: str = "validation"
    test_split: str = "test"
    revision: str | None = None

    def locate(self, split: SplitName, language: str) -> tuple[tuple[str, ...], str]:
        """Name the configurations and the split to load.

        Args:
            split: Which data: `"train"`, `"validation"` or `"test"`.
            language: Language code.

        Returns:
            The configurations, one but for a few languages, and the split, as the Hub data set names them.

        Raises:
            InputError: If the data set has no configuration for the language.
        """
        config = self.test_config if split == "test" else self.train_config
        names = {"train": self.train_split, "validation": self.validation_split, "test": self.test_split}
        if isinstance(config, str):
            return (config.replace("{language}", language),), names[split]
        if language not in config:
            raise InputError(f"{self.dataset} has no {split} data for '{language}'; there is: {' '.join(config)}.")
        return config[language], names[split]


@dataclass(frozen=True)
class Task:
    """A cross-lingual task: labels in the source language, tests in every language.

    Attributes:
        name: Name on the command line.
        title: Name in tables and model cards.
        kind: `"sequence"` (one label for an example) or `"token"` (one for each word).
        text_columns: Columns of the text, one or two, in the order in which the tokenizer takes them; of a token task
            the one column of the words.
        label_column: Column of the label; of a token task a label for each word.
        labels: Label names, two or more (one in a regression); the position of a name is its class id.
        languages: Codes of the languages with test data, which also stand in the names of files.
        metric: Name of the metric in `scoring.metrics.METRICS`.
        aligned_rows: Whether row i is the same example, translated, in every language of the published data.
        hub: Where the data lies on the Hub; None: only files, or the data set that the user names.
        max_length: Longest input of the published recipe, in tokens.
        num_train_epochs: Passes over the training data of the published recipe.
        learning_rate: Peak learning rate of the published recipe.
        batch_size: Examples per optimiser step of the published recipe.
        source_language: Code of the language of the training data.
        unlabelled: Tags that mean "not annotated": words that have one are left out.
        problem_type: What a text's label is, as transformers names it: `"single_label_classification"`;
            `"multi_label_classification"`, any number of the labels; or `"regression"`, a number, whose name is the
            one entry of `labels`.

    Raises:
        InputError: If the definition contradicts itself (see `checks.check_task`).

    Example:
        >>> from modeling_dlfa import Task
        >>> reviews = Task(
        ...     name="reviews",
        ...     title="Reviews",
        ...     kind="sequence",
        ...     text_columns=("text",),
        ...     label_column="opinion",
        ...     labels=("bad", "good"),
        ...     languages=("en", "de"),
        ...     metric="accuracy",
        ... )
        >>> reviews.learning_rate
        2e-05
    """

    name: str
    title: str
    kind: Literal["sequence", "token"]
    text_columns: tuple[str, ...]
    label_column: str
    labels: tuple[str, ...]
    languages: tuple[str, ...]
    metric: str
    aligned_rows: bool = False
    hub: HubSource | None = None
    max_length: int = 128
    num_train_epochs: int = 5
    learning_rate: float = 2e-5
    batch_size: int = 32
    source_language: str = "en"
    unlabelled: tuple[str, ...] = ()
    problem_type: str = SINGLE_LABEL

    def __post_init__(self) -> None:
        check_task(self)


# Labels and their order: the ClassLabel of facebook/xnli. Recipe: google-research/xtreme, scripts/train_xnli.sh
# (arXiv 2003.11080), where the batch of 32 is 8 examples times 4 steps of gradient accumulation.
XNLI = Task(
    name="xnli",
    title="XNLI",
    kind="sequence",
    text_columns=("premise", "hypothesis"),
    label_column="label",
    labels=("entailment", "neutral", "contradiction"),
    languages=("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"),
    metric="accuracy",
    aligned_rows=True,
    hub=HubSource(dataset="facebook/xnli"),
    max_length=128,
    num_train_epochs=5,
    learning_rate=2e-5,
    batch_size=32,
)

# Labels: the ClassLabel of google-research-datasets/paws-x. Recipe: google-research/xtreme, scripts/train_pawsx.sh.
# Rows are translations of each other with labels of their own: in the development files 82 to 99 % of the numbers in
# row i of English are in row i of a language, under 1 % in row i + 1, and 98.4 to 99.9 % of the labels agree.
PAWSX = Task(
    name="pawsx",
    title="PAWS-X",
    kind="sequence",
    text_columns=("sentence1", "sentence2"),
    label_column="label",
    labels=("0", "1"),
    languages=("de", "en", "es", "fr", "ja", "ko", "zh"),
    metric="accuracy",
    aligned_rows=True,
    hub=HubSource(dataset="google-research-datasets/paws-x"),
)

# Labels and their order: the ClassLabel of unimelb-nlp/wikiann. Recipe: google-research/xtreme, scripts/train_panx.sh.
# Languages: the 40 of the paper (arXiv 2003.11080) and the eight of XTREME-R (arXiv 2104.07412).
PANX = Task(
    name="panx",
    title="PAN-X",
    kind="token",
    text_columns=("tokens",),
    label_column="ner_tags",
    labels=("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"),
    languages=tuple(
        "af ar az bg bn de el en es et eu fa fi fr gu he hi hu id it ja jv ka kk ko lt ml mr ms my nl pa pl pt qu ro "
        "ru sw ta te th tl tr uk ur vi yo zh".split()
    ),
    metric="f1",
    hub=HubSource(dataset="unimelb-nlp/wikiann"),
    num_train_epochs=10,
)

# Labels: UPOS; `_` stands for a multiword token whose words follow. Recipe and languages: google-research/xtreme,
# scripts/train_udpos.sh. The Hub's data have syntactic words, XTREME's have fused forms (see `data.conll`).
UDPOS = Task(
    name="udpos",
    title="UD-POS",
    kind="token",
    text_columns=("tokens",),
    label_column="upos",
    labels=tuple(
        "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split(),
    ),
    languages=tuple(TEST_TREEBANKS),
    metric="f1",
    hub=HubSource(
        dataset="universal-dependencies/universal_dependencies",
        train_config={"en": ENGLISH_TREEBANKS},
        test_config=TEST_TREEBANKS,
    ),
    num_train_epochs=10,
    unlabelled=("_",),
)

TASKS: dict[str, Task] = {task.name: task for task in (XNLI, PAWSX, PANX, UDPOS)}
_ALSO = {"ner": PANX, "pos": UDPOS}
TASK_NAMES = ("xnli", "pawsx", *_ALSO)  # As one types them; PAN-X and UD-POS go by their own names as well.


def get_task(name: str) -> Task:
    """Look up a task by its name.

    Args:
        name: A key of `TASKS`, or one of `TASK_NAMES`.

    Returns:
        The task.

    Raises:
        InputError: If there is no such task; the message lists those that exist.
    """
    try:
        return {**TASKS, **_ALSO}[name]
    except KeyError:
        raise InputError(f"There is no task '{name}'. Choose one of: {', '.join(TASK_NAMES)}.") from None
