"""Ways to the loopback Hub: for this process, and for fresh ones that can reach nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .hub import WRITE_TOKEN, HubServer

ROOT = Path(__file__).resolve().parents[1]
# What the system needs to start a process; nothing that says where Python or a Hub is.
# Both processes compute with the same instructions, so that bits can be compared where one is held to older ones.
INSTRUCTIONS = ("ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA")
PASSED_ON = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TMPDIR", *INSTRUCTIONS)
SITES = "import json, sys; print(json.dumps([p for p in sys.path if p.endswith(('site-packages', 'dist-packages'))]))"

GUARD = '''
"""Refuses and records every connection that leaves this machine; an audit hook cannot be taken out again."""
import os, sys

def _refuse(host):
    with open(os.environ["LOOPBACK_LOG"], "a") as log:
        log.write(f"{host}\\n")
    raise ConnectionRefusedError(f"No route to {host!r}: this process reaches loopback alone.")

def _guard(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # A path, for a socket of this machine.
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host is not None and host not in ("localhost", "::1") and not host.startswith("127."):
        _refuse(host)

sys.addaudithook(_guard)
'''


@contextmanager
def online(token: str = WRITE_TOKEN) -> Iterator[None]:
    """Lets this process talk to the Hub, with a token; the tests run offline otherwise."""
    import huggingface_hub

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        # transformers 4 and datasets keep copies.
        patch.setattr("transformers.utils.hub._is_offline_mode", False, raising=False)
        if "datasets" in sys.modules:
            patch.setattr("datasets.config.HF_HUB_OFFLINE", False)
        patch.setenv("HF_TOKEN", token)
        # huggingface_hub 0.x builds offline mode into its sessions.
        forget = getattr(huggingface_hub.utils, "reset_sessions", lambda: None)
        forget()
        yield
    forget()


@dataclass(frozen=True)
class Result:
    """What a process left: exit status, output, and hosts beyond loopback that it tried to reach."""

    returncode: int
    stdout: str
    stderr: str
    refused: list[str]

    @property
    def value(self) -> Any:
        """The JSON of the last line of output."""
        return json.loads(self.stdout.strip().splitlines()[-1])


class Environment:
    """A virtual environment with the packages of another one, without this package or with it.

    Each package is linked from the other environment's site-packages, so that building takes a moment. Ours is left
    out however it is installed there: editable (a finder, entered by a .pth file) or not. Where the other environment
    reads a third one (`base.pth`), that one's packages are linked as well, if it has no release of its own.

    Args:
        folder: Where to build it.
        package: Whether `modeling_dlfa` of this checkout is part of it.
        python: Interpreter of the other environment.
    """

    def __init__(self, folder: Path, package: bool, python: str = sys.executable) -> None:
        self.folder = folder
        subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
        self.python = str(folder / "bin" / "python")
        sources = subprocess.run([python, "-c", SITES], check=True, capture_output=True, text=True, cwd=folder).stdout
        own = subprocess.run([self.python, "-c", SITES], check=True, capture_output=True, text=True, cwd=folder).stdout
        target = Path(json.loads(own)[-1])
        linked = {"__pycache__", "base.pth"}
        for entry in (entry for source in json.loads(sources) for entry in Path(source).iterdir()):
            is_ours = "modeling_dlfa" in entry.name.replace("-", "_")
            # One release of a distribution, the first that Python would find.
            name = f"{entry.name.partition('-')[0]}.dist-info" if entry.suffix == ".dist-info" else entry.name
            if not is_ours and name not in linked:
                (target / entry.name).symlink_to(entry)
                linked.add(name)
        if package:
            (target / "modeling_dlfa").symlink_to(ROOT / "modeling_dlfa")
            # As pip writes it of `[project.scripts]`.
            command = folder / "bin" / "dlfa"
            command.write_text(f"#!{self.python}\nfrom modeling_dlfa.cli import run\n\nrun()\n", encoding="utf-8")
            command.chmod(0o755)
        (target / "loopback_guard.py").write_text(GUARD)
        (target / "loopback_guard.pth").write_text("import loopback_guard\n")

    def variables(self, home: Path, hub: HubServer | None, token: str | None, offline: bool) -> dict[str, str]:
        """Returns the whole environment of a process: an own home, the Hub, no proxy that leads anywhere."""
        values = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        values |= {"HOME": str(home), "HF_HOME": str(home / "hf"), "LOOPBACK_LOG": str(home / "refused")}
        values |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": str(int(offline))}
        values |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        # For what is no Python and knows no audit hook: port 9 is nobody's.
        values |= {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "all_proxy")}
        values |= {"no_proxy": "127.0.0.1,localhost", "PYTHONDONTWRITEBYTECODE": "1"}
        values["HF_ENDPOINT"] = hub.url if hub else "http://127.0.0.1:9"
        if token is not None:
            values["HF_TOKEN"] = token
        return values

    def run(
        self,
        code: str,
        *arguments: str | Path,
        home: Path,
        hub: HubServer | None = None,
        token: str | None = None,
        offline: bool = False,
        check: bool = True,
        **variables: str,
    ) -> Result:
        """Runs a snippet in a fresh process, standard input closed.

        Args:
            code: The snippet; what it prints last is `Result.value`.
            arguments: Its `sys.argv[1:]`.
            home: Folder of its HOME, HF_HOME and working directory; empty for a first visit.
            hub: The only thing that it can reach; none if None.
            token: Its HF_TOKEN.
            offline: Whether to set HF_HUB_OFFLINE.
            check: Fail if it fails, or tries to reach anything but loopback.
            variables: Further environment variables.
        """
        home.mkdir(parents=True, exist_ok=True)
        (home / "refused").unlink(missing_ok=True)
        process = subprocess.run(
            [self.python, "-c", code, *map(str, arguments)],
            cwd=home,
            env={**self.variables(home, hub, token, offline), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
        )
        refused = (home / "refused").read_text().splitlines() if (home / "refused").exists() else []
        assert not check or process.returncode == 0, process.stderr[-4000:]
        assert not check or not refused, f"tried to reach {refused}"
        return Result(process.returncode, process.stdout, process.stderr, refused)
