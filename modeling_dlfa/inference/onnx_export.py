"""From a DLFA checkpoint to a folder that ONNX Runtime reads: graph, configuration, tokenizer, what was checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from ..checkpoints.loading import MODEL_FILE, cannot_load, load_tokenizer
from ..checkpoints.models import MODEL_CLASSES, longest_input
from ..checkpoints.tokenizers import save_tokenizer
from ..configuration_dlfa import SUMS_KEY, DlfaConfig
from ..errors import InputError
from ..files.finite import check_finite
from ..files.folders import check_new_folder, named_folder, new_folder
from ..files.places import check_place, hub_commit
from ..files.writing import write_json
from ..modeling_dlfa import DlfaForTokenClassification, DlfaModel, DlfaPreTrainedModel
from .onnx_check import TOLERANCE, Check, check_batches, compare
from .onnx_graph import OPSET, QUANTIZATIONS, export_graph, graph_inputs, graph_size, quantize_graph
from .onnx_runtime import QUANTIZED_FILE, OnnxGraph, require_onnx

RECORD = "onnx_export.json"


@dataclass(frozen=True)
class Graph:
    """A graph that was written.

    Attributes:
        file: Its name in the folder.
        bytes: Its size, with the weights that lie beside it.
        checks: How far it is from PyTorch, batch by batch.
    """

    file: str
    bytes: int
    checks: Sequence[Check]

    @property
    def difference(self) -> float:
        """Largest difference of an output to PyTorch's."""
        return max(check.difference for check in self.checks)

    @property
    def magnitude(self) -> float:
        """Largest output of PyTorch."""
        return max(check.magnitude for check in self.checks)

    @property
    def agreement(self) -> float | None:
        """Share of the checked sentences or tokens with PyTorch's label; None without a classifier."""
        answers = sum(check.answers for check in self.checks)
        return sum(check.same for check in self.checks) / answers if answers else None


def export_onnx(
    name: str, folder: str | os.PathLike, *, quantize: str | None = None, **hub_arguments: Any
) -> list[Graph]:
    """Exports a checkpoint of any of the three classes, and checks the graph against PyTorch.

    The folder holds `model.onnx`, `config.json` and the tokenizer, as Optimum lays them out, and `onnx_export.json`
    with what was checked; it appears whole or not at all. The graph takes B x T `input_ids`, `attention_mask` and,
    where the encoder reads them, `token_type_ids`, for any B and T, and gives `logits`, or `last_hidden_state` and
    `pooler_output`.

    Args:
        name: Folder or Hub id of a DLFA checkpoint.
        folder: A folder that does not exist or is empty.
        quantize: One of `onnx_graph.QUANTIZATIONS`, to write `model_quantized.onnx` as well; see `quantize_graph`.
        hub_arguments: `revision`, `token`, `cache_dir`.

    Returns:
        What was written: the graph and, if asked for, the quantised one.

    Raises:
        InputError: The checkpoint cannot be read, ONNX is not installed, the folder holds something, or the graph is
            further from PyTorch than `onnx_check.TOLERANCE`.
    """
    if quantize not in (None, *QUANTIZATIONS):
        raise InputError(f"There is no quantisation {quantize!r}. Choose from: {', '.join(QUANTIZATIONS)}.")
    require_onnx("onnx", "onnxruntime", "onnxscript")
    target = named_folder(folder, "The folder")
    check_new_folder(target)
    model, tokenizer, source = load_checkpoint(name, **hub_arguments)
    with new_folder(target, "The folder") as draft:
        graphs = _write_graphs(model, tokenizer, draft, quantize)
        model.config.save_pretrained(draft)
        save_tokenizer(tokenizer, draft)
        write_json(draft / RECORD, {**source, **_record(model, graphs), "quantization": quantize})
    return graphs


def load_checkpoint(
    name: str, **hub_arguments: Any
) -> tuple[DlfaPreTrainedModel, PreTrainedTokenizerBase, dict[str, Any]]:
    """Loads a DLFA checkpoint, by this package's own code, and its tokenizer.

    Returns:
        The model in float32 on the CPU, in the class that was saved; the tokenizer; where the weights are from.

    Raises:
        InputError: They cannot be read.
    """
    check_place("The checkpoint", name)
    model_classes: list[type[DlfaPreTrainedModel]] = [DlfaModel, *MODEL_CLASSES.values()]
    known = {model_class.__name__: model_class for model_class in model_classes}
    try:
        saved, _ = DlfaConfig.get_config_dict(name, **hub_arguments)
        config = DlfaConfig.from_pretrained(name, **hub_arguments)
        classes = [known[entry] for entry in config.architectures or () if entry in known]
        if not classes:
            raise InputError(f"{name} holds {config.architectures}, none of {', '.join(known)}.")
        # In a graph, sdpa is the same products with an additional test for NaN and more transpositions.
        model = classes[0].from_pretrained(name, dtype=torch.float32, attn_implementation="eager", **hub_arguments)
        check_finite(name, model.named_parameters(), "Copy it again, or train again.")
    except (OSError, ValueError) as error:
        raise cannot_load(name, error) from error
    tokenizer = load_tokenizer(name, config, trust_remote_code=False, **hub_arguments)
    hub_id = None if Path(name).exists() else name
    commit = hub_commit(name, hub_arguments.get("cache_dir"), hub_arguments.get("revision"))
    return model.eval(), tokenizer, {"checkpoint": hub_id, "commit": commit, SUMS_KEY: saved.get(SUMS_KEY)}


def _write_graphs(
    model: DlfaPreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, quantize: str | None
) -> list[Graph]:
    names = graph_inputs(model, tokenizer)
    pairs = not isinstance(model, DlfaForTokenClassification)
    batches = list(check_batches(tokenizer, longest_input(model.config), pairs))

    def check(file: str) -> Graph:
        graph = OnnxGraph(folder / file)
        return Graph(file, graph_size(folder / file), [compare(model, graph, batch) for batch in batches])

    export_graph(model, {name: batches[1][name] for name in names}, folder / MODEL_FILE)
    graphs = [check(MODEL_FILE)]
    if not all(found.equal for found in graphs[0].checks):
        raise InputError(
            f"The exported graph differs from PyTorch by {graphs[0].difference:.1e}, with outputs up to "
            f"{graphs[0].magnitude:.1e}: more than {TOLERANCE:.0e} of them. Nothing was written; try another release "
            "of torch or onnxruntime."
        )
    if quantize:
        quantize_graph(folder / MODEL_FILE, folder / QUANTIZED_FILE)
        graphs.append(check(QUANTIZED_FILE))
    return graphs


def _record(model: DlfaPreTrainedModel, graphs: Sequence[Graph]) -> dict[str, Any]:
    return {
        "model_class": type(model).__name__,
        "opset": OPSET,
        "versions": {name: version(name) for name in ("torch", "transformers", "onnx", "onnxruntime", "onnxscript")},
        "tolerance": TOLERANCE,
        "graphs": {
            graph.file: {
                "bytes": graph.bytes,
                "largest_difference": graph.difference,
                "largest_output": graph.magnitude,
                "same_labels": graph.agreement,
                "checks": [asdict(check) for check in graph.checks],
            }
            for graph in graphs
        },
    }
