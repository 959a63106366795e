"""The environments of the tests reach loopback alone, and one of them is without the package."""

from __future__ import annotations

from pathlib import Path

from .online import ROOT, Environment

REACH = """
import asyncio, json, socket, subprocess, sys, urllib.request

def reached(attempt):
    try:
        attempt()
    except OSError as error:
        return "loopback" not in str(error)
    return True

async def connect():
    await asyncio.open_connection("192.0.2.1", 80)

child = [sys.executable, "-c", "import socket; socket.create_connection(('192.0.2.2', 80), 1)"]
try:
    import modeling_dlfa
    package = modeling_dlfa.__file__
except ModuleNotFoundError:
    package = None
print(json.dumps([reached(lambda: socket.create_connection(("192.0.2.1", 80), 1)),
                  reached(lambda: socket.getaddrinfo("huggingface.co", 443)),
                  reached(lambda: asyncio.run(connect())),
                  subprocess.run(child, capture_output=True).returncode == 0, package]))
"""


def test_the_environments_reach_loopback_alone_and_one_is_without_the_package(
    bare_environment: Environment, package_environment: Environment, tmp_path: Path
) -> None:
    bare = bare_environment.run(REACH, home=tmp_path, check=False)
    assert bare.value == [False, False, False, False, None]
    assert bare.refused == ["192.0.2.1", "huggingface.co", "192.0.2.1", "192.0.2.2"]
    installed = package_environment.run("import modeling_dlfa; print(f'\"{modeling_dlfa.__file__}\"')", home=tmp_path)
    assert Path(installed.value).resolve() == ROOT / "modeling_dlfa" / "__init__.py"
