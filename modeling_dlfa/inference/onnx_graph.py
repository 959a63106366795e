"""DLFA models as ONNX graphs: torch's own exporter, and int8 weights by ONNX Runtime."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from ..errors import InputError, first_line
from ..modeling_dlfa import DlfaModel, DlfaPreTrainedModel

# The first with Gelu as one operator, in every release of ONNX Runtime since 1.17.
OPSET = 20
AXES = {0: "batch", 1: "length"}
QUANTIZATIONS = ("int8",)
# Protocol buffers hold at most 2 GB; int8 weights take a quarter of the space.
LARGEST_QUANTIZED_SOURCE = 6 * 2**30


class _Tensors(nn.Module):
    """A model as the exporter takes it: tensors in, tensors out."""

    def __init__(self, model: DlfaPreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.outputs = graph_outputs(model)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, ...]:
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            output_attentions=False,
            output_hidden_states=False,
            output_fusion_weights=False,
            return_dict=True,
        )
        return tuple(outputs[name] for name in self.outputs)


def graph_inputs(model: DlfaPreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """Returns what a graph takes, each B x T: segments only where the encoder reads and the tokenizer gives them."""
    has_types = getattr(model.config.backbone_config, "type_vocab_size", 0)
    segments = ("token_type_ids",) if has_types and "token_type_ids" in tokenizer.model_input_names else ()
    return ("input_ids", "attention_mask", *segments)


def graph_outputs(model: DlfaPreTrainedModel) -> tuple[str, ...]:
    """Returns what a graph gives: logits or, of the model without a head, the fused stream and what the pooler gives.

    Shapes are those of `DlfaClassifierOutput` and `DlfaModelOutput`.
    """
    if not isinstance(model, DlfaModel):
        return ("logits",)
    return ("last_hidden_state", "pooler_output") if model.pooler is not None else ("last_hidden_state",)


def export_graph(model: DlfaPreTrainedModel, example: Mapping[str, torch.Tensor], path: Path) -> None:
    """Writes a model as an ONNX graph for any number of sentences of any length that the encoder reads.

    Weights that no single file can hold lie beside it, in `{path}.data`.

    Args:
        model: In float32, on the CPU.
        example: Inputs of `graph_inputs`, at least two sentences of two tokens: what has size one would stay so.
        path: The file.

    Raises:
        InputError: torch's exporter does not know something that the encoder does.
    """
    try:
        with _quiet():
            program = torch.onnx.export(
                _Tensors(model).eval(),
                kwargs=dict(example),
                dynamo=True,
                dynamic_shapes={name: dict(AXES) for name in example},
                output_names=graph_outputs(model),
                opset_version=OPSET,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        cause = error.__cause__ or error
        raise InputError(
            f"torch {torch.__version__} cannot export the encoder {model.config.backbone_config.model_type!r}: "
            f"{type(cause).__name__}: {first_line(cause)}. BERT, RoBERTa, XLM-RoBERTa and DistilBERT are tested."
        ) from error
    assert program is not None
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    # The exporter notes at every node the files and lines of this machine that it came from.
    ClearMetadataAndDocStringPass()(program.model)
    program.save(path)


def quantize_graph(source: Path, target: Path) -> None:
    """Writes a graph again with int8 weights for the linear maps over tokens; their inputs are rounded while it runs.

    Attention, normalisation, the sums in between and the head over a sentence stay in float32. A map has one scale for
    each output and one for all its inputs, so that results depend a little on the batch.

    Args:
        source: Of `export_graph`.
        target: The file.
    """
    with _quiet():
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        nodes = onnx.load(source, load_external_data=False).graph.node
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul"],
            nodes_to_quantize=[node.name for node in nodes if node.op_type == "MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            use_external_data_format=graph_size(source) > LARGEST_QUANTIZED_SOURCE,
        )


def graph_size(path: Path) -> int:
    """Returns the bytes of a graph, with the weights that lie beside it."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporter's and the quantiser's developer messages, and removes the handlers that they set up."""
    root = logging.getLogger()
    handlers, level, disabled = root.handlers[:], root.level, root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers
        root.setLevel(level)
