"""A checkpoint as `dlfa predict` sees it: what is known before any work, and what computes its logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ..checkpoints.loading import MODEL_FILE, cannot_load, load_tokenizer
from ..checkpoints.models import longest_input
from ..configuration_dlfa import DlfaConfig
from ..errors import InputError
from ..files.finite import check_finite
from ..files.places import check_place
from ..pretrained_dlfa import HUB_ARGUMENTS
from .answers import Head
from .onnx_runtime import OnnxGraph, OnnxLogits, find_graph

# Logits of a padded batch, float32: B x number of labels, of a token task B x T x number of labels. Any other
# runtime than PyTorch only has to provide such a function.
Backend = Callable[[Mapping[str, torch.Tensor]], NDArray[np.float32]]

AUTO_CLASSES: dict[str, Any] = {
    "sequence": AutoModelForSequenceClassification,
    "token": AutoModelForTokenClassification,
}
HEADS = {"ForSequenceClassification": "sequence", "ForTokenClassification": "token"}


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint without its weights: what is known before any work.

    Attributes:
        name: Folder or Hub id.
        options: Where and how to load from it.
        config: Its configuration.
        kind: `"sequence"` or `"token"`.
        head: What its logits mean.
        text_columns: Names of what it was trained to read, one or two; empty where it does not say.
        tokenizer: Its tokenizer.
        max_length: Longest input in tokens.
    """

    name: str
    options: Mapping[str, Any]
    config: PretrainedConfig
    kind: Literal["sequence", "token"]
    head: Head
    text_columns: tuple[str, ...]
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
            InputError: It cannot be read, has no head for texts or words, or no tokenizer that fits.
        """
        check_place("The checkpoint", name)
        if unknown := [key for key in hub_arguments if key not in HUB_ARGUMENTS]:
            known = ["trust_remote_code", "max_length", *HUB_ARGUMENTS]
            raise InputError(f"There is no argument {unknown[0]!r}. Choose from {', '.join(known)}.")
        try:
            saved, _ = PretrainedConfig.get_config_dict(name, **hub_arguments)
            # Never None: transformers would then ask on standard input, where the examples may come from.
            trust = trust_remote_code and saved.get("model_type") != DlfaConfig.model_type
            options = {**hub_arguments, "trust_remote_code": trust}
            config = AutoConfig.from_pretrained(name, **options)
        except (OSError, ValueError) as error:
            remedy = (
                "Give a folder with model and tokenizer, or a Hub id; code that lies beside a model that is not "
                "DLFA's runs only with --trust_remote_code."
            )
            raise cannot_load(name, error, remedy) from error
        tokenizer = load_tokenizer(name, config, **options)
        heads = [
            kind for ending, kind in HEADS.items() for entry in config.architectures or () if entry.endswith(ending)
        ]
        if len(heads) != 1:
            raise InputError(
                f"{name} holds {config.architectures}, not a classifier of texts or words: fine-tune it first."
            )
        is_token = heads[0] == "token"
        head = Head.of(config, name, is_token)
        columns = tuple(getattr(config, "text_columns", None) or ())
        longest = min(tokenizer.model_max_length, longest_input(config))
        special = tokenizer.num_special_tokens_to_add(pair=not is_token and len(columns) != 1)
        if max_length is not None and not special < max_length <= longest:
            raise InputError(
                f"--max_length {max_length} is not between {special + 1} and {longest}, which fit {name}."
            )
        return cls(name, options, config, heads[0], head, columns, tokenizer, max_length or longest)  # type: ignore[arg-type]

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the class ids."""
        return self.head.labels

    def load(self, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Backend:
        """Loads the weights and returns what computes logits by PyTorch; see `load_model`."""
        return backend_of(self.load_model(device, dtype))

    def load_model(self, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> PreTrainedModel:
        """Loads the weights.

        Raises:
            InputError: The weights cannot be read or are not finite, or there is no such device.
        """
        model_class = AUTO_CLASSES[self.kind]
        try:
            model = model_class.from_pretrained(self.name, dtype=dtype, use_safetensors=True, **self.options)
        except (OSError, ValueError, RuntimeError) as error:
            raise cannot_load(self.name, error) from error
        remedy = "Copy it again, or train again." if dtype != torch.float16 else "Leave out --dtype float16."
        check_finite(self.name, model.named_parameters(), remedy)
        try:
            moved: PreTrainedModel = model.eval().to(device)
        except (ValueError, RuntimeError, AssertionError, NotImplementedError) as error:
            raise cannot_load(self.name, error, f"It was to run on {device}: choose with --device.") from error
        return moved

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


def backend_of(model: PreTrainedModel) -> Backend:
    """Returns what computes the logits of a loaded model."""

    @torch.inference_mode()
    def compute(batch: Mapping[str, torch.Tensor]) -> NDArray[np.float32]:
        inputs = {name: values.to(model.device) for name, values in batch.items()}
        logits: torch.Tensor = model(**inputs, return_dict=True).logits
        return logits.float().cpu().numpy()

    return compute
