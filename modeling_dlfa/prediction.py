"""Predict a stream of examples with any checkpoint: sorted by length within a buffer, answered in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PretrainedConfig,
    PreTrainedTokenizerBase,
)

from .configuration_dlfa import DlfaConfig
from .errors import InputError
from .onnx_runtime import MODEL_FILE, OnnxGraph, OnnxLogits, find_graph
from .prediction_input import Example
from .predictions import softmax
from .systems import longest_input
from .word_windows import WordEncoder

# Logits of a padded batch, float32: B x number of labels, of a token task B x T x number of labels. Another runtime
# than PyTorch takes part by giving one of these.
Backend = Callable[[Mapping[str, torch.Tensor]], NDArray[np.float32]]

AUTO_CLASSES: dict[str, Any] = {
    "sequence": AutoModelForSequenceClassification,
    "token": AutoModelForTokenClassification,
}
HEADS = {"ForSequenceClassification": "sequence", "ForTokenClassification": "token"}


@dataclass(frozen=True)
class Prediction:
    """What an example is.

    Attributes:
        example: The example.
        probabilities: A probability for each label: as many as labels or, of a token task, words x labels.
    """

    example: Example
    probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint but for its weights: what there is to know before any work.

    Attributes:
        name: Folder or Hub id.
        options: Where and how to load from it.
        config: Its configuration.
        kind: `"sequence"` or `"token"`.
        labels: Label names in the order of the class ids.
        tokenizer: Its tokenizer.
        max_length: Longest input in tokens.
    """

    name: str
    options: Mapping[str, Any]
    config: PretrainedConfig
    kind: Literal["sequence", "token"]
    labels: tuple[str, ...]
    tokenizer: PreTrainedTokenizerBase
    max_length: int

    @classmethod
    def of(
        cls, name: str, *, trust_remote_code: bool = False, max_length: int | None = None, **hub_arguments: Any
    ) -> Checkpoint:
        """Reads configuration and tokenizer.

        Args:
            name: Folder or Hub id. A DLFA checkpoint is read with this package's code, never with its own.
            trust_remote_code: Whether a checkpoint of another kind may run the code that lies beside it.
            max_length: Longest input in tokens, if less than what the checkpoint reads.
            hub_arguments: `revision`, `token`, `cache_dir`.

        Raises:
            InputError: It cannot be read, has no head for one label an example or a word, or no tokenizer that fits.
        """
        try:
            saved, _ = PretrainedConfig.get_config_dict(name, **hub_arguments)
            # Never None: transformers would ask on standard input, from which the examples may come.
            trust = trust_remote_code and saved.get("model_type") != DlfaConfig.model_type
            options = {**hub_arguments, "trust_remote_code": trust}
            config = AutoConfig.from_pretrained(name, **options)
            tokenizer = AutoTokenizer.from_pretrained(name, **options)
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0].rstrip(".")
            raise InputError(
                f"Cannot load {name}: {reason}. Give a folder with model and tokenizer, or a Hub id; code that lies "
                "beside a model that is not DLFA's runs only with --trust_remote_code."
            ) from error
        heads = [
            kind for ending, kind in HEADS.items() for entry in config.architectures or () if entry.endswith(ending)
        ]
        if len(heads) != 1:
            raise InputError(
                f"{name} holds {config.architectures}, no classifier of texts or words: fine-tune it first."
            )
        if config.num_labels < 2 or config.problem_type not in (None, "single_label_classification"):
            raise InputError(f"{name} does not choose one of several labels (problem type {config.problem_type}).")
        longest = min(tokenizer.model_max_length, longest_input(config))
        special = tokenizer.num_special_tokens_to_add(pair=heads[0] == "sequence")
        if max_length is not None and not special < max_length <= longest:
            raise InputError(
                f"--max_length {max_length} is not between {special + 1} and {longest}, which fit {name}."
            )
        labels = tuple(config.id2label[index] for index in range(config.num_labels))
        return cls(name, options, config, heads[0], labels, tokenizer, max_length or longest)  # type: ignore[arg-type]

    def load(self, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Backend:
        """Loads the weights and returns what computes logits by PyTorch.

        Raises:
            InputError: The weights cannot be read, or there is no such device.
        """
        model_class = AUTO_CLASSES[self.kind]
        try:
            model = model_class.from_pretrained(self.name, dtype=dtype, use_safetensors=True, **self.options)
            model.eval().to(device)
        except (OSError, ValueError, RuntimeError, AssertionError) as error:
            reason = str(error).strip().splitlines()[0].rstrip(".")
            raise InputError(f"Cannot load {self.name} on {device}: {reason}.") from error

        @torch.inference_mode()
        def compute(batch: Mapping[str, torch.Tensor]) -> NDArray[np.float32]:
            logits = model(
                **{name: values.to(model.device) for name, values in batch.items()}, return_dict=True
            ).logits
            return logits.float().cpu().numpy()

        return compute

    def load_onnx(self, file: str = MODEL_FILE) -> Backend:
        """Returns what computes logits by ONNX Runtime, on the CPU.

        Args:
            file: Name of the graph beside configuration and tokenizer.

        Raises:
            InputError: ONNX Runtime is not installed, or there is no such graph of these labels.
        """
        hub = {name: value for name, value in self.options.items() if name != "trust_remote_code"}
        graph = OnnxGraph(find_graph(self.name, file, **hub))
        return OnnxLogits(graph, self.tokenizer.model_input_names, len(self.labels), f"{file} of {self.name}")


@dataclass
class Predictor:
    """Predicts examples in batches of similar length.

    Attributes:
        checkpoint: What is asked.
        backend: Computes its logits.
        batch_size: Inputs of a batch; a long sentence of words is several inputs.
        buffer_size: Examples that are read, sorted by length and answered together; memory holds no more.
        shortened: How many texts were longer than the checkpoint reads, and were cut; words never are.
    """

    checkpoint: Checkpoint
    backend: Backend
    batch_size: int = 32
    buffer_size: int = 4096
    shortened: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.buffer_size < 1:
            raise InputError("--batch_size and --buffer_size are at least 1.")
        self._collate = DataCollatorWithPadding(self.checkpoint.tokenizer)
        is_token = self.checkpoint.kind == "token"
        self._encoder = WordEncoder(self.checkpoint.tokenizer, self.checkpoint.max_length) if is_token else None

    def __call__(self, examples: Iterable[Example]) -> Iterator[Prediction]:
        """Gives a prediction for each example, in their order, a buffer at a time.

        Raises:
            InputError: See `WordEncoder`.
        """
        remaining = iter(examples)
        while buffer := list(islice(remaining, self.buffer_size)):
            answers = self._texts(buffer) if self._encoder is None else self._words(buffer, self._encoder)
            for example, answer in zip(buffer, answers, strict=True):
                yield Prediction(example, answer)

    def _texts(self, examples: list[Example]) -> list[NDArray[np.float64]]:
        tokenizer, limit = self.checkpoint.tokenizer, self.checkpoint.max_length
        inputs: list[dict[str, list[int]]] = [{} for _ in examples]
        # One text and two are not mixed in a call of the tokenizer.
        for width in (1, 2):
            chosen = [index for index, example in enumerate(examples) if len(example.texts) == width]
            if not chosen:
                continue
            columns = [[examples[index].texts[column] for index in chosen] for column in range(width)]
            encoded = tokenizer(*columns, truncation="longest_first", max_length=limit, verbose=False)
            for position, index in enumerate(chosen):
                inputs[index] = {name: values[position] for name, values in encoded.items()}
            cut = [encoding.overflowing for encoding in encoded.encodings or ()]
            self.shortened += sum(map(bool, cut))
        answers: list[Any] = [None] * len(examples)
        for index, logits in self._in_batches(inputs):
            answers[index] = softmax(logits)
        return answers

    def _words(self, examples: list[Example], encoder: WordEncoder) -> list[NDArray[np.float64]]:
        windows = [
            (row, window)
            for row, sentence in enumerate(encoder([example.texts for example in examples]))
            for window in sentence
        ]
        answers = [np.full((len(example.texts), len(self.checkpoint.labels)), np.nan) for example in examples]
        for index, logits in self._in_batches([window.inputs for _, window in windows]):
            row, window = windows[index]
            answers[row][window.words] = softmax(logits[window.positions])
        return answers

    def _in_batches(self, inputs: list[dict[str, list[int]]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Gives each input's number and logits, the longest first: a lack of memory shows at once."""
        for chosen in group_by_length([len(entry["input_ids"]) for entry in inputs], self.batch_size):
            batch = self._collate([inputs[index] for index in chosen])
            # Padding on the left would move the words; theirs is numbered from the first token.
            yield from zip(chosen, self._unpadded(self.backend(batch), batch), strict=True)

    def _unpadded(self, logits: NDArray[np.float32], batch: Mapping[str, torch.Tensor]) -> Iterator[Any]:
        if logits.ndim == 2 or self.checkpoint.tokenizer.padding_side == "right":
            yield from logits
            return
        width = logits.shape[1]
        for row, mask in zip(logits, batch["attention_mask"], strict=True):
            yield row[width - int(mask.sum()) :]


def group_by_length(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Puts inputs into batches of which at most a quarter is padding.

    Args:
        lengths: Tokens of each input.
        batch_size: Inputs of a batch at most; a batch ends sooner where the next input has less than three quarters of
            its longest one's tokens, as happens where inputs are few.

    Returns:
        Positions of the inputs, batch by batch, the longest first.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        batch = batches[-1] if batches else []
        if batch and len(batch) < batch_size and 4 * lengths[index] >= 3 * lengths[batch[0]]:
            batch.append(index)
        else:
            batches.append([index])
    return batches


def best_device() -> str:
    """Returns the accelerator of this machine, else `"cpu"`."""
    return torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"  # type: ignore[union-attr]
