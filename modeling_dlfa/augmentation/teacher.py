"""What may take a word's place: the pieces that a masked language model ranks first, or a control's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from ..data.files import expand_files
from ..data.places import draw
from ..errors import InputError
from .masked_lm import MaskedLM, load_masked_lm_tokenizer
from .pieces import PieceLanguages, piece_languages
from .settings import Settings
from .words import Reading, Word


class Proposal(NamedTuple):
    """What may take a word's place, the first the likeliest; fewer than asked for where the vocabulary has fewer.

    Attributes:
        ids: K pieces.
        weights: Their probabilities, K, which sum to 1.
    """

    ids: NDArray[np.int32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Question:
    """A reading and which of its words are asked for at once, each with a key of its draws."""

    reading: Reading
    words: Sequence[Word]
    keys: Sequence[str]


def drawn_group(pieces: PieceLanguages, key: str) -> int:
    """Returns the index of the language that a word's key draws, all alike."""
    return int(draw(key, "language") * len(pieces.groups))


def make_proposer(
    source: str, settings: Settings
) -> tuple[PreTrainedTokenizerBase, PieceLanguages, RandomPieces | Teacher]:
    """Loads the teacher and finds the pieces that it may answer; for random pieces its tokenizer alone.

    Args:
        source: The task's own language.
        settings: Of the command.

    Returns:
        The tokenizer, the pieces and what proposes them.

    Raises:
        InputError: The teacher cannot be loaded, or a text is missing or needed.
    """
    tokenizer = load_masked_lm_tokenizer(settings.teacher, "--teacher")
    if source in settings.languages:
        raise InputError(f"--languages names {source}, the language of the training data. Leave it out.")
    languages = list(dict.fromkeys(settings.languages)) or [source]
    needed = list(dict.fromkeys([*languages, source]))
    texts = expand_files(settings.language_text, needed) if settings.language_text else {}
    pieces = piece_languages(tokenizer, languages, source, texts)
    if settings.candidates == "random":
        return tokenizer, pieces, RandomPieces(pieces, settings)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return tokenizer, pieces, Teacher(MaskedLM(settings.teacher, device=device), tokenizer, pieces, settings)


class RandomPieces:
    """The control: pieces of the target languages, drawn by their frequency in the text, whatever the word.

    Args:
        pieces: The pieces of the target languages.
        settings: How many.
    """

    def __init__(self, pieces: PieceLanguages, settings: Settings) -> None:
        self.pieces, self.top_k = pieces, settings.top_k
        self._ids = [np.flatnonzero(pieces.owner == group) for group in range(len(pieces.groups))]
        self._sums = [np.cumsum(pieces.counts[ids]) for ids in self._ids]

    def __call__(self, questions: Sequence[Question]) -> list[list[Proposal]]:
        """Draws pieces of one language for each word, each with the same probability."""
        return [[self._draw(key) for key in question.keys] for question in questions]

    def _draw(self, key: str) -> Proposal:
        group = drawn_group(self.pieces, key)
        places = np.array([draw(key, "piece", index) for index in range(self.top_k)]) * self._sums[group][-1]
        ids = self._ids[group][np.searchsorted(self._sums[group], places, side="right")]
        return Proposal(ids.astype(np.int32), np.full(self.top_k, 1 / self.top_k, dtype=np.float32))


class Teacher:
    """A frozen masked language model.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        pieces: The pieces that it may answer.
        settings: What it reads, and how its answers are weighted.
    """

    def __init__(
        self, model: MaskedLM, tokenizer: PreTrainedTokenizerBase, pieces: PieceLanguages, settings: Settings
    ) -> None:
        self.model, self.tokenizer, self.pieces, self.settings = model, tokenizer, pieces, settings
        device = model.decoder.weight.device
        self._allowed = torch.from_numpy(pieces.allowed).to(device)
        self._owner = torch.from_numpy(pieces.owner[pieces.allowed].astype(np.int64)).to(device)
        # Where a word's own pieces stand among the allowed ones, up to case.
        self._same: dict[str, list[int]] = defaultdict(list)
        for index, piece in enumerate(pieces.allowed):
            self._same[pieces.texts[piece].casefold()].append(index)

    @torch.no_grad()
    def __call__(self, questions: Sequence[Question]) -> list[list[Proposal]]:
        """Asks for all words of all questions, inputs of similar length at once."""
        read = [self._read(question) for question in questions]
        order = sorted(range(len(read)), key=lambda index: len(read[index][0]["input_ids"]))
        answers: list[list[Proposal]] = [[] for _ in questions]
        size = self.settings.batch_size
        for batch in (order[start : start + size] for start in range(0, len(order), size)):
            asked = [index for index in batch if questions[index].words]
            if not asked:
                continue
            inputs = self.tokenizer.pad([read[index][0] for index in asked], return_tensors="pt", padding_side="right")
            features = self.model.features(dict(inputs.to(self._allowed.device)))
            rows = [row for row, index in enumerate(asked) for _ in read[index][1]]
            positions = [position for index in asked for position in read[index][1]]
            words = [
                (word.text, key)
                for index in asked
                for word, key in zip(questions[index].words, questions[index].keys, strict=True)
            ]
            proposals = iter(self._rank(features[rows, positions], words))
            for index in asked:
                answers[index] = [next(proposals) for _ in read[index][1]]
        return answers

    def _read(self, question: Question) -> tuple[dict[str, list[int]], list[int]]:
        """Returns what the teacher reads for a question, and where each word's answer stands."""
        inputs = question.reading.inputs
        if self.settings.masking == "none":
            return inputs, [word.tokens[0] for word in question.words]
        starts = {word.tokens[0]: word.tokens[1] for word in question.words}
        kept: list[int] = []
        where, token = {}, 0
        while token < len(inputs["input_ids"]):
            if token in starts:
                where[token] = len(kept)
            kept.append(token)
            token = starts.get(token, token + 1)
        masked = {name: [values[token] for token in kept] for name, values in inputs.items()}
        for position in where.values():
            masked["input_ids"][position] = int(self.tokenizer.mask_token_id)
        positions = [where[word.tokens[0]] for word in question.words]
        # The copy begins where a second text would: behind the special token that begins the first.
        dropped = int(inputs["input_ids"][0] in self.tokenizer.all_special_ids)
        copied = len(inputs["input_ids"]) - dropped
        if self.settings.masking != "prompt" or copied + len(kept) > self.tokenizer.model_max_length:
            return masked, positions
        both = {name: inputs[name] + masked[name][dropped:] for name in inputs}
        return both, [copied + position for position in positions]

    def _rank(self, features: torch.Tensor, words: Sequence[tuple[str, str]]) -> list[Proposal]:
        """Ranks the allowed pieces for each word (its text and key), given its features, N x H."""
        logits = self.model.logits(features, self._allowed).float() / self.settings.temperature
        if self.settings.language_choice == "even":
            groups = torch.tensor([drawn_group(self.pieces, key) for _, key in words], device=logits.device)
            logits.masked_fill_(self._owner[None] != groups[:, None], -torch.inf)
        for row, (text, _) in enumerate(words):
            logits[row, self._same.get(text.casefold(), [])] = -torch.inf
        top = logits.topk(min(self.settings.top_k, logits.size(1)))
        weights, ids = top.values.softmax(dim=-1).cpu().numpy(), self._allowed[top.indices].cpu().numpy()
        return [
            Proposal(own[share > 0].astype(np.int32), share[share > 0])
            for own, share in zip(ids, weights, strict=True)
        ]
