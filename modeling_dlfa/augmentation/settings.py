"""What the teacher is asked, and how: the options that switched words and mixed embeddings have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import InputError, quoted
from ..languages import get_language

CANDIDATES = ("teacher", "random", "same_language")
MASKING = ("mask", "none", "prompt")
LANGUAGE_CHOICES = ("even", "teacher")


@dataclass(frozen=True)
class Settings:
    """Which words are asked for, what the teacher reads, and what it may answer.

    Attributes:
        teacher: Folder or Hub id of a masked language model; with random candidates its tokenizer alone is read.
        languages: Codes of the target languages.
        language_text: Name of files of unlabelled text, in which `{language}` stands for the code, of the target
            languages and of the task's own. Needed where languages share a script with it.
        candidates: `"teacher"`; or a control: `"random"`, any pieces of the target languages, by their frequency
            in the text; `"same_language"`, the teacher's, of the task's own language.
        masking: What stands in place of a word: `"mask"`; `"none"`, the word, which is then one piece;
            `"prompt"`, the mask, behind a copy of the whole input without it.
        top_k: How many pieces are kept for a word.
        temperature: By which the teacher's logits are divided.
        language_choice: `"even"`: a target language is drawn for each word, all alike; `"teacher"`: pieces of all of
            them are ranked together.
        switch_probability: Share of the words that can be switched.
        seed: Seed of every draw.
        batch_size: Inputs that the teacher reads at once.
        max_length: Longest input in tokens; the task's if None.
        max_train_samples: Take only the first rows.

    Raises:
        InputError: A value does not exist or has no effect.
    """

    teacher: str
    languages: Sequence[str] = ()
    language_text: str | None = None
    candidates: str = "teacher"
    masking: str = "mask"
    top_k: int = 10
    temperature: float = 1.0
    language_choice: str = "even"
    switch_probability: float = 0.15
    seed: int = 0
    batch_size: int = 32
    max_length: int | None = None
    max_train_samples: int | None = None

    def __post_init__(self) -> None:
        choices = {"candidates": CANDIDATES, "masking": MASKING, "language_choice": LANGUAGE_CHOICES}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise InputError(f"--{name} {getattr(self, name)} does not exist; choose from {', '.join(known)}.")
        for name in ("top_k", "batch_size", "max_length", "max_train_samples"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise InputError(f"--{name} {value}: give 1 or more.")
        if not self.temperature > 0:
            raise InputError(f"--temperature {self.temperature}: give a number above 0; 1 keeps the teacher's own.")
        if not 0 < self.switch_probability <= 1:
            raise InputError(
                f"--switch_probability {self.switch_probability}: give a number above 0, and up to 1 for all words."
            )
        if self.candidates == "same_language" and self.languages:
            raise InputError("--languages has no effect with --candidates same_language. Remove it.")
        if self.candidates != "same_language" and not self.languages:
            raise InputError("--languages: name the target languages, such as de ru zh.")
        unknown = [code for code in self.languages if not get_language(code).script]
        if unknown:
            raise InputError(f"--languages: the script of {quoted(unknown)} is not known. Leave them out.")

    def record(self) -> dict[str, Any]:
        """Returns the values as JSON holds them."""
        return {**asdict(self), "languages": list(self.languages)}
