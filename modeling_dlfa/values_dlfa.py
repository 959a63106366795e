"""The values that a configuration accepts. This file travels with every checkpoint."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

CHOICES = {
    "fusion": ("aif", "last", "mean", "concat", "scalar_mix", "layer"),
    "gate": ("select", "excite"),
    "fusion_norm": ("layer_norm", "rms_norm", "none"),
    "fusion_activation": ("relu", "gelu", "tanh"),
    "stream_norm": ("layer_norm", "none"),
    "pooling": ("cls", "mean"),
}
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")
# Which fusions read an option; an option that is not named works with all.
READ_BY = {
    "fusion_layers": ("aif", "mean", "concat", "layer"),
    "stream_norm": ("aif", "mean", "concat", "scalar_mix", "layer"),
    **dict.fromkeys(("gate", "reduction_ratio", "fusion_norm", "fusion_activation", "gate_init"), ("aif",)),
    **dict.fromkeys(("fusion_dropout", "output_fusion_weights"), ("aif",)),
    **dict.fromkeys(("glyph_size", "glyph_kernel_size", "glyph_table"), ("aif", "mean", "concat", "scalar_mix")),
}


def resolve_layers(fusion: str, layers: int | Sequence[int] | None, depth: int, glyphs: bool = False) -> list[int]:
    """Returns the lower layers that a fusion reads, as non-negative numbers; by default two thirds of the depth.

    Raises a ValueError for layers that are not integers, not below the last one, or not as many as the fusion reads.
    """
    if fusion in ("last", "scalar_mix"):
        return list(range(depth)) if fusion == "scalar_mix" else []
    if layers is None:
        if depth == 1:
            raise ValueError("The backbone has one block and no lower one: give fusion_layers=0 or fusion='last'.")
        return [round(2 * depth / 3)]
    resolved = [_resolve(layer, depth) for layer in (layers if isinstance(layers, Sequence) else [layers])]
    if not resolved and not glyphs:
        raise ValueError(f"fusion_layers is empty; fusion={fusion!r} needs at least one lower layer, or glyphs.")
    if len(set(resolved)) < len(resolved):
        raise ValueError(f"fusion_layers={layers!r} names a layer twice.")
    if fusion == "layer" and len(resolved) > 1:
        raise ValueError(f"fusion_layers={layers!r}, but fusion='layer' reads only one lower layer; name one.")
    return resolved


def _resolve(layer: Any, depth: int) -> int:
    if isinstance(layer, bool) or not hasattr(layer, "__index__"):
        raise ValueError(f"fusion_layers holds {layer!r}; layers are integers from 0 to {depth - 1}.")
    index = operator.index(layer)
    index = index + depth + 1 if index < 0 else index
    if not 0 <= index < depth:
        what = "names the last layer of" if index == depth else "lies outside"
        raise ValueError(
            f"fusion_layers={layer!r} {what} this {depth}-layer backbone; choose from 0 (the embeddings) to "
            f"{depth - 1}, or from {-depth - 1} to -2 counted from the end."
        )
    return index


def check_fusion_weights(value: Any) -> None:
    """Raises a ValueError unless `output_fusion_weights` was asked for as True, False or `"full"`."""
    if not isinstance(value, bool) and value != "full":
        raise ValueError(f"output_fusion_weights={value!r} does not exist; choose from True, False, 'full'.")


def complete_labels(values: dict[str, Any], saved: bool = False) -> None:
    """Derives `id2label` and `label2id` from each other, in place.

    Saved values are taken as they are, and give way to `num_labels`. Other contradictions are a ValueError.
    """
    names, ids, count = (values.get(key) for key in ("id2label", "label2id", "num_labels"))
    if isinstance(count, int) and count < 1:
        raise ValueError(f"num_labels={count} leaves nothing to predict; give 1 or more.")
    for key, given in (("id2label", names), ("label2id", ids)):
        if given is not None and not isinstance(given, Mapping):
            raise ValueError(f"{key} is {type(given).__name__}; give a dictionary of class ids and names.")
    if names is None and ids is None:
        return
    names = {int(i): name for i, name in (names or {i: name for name, i in (ids or {}).items()}).items()}
    ids = {name: int(i) for name, i in (ids or {name: i for i, name in names.items()}).items()}
    if saved and count not in (None, len(names)):
        del values["id2label"], values["label2id"]
        return
    if not saved:
        if ids != {name: i for i, name in names.items()}:
            raise ValueError(f"id2label={names} and label2id={ids} contradict each other; give one of the two.")
        if sorted(names) != list(range(len(ids))):
            raise ValueError(f"id2label={names}: give each class its own name, and number them from 0.")
        if count not in (None, len(names)):
            raise ValueError(f"num_labels={count}, but id2label names {len(names)} classes: leave num_labels out.")
    values.update(id2label=names, label2id=ids)
