"""A masked language model in two parts: what it makes of each token, and the decoder over the vocabulary."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedTokenizerBase
from transformers.utils import logging

from ..checkpoints.loading import cannot_load, load_tokenizer
from ..checkpoints.models import longest_input
from ..errors import InputError
from ..files.places import check_place


def load_masked_lm_tokenizer(name: str, option: str) -> PreTrainedTokenizerBase:
    """Loads the tokenizer of a masked language model.

    Args:
        name: Folder or Hub id.
        option: Where it was given.

    Raises:
        InputError: It cannot be loaded, or has no token for a mask or for padding.
    """
    check_place(option, name)
    try:
        config = AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise cannot_load(name, error) from error
    tokenizer = load_tokenizer(name, config)
    for kind in ("mask", "pad"):
        if getattr(tokenizer, f"{kind}_token_id") is None:
            raise InputError(f"The tokenizer of {name} has no {kind} token: it is not a masked language model's.")
    tokenizer.model_max_length = min(tokenizer.model_max_length, longest_input(config))
    return tokenizer


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Spares the user a report of what a head lacks: here it is either wanted or an error."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


class MaskedLM:
    """A model whose head is asked for some positions and some pieces alone; whole logits would fill the memory.

    Args:
        name: Folder or Hub id.
        new_head: Whether an encoder without a head may be loaded, whose head is then new.
        device: Where it computes.

    Attributes:
        whole: The model, whose `logits` are what its decoder would be given (B x T x H), until `put_decoder`.
        decoder: The decoder, V x H; its weights are the word embeddings in most models.
        tied: Whether they are.
        new: Whether the head is new.

    Raises:
        InputError: It cannot be loaded, its head is missing, or its decoder is not a linear map.
    """

    def __init__(self, name: str, *, new_head: bool = False, device: str | torch.device = "cpu") -> None:
        try:
            with _quiet():
                options: dict[str, Any] = {"output_loading_info": True, "dtype": torch.float32}
                loaded, info = cast(Any, AutoModelForMaskedLM.from_pretrained(name, **options))
        except (OSError, ValueError, KeyError) as error:
            raise cannot_load(name, error) from error
        self.whole: Any = loaded.eval().to(device)
        missing = sorted(key if isinstance(key, str) else key[0] for key in info["missing_keys"])
        if missing and not new_head:
            raise InputError(
                f"{name} has no head of a masked language model: it lacks {missing[0]}. Name one that has, or train a "
                "head by dlfa fit-mlm-head."
            )
        decoder = loaded.get_output_embeddings()
        path = next((path for path, module in loaded.named_modules() if module is decoder), None)
        if path is None or not isinstance(decoder, nn.Linear):
            raise InputError(f"The head of {name} ({type(loaded).__name__}) has no linear decoder to take apart.")
        self.new, self.decoder = bool(missing), decoder
        self.tied = decoder.weight is loaded.get_input_embeddings().weight
        self._path = path
        self.take_decoder()
        self._check()

    def take_decoder(self) -> None:
        """Takes the decoder out, so that the model returns what it would be given."""
        self._set(nn.Identity())

    def put_decoder(self) -> Any:
        """Puts the decoder back in its place and returns the whole model."""
        self._set(self.decoder)
        return self.whole

    def _set(self, module: nn.Module) -> None:
        parent, _, name = self._path.rpartition(".")
        setattr(self.whole.get_submodule(parent) if parent else self.whole, name, module)

    def _check(self) -> None:
        """Refuses a head that does more than its decoder after what is taken from it."""
        ids = torch.arange(4, device=self.decoder.weight.device).unsqueeze(0)
        with torch.no_grad():
            apart = self.decoder(self.features({"input_ids": ids}))
            whole = self.put_decoder()(input_ids=ids).logits
        self.take_decoder()
        if not torch.allclose(apart, whole, atol=1e-4, rtol=1e-3):
            raise InputError(f"The head of {type(self.whole).__name__} cannot be taken apart. Use another model.")

    def features(self, inputs: dict[str, Tensor]) -> Tensor:
        """Returns what the decoder is given, B x T x H.

        Args:
            inputs: What the tokenizer gives, B x T each.
        """
        features: Tensor = self.whole(**inputs).logits
        return features

    def logits(self, features: Tensor, ids: Tensor) -> Tensor:
        """Returns logits, N x M.

        Args:
            features: N x H.
            ids: M pieces.
        """
        bias = None if self.decoder.bias is None else self.decoder.bias[ids]
        return nn.functional.linear(features, self.decoder.weight[ids], bias)
