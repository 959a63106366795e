"""The snippets with processes of their own: the README's commands, and those of several processes and machines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from accelerate.utils.other import get_free_port

from modeling_dlfa.tasks import XNLI

from ..hub import WRITE_TOKEN, HubServer
from ..online import ROOT, Environment
from ..served import DATASET, ENCODER
from .files import copy_for_yaml
from .snippets import execute, marked

pytestmark = pytest.mark.slow


def shell(environment: Environment, script: str, home: Path, hub: HubServer, **more: str) -> str:
    """Runs a snippet of bash as a user of a checkout would, `more` variables set, and returns what it printed."""
    return shells(environment, script, home, hub, more)[0]


def shells(environment: Environment, script: str, home: Path, hub: HubServer, *machines: dict[str, str]) -> list[str]:
    """Runs a snippet on several machines, each with variables of its own; if it fails on one, it ends on all."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "examples").exists():
        (home / "examples").symlink_to(ROOT / "examples")
    variables = environment.variables(home, hub, WRITE_TOKEN, offline=False)
    variables["PATH"] = f"{Path(environment.python).parent}{os.pathsep}{variables['PATH']}"
    logs = [(home / f"{number}.out", home / f"{number}.err") for number in range(len(machines))]
    processes = []
    for machine, (out, err) in zip(machines, logs, strict=True):
        with out.open("w") as stdout, err.open("w") as stderr:
            streams = {"stdout": stdout, "stderr": stderr, "start_new_session": True}
            processes.append(subprocess.Popen(["bash", "-euc", script], cwd=home, env=variables | machine, **streams))
    deadline = time.monotonic() + 900
    while any(process.poll() is None for process in processes):
        if any(process.poll() for process in processes) or time.monotonic() > deadline:
            for process in processes:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
        time.sleep(0.1)
    refused = (home / "refused").read_text() if (home / "refused").exists() else ""
    codes = [process.returncode for process in processes]
    assert not refused and not any(codes), (
        refused + f"{codes}\n" + "\n".join(err.read_text()[-4000:] for _, err in logs)
    )
    return [out.read_text() for out, _ in logs]


def test_many_devices(
    hub: HubServer, tiny_data: Path, encoder: Path, package_environment: Environment, home: Path
) -> None:
    accelerate = Path(package_environment.python).with_name("accelerate")
    main = "from accelerate.commands.accelerate_cli import main; main()"
    accelerate.write_text(f"#!{package_environment.python}\n{main}\n", encoding="utf-8")
    accelerate.chmod(0o755)
    on_cpu = {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    for name in ("one", "two"):
        (home / name).mkdir()
        copy_for_yaml(tiny_data, home / name)
        (home / name / "ENCODER").symlink_to(encoder)
    printed = [shell(package_environment, marked("devices", "processes"), home / "one", hub, **on_cpu)]
    command = marked("devices", "machines")
    address = {"HOST": "127.0.0.1", "PORT": str(get_free_port())} | on_cpu
    machines = [address | {"MACHINE": rank} for rank in ("0", "1")]
    printed += shells(package_environment, command, home / "two", hub, *machines)
    assert [text.count("Results: ") for text in printed] == [1, 1, 0]
    for name in ("one", "two"):
        results = json.loads((home / name / "runs/xnli/results.json").read_text(encoding="utf-8"))
        assert results["hardware"]["processes"] == 2 and len(results["runs"]) == 4


def test_the_mbert_command_runs_unchanged(
    served: None, hub: HubServer, package_environment: Environment, tmp_path: Path
) -> None:
    command = marked("README", "train")
    assert ENCODER in command and "--seeds 1 2 3" in command and DATASET == (XNLI.hub and XNLI.hub.dataset)
    printed = shell(package_environment, command, tmp_path, hub)
    results = json.loads((tmp_path / "runs/mbert-xnli/results.json").read_text(encoding="utf-8"))
    assert [run["name"] for run in results["runs"]] == [
        f"{system}-seed{seed}" for seed in (1, 2, 3) for system in ("aif-layer8", "last")
    ]
    for run in results["runs"]:
        assert list(run["test"]) == list(XNLI.languages) and run["train"]["steps"] == 10
    head = hub.repository("datasets", DATASET).commit("main").oid
    assert results["data"]["train"]["source"] == DATASET and results["data"]["train"]["revision"] == head
    assert results["model_commit"] == hub.repository("models", ENCODER).commit("main").oid
    assert "aif-layer8" in printed
    (tmp_path / "pairs.tsv").write_text("A cat sleeps.\tAn animal sleeps.\nIt rains.\tIt is dry.\n", encoding="utf-8")
    shell(package_environment, marked("README", "predict"), tmp_path, hub)
    assert len((tmp_path / "labels.tsv").read_text(encoding="utf-8").splitlines()) == 3


def test_quick_start_with_a_trainer(served: None, hub: HubServer, home: Path) -> None:
    assert execute(marked("README", "trainer"))["trainer"].state.global_step == 18
