"""How much each token takes from the lower layers: the gate of one input, as text and as a picture."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from ..checkpoints.loading import cannot_load, load_tokenizer
from ..checkpoints.models import MODEL_CLASSES, glyph_name, longest_input
from ..configuration_dlfa import DlfaConfig
from ..errors import InputError
from ..files.places import check_place
from ..modeling_dlfa import DlfaModel
from ..pages.figures import PALETTE, new_figure, write_figure
from .columns import check_given

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BAR = 30  # characters
_EIGHTHS = " ▏▎▍▌▋▊▉"
_LAST = "#c8c8c8"


@dataclass(frozen=True)
class FusionView:
    """The gate of one input.

    Attributes:
        tokens: The T tokens: the part of the text that each covers, or a special token's name.
        shares: T x S, averaged over features. Of the `"select"` gate the share of each lower layer and, with `glyphs`,
            of the token's look, the rest being the last layer's; of the `"excite"` gate, S = 1, by how much the sum
            of all is scaled.
        layers: The lower layers' numbers, as in `hidden_states`.
        is_share: Whether it is the `"select"` gate.
        reads_first: Whether the head reads the first token alone.
        cut: Whether the input was longer than the model reads.
        glyphs: `"glyphs"` if what the tokens look like is fused, too, or the control in its place; None for neither.
        places: Where each token stands: number of the text, first character, character after the last; None for a
            special token.
    """

    tokens: list[str]
    shares: NDArray[np.float64]
    layers: list[int]
    is_share: bool
    reads_first: bool
    cut: bool
    glyphs: str | None = None
    places: list[tuple[int, int, int] | None] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """What each column of `shares` is."""
        if not self.is_share:
            return ["scale of the sum"]
        layers = [f"layer {layer}" if layer else "embeddings" for layer in self.layers]
        return [*layers, self.glyphs] if self.glyphs else layers


def load_fusion(name: str, **hub_arguments: Any) -> tuple[DlfaModel, PreTrainedTokenizerBase]:
    """Loads a DLFA checkpoint, whatever its head, and its tokenizer, with this package's own code.

    Args:
        name: Folder or Hub id.
        hub_arguments: `revision`, `token`, `cache_dir`.

    Raises:
        InputError: It cannot be read, or its fusion has no gate.
    """
    check_place("The checkpoint", name)
    try:
        config: Any = DlfaConfig.from_pretrained(name, **hub_arguments)
        # Loaded with its head: without it transformers would warn about unused weights.
        known = (
            model_class
            for model_class in MODEL_CLASSES.values()
            if model_class.__name__ in (config.architectures or ())
        )
        model_class: Any = next(known, DlfaModel)
        model: DlfaModel = model_class.from_pretrained(name, dtype=torch.float32, **hub_arguments).base_model
    except (OSError, ValueError) as error:
        raise cannot_load(name, error) from error
    tokenizer = load_tokenizer(name, config, trust_remote_code=False, **hub_arguments)
    check_gate(name, model.config, tokenizer)
    return model, tokenizer


def check_gate(name: str, config: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuses a DLFA checkpoint of which no gate can be shown.

    Args:
        name: Folder or Hub id, for the message.
        config: Its configuration.
        tokenizer: Its tokenizer.

    Raises:
        InputError: Its fusion has no gate, or its tokenizer does not tell where tokens stand.
    """
    if config.fusion != "aif":
        raise InputError(
            f"{name} was trained with fusion={config.fusion!r}, which has no gate to show. Give a checkpoint "
            "that was trained with fusion='aif'."
        )
    if not tokenizer.is_fast:
        raise InputError(f"{type(tokenizer).__name__} cannot tell where a token stands in the text. Use a fast one.")


