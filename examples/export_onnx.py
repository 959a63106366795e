"""Exports a DLFA checkpoint to ONNX, checked against PyTorch, for `predict.py --backend onnx` and ONNX Runtime.

`python examples/export_onnx.py CHECKPOINT FOLDER --quantize int8` writes `model.onnx` and `model_quantized.onnx`. What
the latter gives depends a little on the batch; with `int8_blocks` it does not, is closer to PyTorch, and takes longer.
"""

from __future__ import annotations

from modeling_dlfa.command.ending import one_line
from modeling_dlfa.command.parser import CommandParser


def main(argv: list[str] | None = None) -> None:
    """Exports, or ends with one message and exit status 2."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("checkpoint", help="Folder or Hub id of a DLFA checkpoint.")
    parser.add_argument("folder", help="A new folder.")
    parser.add_argument("--quantize", choices=("int8", "int8_blocks"), help="Also write model_quantized.onnx.")
    parser.add_argument("--revision", help="Branch, tag or commit on the Hub.")
    parser.add_argument("--cache_dir", help="Where downloads are kept.")
    parser.add_argument("--token", help="Hub token; the stored login if left out.")
    given = parser.parse_args(argv)

    from modeling_dlfa.inference.onnx_check import TOLERANCE
    from modeling_dlfa.inference.onnx_export import export_onnx

    hub = {name: getattr(given, name) for name in ("revision", "cache_dir", "token") if getattr(given, name)}
    with one_line():
        graphs = export_onnx(given.checkpoint, given.folder, quantize=given.quantize, **hub)
    for graph in graphs:
        print(
            f"{graph.file}: {graph.bytes / 1e6:.1f} MB; largest difference to PyTorch {graph.difference:.1e}, with "
            f"outputs up to {graph.magnitude:.1e}"
            + (f"; {graph.agreement:.1%} of the labels are the same" if graph.agreement is not None else "")
        )
    print(f"Checked on sentences of 15 languages; {TOLERANCE:.0e} of the outputs was allowed in {graphs[0].file}.")


if __name__ == "__main__":
    main()
