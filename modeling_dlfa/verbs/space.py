"""Serves a page that shows what a DLFA checkpoint answers and how much of each token comes from a lower layer.

`dlfa space runs/xnli/models/aif-layer4-seed42 --baseline runs/xnli/models/last-seed42`
"""

from __future__ import annotations

from collections.abc import Sequence

from ..command.parser import CommandParser


def main(argv: Sequence[str]) -> None:
    """Serves the page."""
    parser = CommandParser(prog="dlfa space", description=__doc__)
    parser.add_argument("checkpoint", help="Folder or Hub id of a DLFA classifier of texts or words.")
    parser.add_argument("--baseline", help="Folder or Hub id of a classifier with the same labels, to compare with.")
    parser.add_argument("--host", default="127.0.0.1", help="Address to listen at; 0.0.0.0 lets other machines in.")
    parser.add_argument("--port", type=int, default=7860, help="Port to listen at.")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps, ...; the accelerator, if there is one, if left out.")
    parser.add_argument("--revision", help="Branch, tag or commit of the checkpoint on the Hub.")
    parser.add_argument("--trust_remote_code", action="store_true", help="Run code beside a baseline not of DLFA.")
    given = parser.parse_args(argv)

    from ..space.serving import serve

    serve(
        given.checkpoint,
        given.baseline,
        host=given.host,
        port=given.port,
        trust_remote_code=given.trust_remote_code,
        device=given.device,
        revision=given.revision,
    )
