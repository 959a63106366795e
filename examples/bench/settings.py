"""What to measure, on what, and for how long."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modeling_dlfa.data.loading import expand_files
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import XNLI

if TYPE_CHECKING:
    import torch

# bert-base-multilingual-cased but for the vocabulary, which the file gives; and a size for tests.
SIZES: dict[str, dict[str, Any]] = {
    "mbert": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "tiny": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64},
}
# Quick, and in full: enough for a median, or for a figure that one cites.
AMOUNTS = {"rounds": (5, 15), "starts": (2, 5), "steps": (4, 40), "rows": (16, 200), "examples": (48, 512)}


@dataclass
class Settings:
    """Arguments of the benchmark."""

    train_file: str = field(metadata={"help": "English NLI training data: TSV with premise, hypothesis and label."})
    test_file: str = field(metadata={"help": "XNLI files; {language} in the name stands for the language code."})
    vocab_file: str = field(metadata={"help": "mBERT's vocabulary, a word piece a line, for real token lengths."})
    output_dir: str = field(default="bench", metadata={"help": "Where the table and its JSON are written."})
    overwrite: bool = field(default=False, metadata={"help": "Replace an earlier benchmark there."})
    only: list[str] | None = field(
        default=None,
        metadata={"help": "Some of fusion, glyphs, mixup, training, evaluation, loading, prediction, trimming."},
    )
    full: bool = field(default=False, metadata={"help": "Measure for longer."})
    size: str = field(default="mbert", metadata={"help": "mbert, or tiny to try the benchmark itself."})
    device: str | None = field(default=None, metadata={"help": "cpu or cuda; by default the GPU if there is one."})
    batch_size: int = field(default=32, metadata={"help": "Of training, both ways."})
    rounds: int | None = field(default=None, metadata={"help": "Rounds of a comparison within one process."})
    starts: int | None = field(default=None, metadata={"help": "Rounds of a comparison between processes."})
    steps: int | None = field(default=None, metadata={"help": "Optimiser steps of a training."})
    rows: int | None = field(default=None, metadata={"help": "Rows of a language to evaluate."})
    examples: int | None = field(default=None, metadata={"help": "Examples to predict from a file."})

    @property
    def torch_device(self) -> torch.device:
        """The device as torch names it."""
        import torch

        from modeling_dlfa.inference.predictor import best_device

        return torch.device(self.device or best_device())

    @property
    def device_batch(self) -> int:
        """Examples of a batch where models are compared: enough to fill a card, few enough for a CPU."""
        return 8 * self.batch_size if self.torch_device.type == "cuda" else max(1, self.batch_size // 4)

    def amount(self, name: str) -> int:
        """Returns how many rounds, starts, steps, rows or examples: as given, else by `--full`."""
        given: int | None = getattr(self, name)
        return AMOUNTS[name][self.full] if given is None else given

    def check(self) -> None:
        """Checks what can be checked before any work.

        Raises:
            InputError: A file is missing, or a value makes no sense.
        """
        import torch

        if self.size not in SIZES:
            raise InputError(f"--size {self.size} does not exist; choose from {', '.join(SIZES)}.")
        for name in ("train_file", "vocab_file"):
            if not Path(getattr(self, name)).is_file():
                raise InputError(f"--{name} {getattr(self, name)} does not exist; see docs/benchmarks.md.")
        expand_files(self.test_file, XNLI.languages)
        for name in ("batch_size", *AMOUNTS):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"--{name} {value}: give 1 or more.")
        try:
            torch.empty(0, device=self.torch_device)
        except (RuntimeError, AssertionError, ValueError) as error:
            raise InputError(f"--device {self.device}: {str(error).splitlines()[0]}.") from error
        if self.torch_device.type not in ("cpu", "cuda"):
            raise InputError(f"--device {self.device}: memory is known for cpu and cuda alone. Choose one of them.")
