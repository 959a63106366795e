"""The snippets that use what was trained: predictions, studies, the report, publishing."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import HfApi

from modeling_dlfa.studies.language_scaling import evaluation_cost
from modeling_dlfa.tasks import XNLI

from ..conftest import WORDS
from ..hub import HubServer
from ..online import Environment
from .files import copy_files, write_conllu
from .snippets import execute, marked, shell

pytestmark = pytest.mark.slow


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_predict_and_look_at_the_fusion(checkpoints: None, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = shell(marked("prediction", "predict"), entered=(home / "texts.tsv").read_text(encoding="utf-8"))
    assert len(lines(home / "labels.tsv")) == 3 and len(lines(home / "labels.jsonl")) == 2
    assert any(label in printed for label in XNLI.labels)
    execute(marked("prediction", "pipeline"))
    capsys.readouterr()
    execute(marked("prediction", "score"))
    assert 0 <= float(capsys.readouterr().out.split()[-2]) <= 1
    assert shell(marked("prediction", "gate")).count("[SEP]") == 2 and (home / "gate.png").stat().st_size > 1000
    names = execute(marked("prediction", "weights"))
    assert names["weights"].shape == names["inputs"]["input_ids"].shape


def test_predict_faster(checkpoints: None, tiny_data: Path, home: Path) -> None:
    pytest.importorskip("onnxscript")
    copy_files(tiny_data, home)
    printed = shell(marked("prediction", "onnx"))
    assert "model.onnx: " in printed and "model_quantized.onnx: " in printed
    assert "| onnx_quantized minus torch |" in printed and "| average, targets |" in printed
    assert len(lines(home / "labels.onnx.tsv")) == len(lines(home / "labels.int8.tsv")) == 3


def test_sentence_transformers(checkpoints: None) -> None:
    pytest.importorskip("sentence_transformers", reason="it needs transformers 5")
    names = execute(marked("prediction", "sentences"))
    assert names["scores"].shape == (1, 3) and names["vectors"].shape == (2, 32)


def test_a_smaller_vocabulary(tiny_data: Path, encoder: Path, home: Path) -> None:
    copy_files(tiny_data, home)
    (home / "text").mkdir()
    for code in ("en", "de"):
        (home / "text" / f"{code}.txt").write_text("\n".join(WORDS[code]) + "\n", encoding="utf-8")
    printed = shell(marked("trimming", "trim").rstrip() + " --languages en de")
    assert "Tokens: 47 before, 32 after." in printed and "aif-layer4" in printed


def test_look_into_the_layers(encoder: Path, home: Path) -> None:
    rows = [(row, row * row % 7) for row in range(60)]
    aligned = ["\t".join(f"{words[a % 14]} {words[b]}" for words in WORDS.values()) for a, b in rows]
    (home / "aligned.tsv").write_text("\n".join(["\t".join(WORDS), *aligned]) + "\n", encoding="utf-8")
    write_conllu(home, 60)
    assert "parts of speech, transferred" in shell(marked("studies", "layers"))
    files = {path.name for path in (home / "runs/layers").rglob("*")}
    assert {"layer_analysis.json", "layer_analysis.md", "layers.png", "layers.pdf"} <= files


def test_which_layer(tiny_encoder: Path, home: Path) -> None:
    shutil.copytree(tiny_encoder, home / "ENCODER")
    write_conllu(home, 24)
    assert "Sweep: runs/sweep/layer_sweep.md" in shell(marked("studies", "sweep"))
    sweep = json.loads((home / "runs/sweep/layer_sweep.json").read_text(encoding="utf-8"))
    assert list(sweep["layers"]) == ["0", "1", "2"]


def test_scaling_and_report(finished: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def here(command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        evaluation_cost._child_main(*command[3:])
        return subprocess.CompletedProcess(command, 0)

    # Each n has a process of its own, which test_evaluation_cost.py starts.
    monkeypatch.setattr(evaluation_cost, "subprocess", SimpleNamespace(run=here))
    shutil.copytree(finished, home / "runs" / "xnli")
    printed = shell(marked("studies", "report"))
    assert "Study: " in printed and "Report: " in printed
    study = json.loads((home / "runs/scaling/language_scaling.json").read_text(encoding="utf-8"))
    assert [point["n"] for point in study["cost"]["points"]] == [1, 2, 3]
    page = (home / "runs/report/report.html").read_text(encoding="utf-8")
    assert "Cost of n languages" in page and "Scaling with target languages: XNLI" in page


def test_publish_and_load(
    hub: HubServer, no_repository: HfApi, finished: Path, bare_environment: Environment, home: Path
) -> None:
    shutil.copytree(finished, home / "runs" / "xnli")
    printed = shell(marked("publishing", "publish"))
    assert "Nothing was pushed" in printed and f"{hub.url}/org/name/commit/" in printed
    preview = {path.relative_to(home / "preview") for path in (home / "preview").rglob("*") if path.is_file()}
    assert {name.as_posix() for name in preview} | {".gitattributes"} == set(no_repository.list_repo_files("org/name"))
    ending = "print(type(encoder).__module__, model.num_labels)\n"
    code = marked("publishing", "load") + ending + marked("README", "load") + ending.replace("encoder", "model")
    told = bare_environment.run(code, home=home / "stranger", hub=hub).stdout
    assert "'score'" in told and told.count("transformers_modules.org.name") == 2 and told.split()[-1] == "3"