@torch.inference_mode()
def view_fusion(
    model: DlfaModel, tokenizer: PreTrainedTokenizerBase, text: str, text_pair: str | None = None
) -> FusionView:
    """Computes the gate for a text or a pair.

    Args:
        model: Of `load_fusion`.
        tokenizer: Of the same checkpoint, a fast one.
        text: The text.
        text_pair: The second one, for checkpoints that take pairs.

    Raises:
        InputError: A text is blank, or the checkpoint reads another number of texts.
    """
    config: Any = model.config
    texts = [text] if text_pair is None else [text, text_pair]
    if not all(entry.strip() for entry in texts):
        raise InputError("There is a blank text. Give one text, or two, of at least a word each.")
    check_given(texts, tuple(getattr(model.config, "text_columns", None) or ()), "The input")
    limit = min(tokenizer.model_max_length, longest_input(model.config))
    encoded = tokenizer(*texts, truncation="longest_first", max_length=limit, verbose=False)
    (encoding,) = encoded.encodings
    inputs = {key: torch.tensor([value], device=model.device) for key, value in encoded.items()}
    gate = model(**inputs, output_fusion_weights=True, return_dict=True).fusion_weights[0].double().cpu().numpy()
    is_share = model.config.gate == "select"
    shares = gate[:, None] if gate.ndim == 1 else gate[:, 1:]
    names = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    tokens = [
        name if part is None else texts[part][start:end] or name
        for name, part, (start, end) in zip(names, encoding.sequence_ids, encoding.offsets, strict=True)
    ]
    return FusionView(
        tokens=tokens,
        shares=1 - shares if is_share and gate.ndim == 1 else shares,
        layers=list(model.config.fusion_layers),
        is_share=is_share,
        reads_first=model.pooler is not None and model.config.pooling == "cls",
        cut=bool(encoding.overflowing),
        glyphs=glyph_name(config),
        places=[
            None if part is None else (part, start, end)
            for part, (start, end) in zip(encoding.sequence_ids, encoding.offsets, strict=True)
        ],
    )


def fusion_text(view: FusionView) -> str:
    """Returns a line a token: its number, what it takes from each lower layer, a bar of the sum, the token.

    The token comes last, and one of a right-to-left script in marks that keep it apart, so that numbers and bars stay
    in their columns; a mark that has lost its letter stands on a dotted circle.
    """
    beside = (["lower layers"] if view.layers else []) + ([view.glyphs] if view.glyphs else [])
    what = f"share of the {' and the '.join(beside)}" if view.is_share else "scale of the sum of the streams"
    lines = [f"{what}, mean over features" + ("; the classifier reads only token 0" if view.reads_first else "")]
    lines[0] += "; the input is longer than the model reads, and is cut" if view.cut else ""
    width = max(len(name) for name in view.names)
    lines.append("  #  " + "  ".join(f"{name:>{width}}" for name in view.names))
    for index, (token, row) in enumerate(zip(view.tokens, view.shares, strict=True)):
        numbers = "  ".join(f"{share:>{width}.3f}" for share in row)
        lines.append(f"{index:>3}  {numbers}  {_bar(row.sum())}  {_shown(token)}")
    return "\n".join(lines) + "\n"


def _bar(share: float) -> str:
    eighths = round(min(max(share, 0.0), 1.0) * _BAR * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()).ljust(_BAR)


def _shown(token: str) -> str:
    token = "".join(
        f"\\u{ord(c):04x}" if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c
        for c in token.strip() or token
    )
    if token and unicodedata.category(token[0]).startswith("M"):
        token = "\u25cc" + token
    return f"\u2068{token}\u2069" if _is_right_to_left(token) else token


def _is_right_to_left(text: str) -> bool:
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)


def drawable(token: str) -> bool:
    """Returns whether matplotlib's default font can draw a token correctly.

    It lacks glyphs for Chinese, Thai and Devanagari, and would draw Arabic unjoined and left to right.
    """
    from matplotlib.font_manager import FontProperties, findfont, get_font

    known = get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap()
    plain = all(ord(character) in known and not unicodedata.combining(character) for character in token)
    return plain and bool(token.strip()) and not _is_right_to_left(token)


def plot_fusion(view: FusionView, path: str | Path) -> int:
    """Draws a bar a token as a PNG; a token that the font cannot write has its number alone.

    Args:
        view: What to draw.
        path: The file; its folder is made.

    Returns:
        How many tokens stand there by number alone: `fusion_text` names them.
    """
    can = [drawable(token) for token in view.tokens]
    write_figure(lambda: _bars(view, can), Path(path))
    return len(can) - sum(can)


def _bars(view: FusionView, can: Sequence[bool]) -> Figure:
    """The bars; `can` tells which tokens the font writes."""
    rows = np.arange(len(view.tokens))
    figure = new_figure(7, 1.2 + 0.22 * len(rows))
    axes = figure.subplots()
    left = np.zeros(len(rows))
    for index, name in enumerate(view.names):
        axes.barh(rows, view.shares[:, index], left=left, color=PALETTE[index % len(PALETTE)], label=name)
        left = left + view.shares[:, index]
    if view.is_share:
        axes.barh(rows, 1 - left, left=left, color=_LAST, label="last layer")
    axes.set_yticks(
        rows,
        [f"{token}  {row}" if good else f"{row}" for row, token, good in zip(rows, view.tokens, can, strict=True)],
    )
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    note = "" if all(can) else "\nnumbers without a token: scripts that this font cannot write, see the text"
    axes.set_xlabel(("share of each stream" if view.is_share else "scale of the sum of the streams") + note)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure
