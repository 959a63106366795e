"""The notebook, run from top to bottom with a tiny encoder of random weights in place of its own."""

from __future__ import annotations

import json
from pathlib import Path

import encoder
import pytest
import torch
from transformers import BertModel

from ..backbones import backbone_config
from ..conftest import ROOT
from ..tiny_checkpoints import letter_tokenizer

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"


def test_it_holds_no_output_and_names_the_encoder_of_the_demo() -> None:
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    (parameters,) = (cell for cell in code if "parameters" in cell["metadata"].get("tags", ()))
    assert f'ENCODER = "{encoder.FOLDER.as_posix()}"' in "".join(parameters["source"])


@pytest.mark.slow
def test_it_runs(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="the extra dev has it")
    nbformat = pytest.importorskip("nbformat", reason="nbclient brings it")
    pytest.importorskip("ipykernel", reason="the extra dev has it")
    tokenizer = letter_tokenizer()
    tokenizer.save_pretrained(tmp_path / "encoder")
    torch.manual_seed(0)
    config = backbone_config("bert", vocab_size=len(tokenizer), max_position_embeddings=160)
    BertModel(config).save_pretrained(tmp_path / "encoder")
    values = {"ENCODER": str(tmp_path / "encoder"), "FUSION_LAYER": 1, "ROWS": 48, "OUTPUT": str(tmp_path / "out")}
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
    given = nbformat.v4.new_code_cell("\n".join(f"{name} = {value!r}" for name, value in values.items()))
    notebook.cells.insert(place + 1, given)
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
    told = {cell.id: json.dumps(cell.get("outputs", []), ensure_ascii=False) for cell in notebook.cells}
    assert "schläft" not in told["gate"] and "layer 1" in told["gate"] and "background-color" in told["gate"]
    for code in ("en", "de", "ar", "sw", "th"):
        assert f"<td>{code}</td>" in told["predicting"]
    assert "aif-layer1" in told["comparing"] and "DLFA minus baseline: " in told["comparing"]
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert results["data"]["train"]["rows"] == 48 and list(results["languages"]) == ["en", "de", "ar", "sw", "th"]
