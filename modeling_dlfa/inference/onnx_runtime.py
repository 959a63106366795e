"""Running ONNX graphs on the CPU, with ONNX Runtime."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.utils import cached_file

from ..errors import InputError, first_line

if TYPE_CHECKING:
    import onnxruntime

QUANTIZED_FILE = "model_quantized.onnx"
# Where the weights of a graph of more than 2 GB lie: torch's name, and the one that Optimum gives.
WEIGHTS_ENDINGS = (".data", "_data")


def require_onnx(*modules: str) -> None:
    """Checks that the optional dependencies are there.

    Args:
        modules: Some of `onnx`, `onnxruntime` and `onnxscript`.

    Raises:
        InputError: One of them is not installed.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise InputError(f"ONNX needs {', '.join(missing)} (not installed): pip install 'modeling-dlfa[onnx]'.")


def find_graph(name: str, file: str, **hub_arguments: Any) -> Path:
    """Returns where a graph lies on this machine, with its weights beside it; fetches both from the Hub if need be.

    Args:
        name: Folder or Hub id.
        file: Name of the graph in it, such as `model.onnx` or `onnx/model_quantized.onnx`.
        hub_arguments: `revision`, `token`, `cache_dir`.

    Raises:
        InputError: There is no such file.
    """
    remedy = "Make it with `dlfa export`, or name another file with --onnx_file."
    if Path(name).is_dir() and not Path(name, file).is_file():
        raise InputError(f"There is no {file} in {name}. {remedy}")
    try:
        path = cached_file(name, file, **hub_arguments)
        for ending in WEIGHTS_ENDINGS:
            cached_file(name, file + ending, _raise_exceptions_for_missing_entries=False, **hub_arguments)
    except (OSError, ValueError) as error:
        raise InputError(f"There is no {file} in {name}: {first_line(error)}. {remedy}") from error
    return Path(str(path))


def session_options() -> onnxruntime.SessionOptions:
    """Returns how ONNX Runtime runs our graphs, which must be installed."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    # A thread that waits by spinning takes a shared core from the one that computes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A CPU without VNNI instructions would sum up int8 products in 16 bits, which overflow. The exact way is four
    # times slower, and ONNX Runtime takes it wherever it is asked for.
    exact = not torch.cpu._is_vnni_supported()
    options.add_session_config_entry("session.x64quantprecision", str(int(exact)))
    return options


class OnnxGraph:
    """A graph, ready to run on as many threads as PyTorch has (`OMP_NUM_THREADS`).

    Args:
        path: The graph; weights that are not in it lie beside it.
        options: How ONNX Runtime runs it; `session_options()` if None.

    Attributes:
        session: ONNX Runtime's own.
        inputs: Names of what it takes.
        outputs: Names of what it gives, with the size of each one's last dimension where that is fixed.

    Raises:
        InputError: ONNX Runtime is not installed, or does not read the file.
    """

    def __init__(self, path: Path, options: onnxruntime.SessionOptions | None = None) -> None:
        require_onnx("onnxruntime")
        import onnxruntime

        options = options or session_options()
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # Its errors share no base class of theirs.
            raise InputError(f"ONNX Runtime cannot read {path}: {first_line(error)}. Export it again.") from error
        self.inputs = tuple(entry.name for entry in self.session.get_inputs())
        self.outputs = {entry.name: entry.shape[-1] for entry in self.session.get_outputs()}

    def __call__(self, batch: Mapping[str, torch.Tensor]) -> dict[str, NDArray[Any]]:
        """Computes the outputs by name.

        Args:
            batch: Padded inputs, B x T each; what the graph does not take is left out.
        """
        values = self.session.run(list(self.outputs), {name: batch[name].numpy() for name in self.inputs})
        return dict(zip(self.outputs, values, strict=True))


class OnnxLogits:
    """The logits of a classifier's graph, as `Predictor` wants them.

    Args:
        graph: The graph.
        given: Names of what the tokenizer gives.
        labels: How many labels there are.
        where: Name of the graph, for messages.

    Raises:
        InputError: It is not a classifier's graph, wants what the tokenizer does not give, or has other labels.
    """

    def __init__(self, graph: OnnxGraph, given: Iterable[str], labels: int, where: str) -> None:
        missing = [name for name in graph.inputs if name not in given]
        if missing:
            raise InputError(
                f"{where} takes {', '.join(missing)}, which its tokenizer does not give. Export it again."
            )
        size = graph.outputs.get("logits", 0)
        if isinstance(size, int) and size != labels:
            raise InputError(
                f"{where} gives {', '.join(graph.outputs)}, not logits for the {labels} labels in config.json. Name a "
                "classifier's graph that was exported with this configuration."
            )
        self._graph = graph

    def __call__(self, batch: Mapping[str, torch.Tensor]) -> NDArray[np.float32]:
        """Computes the logits, B x number of labels, or B x T x number of labels."""
        return self._graph(batch)["logits"].astype(np.float32, copy=False)
