"""A checkpoint and its graphs, exported once."""

from __future__ import annotations

from pathlib import Path

import pytest

from modeling_dlfa.tasks import XNLI

from ..tiny_checkpoints import save_checkpoint


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint of BERT's kind that classifies texts, and the folder that it is exported to, with int8 weights."""
    from modeling_dlfa.inference.onnx_export import export_onnx

    folder = tmp_path_factory.mktemp("sequence")
    checkpoint = save_checkpoint(folder / "model", "sequence", XNLI.labels)
    export_onnx(str(checkpoint), folder / "made" / "onnx", quantize="int8")
    return checkpoint, folder / "made" / "onnx"
