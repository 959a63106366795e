"""Optimum runs what `dlfa export` wrote: by the package, and by the code that lies in the folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, pipeline

from modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification
from modeling_dlfa.inference.onnx_export import export_onnx
from modeling_dlfa.inference.onnx_runtime import OnnxGraph
from modeling_dlfa.tasks import XNLI

from ..online import ROOT, Environment
from ..tiny_checkpoints import ENTITIES, corpus_pairs, save_checkpoint

optimum: Any = pytest.importorskip(
    "optimum.onnxruntime", reason="Optimum's ONNX part knows transformers before 4.58: `make test-versions` has it"
)
pytestmark = pytest.mark.slow

REMOTE = """
import json, sys
from optimum.onnxruntime import ORTModelForSequenceClassification, ORTModelForTokenClassification
from transformers import AutoTokenizer
kinds = {"sequence": ORTModelForSequenceClassification, "token": ORTModelForTokenClassification}
folder, kind, texts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
graph = kinds[kind].from_pretrained(folder, trust_remote_code=True)
inputs = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)(texts, padding=True, return_tensors="pt")
print(json.dumps(["modeling_dlfa" in sys.modules, graph(**inputs).logits.tolist()]))
"""


@pytest.mark.parametrize("kind", ["sequence", "token"])
def test_it_answers_as_pytorch_does(kind: str, bare_environment: Environment, tmp_path: Path) -> None:
    labels, model_class, graph_class = {
        "sequence": (XNLI.labels, DlfaForSequenceClassification, optimum.ORTModelForSequenceClassification),
        "token": (ENTITIES, DlfaForTokenClassification, optimum.ORTModelForTokenClassification),
    }[kind]
    checkpoint = save_checkpoint(tmp_path / "model", kind, labels)
    folder = tmp_path / "onnx"
    export_onnx(str(checkpoint), folder, quantize="int8")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [premise for code in ("en", "ar", "zh") for premise, _ in corpus_pairs(code)[:3]]
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    mask = inputs["attention_mask"].bool() if kind == "token" else slice(None)
    with torch.no_grad():
        expected = model_class.from_pretrained(checkpoint)(**inputs).logits
    graph = graph_class.from_pretrained(folder)
    torch.testing.assert_close(graph(**inputs).logits[mask], expected[mask], atol=1e-4, rtol=1e-4)
    imported, remote = bare_environment.run(
        REMOTE, folder, kind, json.dumps(texts), home=tmp_path / "home", offline=True
    ).value
    assert not imported
    torch.testing.assert_close(torch.tensor(remote)[mask], expected[mask], atol=1e-4, rtol=1e-4)
    quantized = graph_class.from_pretrained(folder, file_name="model_quantized.onnx")
    whole = OnnxGraph(folder / "model_quantized.onnx")({name: inputs[name] for name in tokenizer.model_input_names})
    torch.testing.assert_close(quantized(**inputs).logits.numpy(), whole["logits"], atol=1e-5, rtol=1e-5)
    ask = pipeline(
        {"sequence": "text-classification", "token": "token-classification"}[kind], graph, tokenizer=tokenizer
    )
    answers = ask(texts[0])
    assert {answer.get("label", answer.get("entity")) for answer in answers} <= set(labels) and answers


def test_the_lines_of_the_page(bare_environment: Environment, tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "model", "sequence", XNLI.labels)
    export_onnx(str(checkpoint), tmp_path / "home" / "onnx" / "xnli")
    page = (ROOT / "docs" / "prediction.md").read_text(encoding="utf-8")
    (code,) = (code for code in re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE) if "ORT" in code)
    assert "'label': " in bare_environment.run(code, home=tmp_path / "home", offline=True).stdout
