"""What to measure, on what, and how long."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modeling_dlfa.data.loading import expand_files
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import XNLI

from .harness import Effort

if TYPE_CHECKING:
    import torch

# bert-base-multilingual-cased, but for the vocabulary, which the file gives; and a size for tests.
SIZES: dict[str, dict[str, Any]] = {
    "mbert": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "tiny": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64},
}


@dataclass(frozen=True)
class Scale:
    """How much is computed: enough for a median in a quick run, or for a figure that one cites.

    Attributes:
        effort: Of a comparison within this process.
        process_effort: Of one between processes.
        curve_effort: Of a curve whose points are processes.
        fusion_batch: Examples of a batch where models are compared on a CPU.
        steps: Optimiser steps of a training.
        rows: Rows of each language where languages are evaluated.
        official_languages: How many languages the official path evaluates; the others are extrapolated.
        examples: Examples to predict from a file.
        lengths: Sentence lengths, in tokens.
        batches: Batch sizes.
        language_counts: Numbers of languages.
        processes: Numbers of processes.
    """

    effort: Effort
    process_effort: Effort
    curve_effort: Effort
    fusion_batch: int
    steps: int
    rows: int
    official_languages: int
    examples: int
    lengths: tuple[int, ...]
    batches: tuple[int, ...]
    language_counts: tuple[int, ...]
    processes: tuple[int, ...]


QUICK = Scale(
    effort=Effort(6, least=3),
    process_effort=Effort(0, least=2),
    curve_effort=Effort(0, least=1),
    fusion_batch=8,
    steps=4,
    rows=16,
    official_languages=1,
    examples=48,
    lengths=(16, 64, 128),
    batches=(1, 4, 16),
    language_counts=(1, 5, 15),
    processes=(1, 2),
)
FULL = Scale(
    effort=Effort(180, least=15, most=500),
    process_effort=Effort(0, least=5),
    curve_effort=Effort(0, least=3),
    fusion_batch=32,
    steps=40,
    rows=200,
    official_languages=15,
    examples=512,
    lengths=(16, 32, 64, 128, 256, 512),
    batches=(1, 2, 4, 8, 16, 32, 64),
    language_counts=(1, 2, 4, 8, 15),
    processes=(1, 2, 4),
)


@dataclass
class Settings:
    """Arguments of the benchmark."""

    train_file: str = field(metadata={"help": "English NLI training data: TSV with premise, hypothesis and label."})
    test_file: str = field(metadata={"help": "XNLI files; {language} in the name stands for the language code."})
    vocab_file: str = field(metadata={"help": "mBERT's vocabulary, a word piece a line, for real token lengths."})
    output_dir: str = field(
        default="bench", metadata={"help": "Where the table, its JSON and the figure are written."}
    )
    only: list[str] | None = field(
        default=None,
        metadata={
            "help": "Some of fusion, training, evaluation, startup, prediction, options, scaling, sweep, profile."
        },
    )
    full: bool = field(default=False, metadata={"help": "Measure for long, and more."})
    size: str = field(default="mbert", metadata={"help": "mbert, or tiny to see the benchmark itself work."})
    device: str | None = field(default=None, metadata={"help": "cpu or cuda; the GPU, if there is one, if left out."})
    batch_size: int = field(default=32, metadata={"help": "Of training, both ways."})
    steps: int | None = field(default=None, metadata={"help": "Optimiser steps of a training."})
    rows: int | None = field(default=None, metadata={"help": "Rows of each language where languages are evaluated."})
    examples: int | None = field(default=None, metadata={"help": "Examples to predict from a file."})
    rounds: int | None = field(default=None, metadata={"help": "Rounds of every comparison, instead of a time."})
    peak_tflops: float | None = field(
        default=None, metadata={"help": "bf16 peak of the device in TFLOP/s, where its name does not tell it."}
    )

    @property
    def torch_device(self) -> torch.device:
        """The device as torch names it."""
        import torch

        from modeling_dlfa.inference.predictor import best_device

        return torch.device(self.device or best_device())

    @property
    def device_batch(self) -> int:
        """Examples of a batch where models are compared: enough to fill a card, few enough for a CPU."""
        return 8 * self.batch_size if self.torch_device.type == "cuda" else self.scale.fusion_batch

    @property
    def scale(self) -> Scale:
        """How much is computed: quick or full, with what was given over it."""
        scale = FULL if self.full else QUICK
        given = {
            name: getattr(self, name) for name in ("steps", "rows", "examples") if getattr(self, name) is not None
        }
        if self.rounds is not None:
            effort = Effort(0, least=self.rounds, most=self.rounds)
            given |= dict.fromkeys(("effort", "process_effort", "curve_effort"), effort)
        return replace(scale, **given)

    def check(self) -> None:
        """Checks what can be checked before any work.

        Raises:
            InputError: A file is missing, or a value makes no sense.
        """
        if self.size not in SIZES:
            raise InputError(f"--size {self.size} does not exist; choose from {', '.join(SIZES)}.")
        wanted = "Data are TSV files as described in docs/benchmarks.md; with make, set DATA."
        for name in ("train_file", "vocab_file"):
            if not Path(getattr(self, name)).is_file():
                raise InputError(f"--{name} {getattr(self, name)}: there is no such file. {wanted}")
        expand_files(self.test_file, XNLI.languages)
        for name in ("batch_size", "steps", "rows", "examples", "rounds"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"--{name} {value}: give 1 or more.")
        import torch

        try:
            torch.empty(0, device=self.torch_device)
        except (RuntimeError, AssertionError, ValueError) as error:
            raise InputError(f"--device {self.device}: {str(error).splitlines()[0]}.") from error
        if self.torch_device.type not in ("cpu", "cuda"):
            raise InputError(f"--device {self.device}: memory is known for cpu and cuda alone. Choose one of them.")
