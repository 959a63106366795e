"""What the page shows for one input: the answers of DLFA and of its baseline, and the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..configuration_dlfa import DlfaConfig
from ..errors import InputError
from ..inference.answers import REGRESSION
from ..inference.checkpoint import Checkpoint, backend_of
from ..inference.gate_view import FusionView, check_gate, view_fusion
from ..inference.predictor import Predictor, best_device

MAX_CHARACTERS = 2000  # of one text


@dataclass(frozen=True)
class Scores:
    """What one system says of one text or word.

    Attributes:
        chosen: Its label, or labels; empty of a regression.
        values: A probability for each label or, of a regression, its numbers.
    """

    chosen: tuple[str, ...]
    values: Mapping[str, float]


@dataclass(frozen=True)
class Answer:
    """What is to be shown for an input.

    Attributes:
        texts: What was asked, one text or two; of a tagger its words with single spaces between.
        scores: Of each system, for the text or pair; empty of a tagger.
        words: Each word with what each system says of it; empty of a classifier of texts.
        view: The gate; None where there is none.
        cut: Whether a text was longer than the checkpoint reads.
    """

    texts: tuple[str, ...]
    scores: tuple[Scores, ...]
    words: tuple[tuple[str, tuple[Scores, ...]], ...]
    view: FusionView | None
    cut: bool


class Answerer:
    """A DLFA checkpoint, and its baseline if there is one, ready to answer.

    Args:
        checkpoint: Folder or Hub id of a DLFA classifier of texts or words.
        baseline: Folder or Hub id of a classifier with the same labels.
        trust_remote_code: Whether a baseline that is not DLFA's may run the code that lies beside it.
        device: For PyTorch; the accelerator if there is one, else the CPU, if None.
        revision: Branch, tag or commit of the checkpoint on the Hub.

    Attributes:
        checkpoint: The checkpoint.
        baseline: The baseline, or None.
        systems: Names of what is compared.
        is_token: Whether words are labelled.
        is_share: Whether the scores are probabilities.
        fields: Names of the texts to ask for; the last one may be left blank if `second_optional`.
        second_optional: Whether the checkpoint does not say if it reads one text or two.
        no_gate: Why no gate can be shown; empty if it can.

    Raises:
        InputError: One of them cannot be read, the first one is not DLFA's, or their labels differ.
    """

    def __init__(
        self,
        checkpoint: str,
        baseline: str | None = None,
        *,
        trust_remote_code: bool = False,
        device: str | None = None,
        revision: str | None = None,
    ) -> None:
        self.checkpoint = Checkpoint.of(checkpoint, revision=revision) if revision else Checkpoint.of(checkpoint)
        config: Any = self.checkpoint.config
        if not isinstance(config, DlfaConfig):
            raise InputError(
                f"{checkpoint} is a checkpoint of {config.model_type}, not of DLFA. Give a DLFA checkpoint, and this "
                "one with --baseline."
            )
        self.baseline = Checkpoint.of(baseline, trust_remote_code=trust_remote_code) if baseline else None
        if self.baseline is not None:
            _check_same(self.checkpoint, self.baseline)
        try:
            check_gate(checkpoint, config, self.checkpoint.tokenizer)
            self.no_gate = ""
        except InputError as error:
            self.no_gate = str(error)
        self.is_token = self.checkpoint.kind == "token"
        self.is_share = self.checkpoint.head.problem != REGRESSION
        named = [name.replace("_", " ").capitalize() for name in self.checkpoint.text_columns]
        self.second_optional = not self.is_token and not named
        self.fields = ("Sentence",) if self.is_token else tuple(named) or ("Text", "Second text")
        self.systems = ("DLFA", "Baseline") if self.baseline else ("DLFA",)
        device = device or best_device()
        model: Any = self.checkpoint.load_model(device)
        self._encoder = model.base_model
        self._predictors = [Predictor(self.checkpoint, backend_of(model))]
        if self.baseline is not None:
            self._predictors.append(Predictor(self.baseline, device=device))

    def __call__(self, *texts: str) -> Answer:
        """Answers a text, a pair of texts or a sentence.

        Args:
            texts: As many as `fields`.

        Raises:
            InputError: A text is blank or too long.
        """
        given = [text.strip() for text in texts]
        if self.second_optional and len(given) == 2 and not given[1]:
            given = given[:1]
        for name, text in zip(self.fields, given, strict=False):
            if not text:
                raise InputError(f"{name} is blank. Write at least a word.")
            if len(text) > MAX_CHARACTERS:
                raise InputError(
                    f"{name} has {len(text):,} characters, and this page reads up to {MAX_CHARACTERS:,}. Shorten it."
                )
        if self.is_token:
            given = [" ".join(given[0].split())]
        asked: Any = given[0].split() if self.is_token else given
        before = [predictor.shortened for predictor in self._predictors]
        records = [predictor([asked])[0] for predictor in self._predictors]
        view = None
        if not self.no_gate:
            view = view_fusion(self._encoder, self.checkpoint.tokenizer, *given)
        shortened = before != [predictor.shortened for predictor in self._predictors]
        cut = shortened or (view is not None and view.cut)
        if self.is_token:
            said = zip(*([self._scores(word) for word in record] for record in records), strict=True)
            return Answer(tuple(given), (), tuple(zip(asked, said, strict=True)), view, cut)
        return Answer(tuple(given), tuple(self._scores(record) for record in records), (), view, cut)

    def _scores(self, record: Mapping[str, Any]) -> Scores:
        """Reads one answer of a `Predictor`."""
        chosen: Sequence[str] = [record["label"]] if "label" in record else record.get("labels", ())
        values = record.get("scores") or {self.checkpoint.labels[0]: record["score"]}
        return Scores(tuple(chosen), values)


def _check_same(checkpoint: Checkpoint, baseline: Checkpoint) -> None:
    if (checkpoint.kind, checkpoint.head.problem) != (baseline.kind, baseline.head.problem):
        raise InputError(
            f"{checkpoint.name} and {baseline.name} answer different questions ({checkpoint.kind}, "
            f"{checkpoint.head.problem}; {baseline.kind}, {baseline.head.problem}). Name one of the same task."
        )
    if set(checkpoint.labels) != set(baseline.labels):
        raise InputError(
            f"The labels of {checkpoint.name} are {', '.join(checkpoint.labels)}, those of {baseline.name} "
            f"{', '.join(baseline.labels)}. Name a baseline of the same task and labels."
        )
