"""Exports a DLFA checkpoint to ONNX, checked against PyTorch, for `dlfa predict --backend onnx` and ONNX Runtime.

`dlfa export CHECKPOINT FOLDER --quantize int8` writes `model.onnx` and `model_quantized.onnx`. The scores of the
latter depend a little on the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..command.parser import CommandParser


def main(argv: Sequence[str]) -> None:
    """Exports."""
    parser = CommandParser(prog="dlfa export", description=__doc__)
    parser.add_argument("checkpoint", help="Folder or Hub id of a DLFA checkpoint.")
    parser.add_argument("folder", help="A new folder.")
    parser.add_argument("--quantize", choices=("int8",), help="Also write model_quantized.onnx.")
    parser.add_argument("--revision", help="Branch, tag or commit on the Hub.")
    parser.add_argument("--cache_dir", help="Where downloads are kept.")
    parser.add_argument("--token", help="Hub token; the stored login if left out.")
    given = parser.parse_args(argv)

    from ..inference.onnx_check import TOLERANCE
    from ..inference.onnx_export import export_onnx

    hub = {name: getattr(given, name) for name in ("revision", "cache_dir", "token") if getattr(given, name)}
    graphs = export_onnx(given.checkpoint, given.folder, quantize=given.quantize, **hub)
    for graph in graphs:
        print(
            f"{graph.file}: {graph.bytes / 1e6:.1f} MB; largest difference to PyTorch {graph.difference:.1e}, with "
            f"outputs up to {graph.magnitude:.1e}"
            + (f"; {graph.agreement:.1%} of the labels are the same" if graph.agreement is not None else "")
        )
    print(f"Checked on sentences of 15 languages; {TOLERANCE:.0e} of the outputs was allowed in {graphs[0].file}.")
