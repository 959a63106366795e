"""The page as it is served: a process of its own on loopback, asked by Gradio's client, over HTTP and by a browser."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.inference.samples import SENTENCES
from modeling_dlfa.tasks import XNLI

from ..conftest import ROOT
from ..tiny_checkpoints import save_checkpoint

SPACE = ROOT / "examples/space"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = '<img src=x onerror="window.hit=1"> ${(window.hit=2)} {{7*7}}'
needs_gradio = pytest.mark.skipif(
    importlib.util.find_spec("gradio") is None, reason="gradio is not installed: pip install 'modeling-dlfa[space]'"
)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_checkpoint(folder / "aif", "sequence", XNLI.labels, fusion_layers=[1], glyph_size=6)
    save_checkpoint(folder / "last", "sequence", XNLI.labels, fusion="last")
    return folder


@contextmanager
def serving(command: list[str], log: Path, port: int, cwd: Path, **variables: str) -> Iterator[str]:
    """Runs a server until the end of the block, and gives its address."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=cwd, stdout=output, stderr=output, env={**os.environ, **variables}, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 600
        while status(address + "/config") != 200:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-4000:]
            time.sleep(0.5)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def asked_outside() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that notes what is asked of it, and answers nothing."""
    noted: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    noted.append(connection.recv(200))

        threading.Thread(target=listen, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", noted


@pytest.fixture(scope="module")
def page(folder: Path, asked_outside: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, home = free_port(), tmp_path_factory.mktemp("server")
    (home / "secret.txt").write_text("secret", encoding="utf-8")
    command = [sys.executable, "-m", "modeling_dlfa", "space", str(folder / "aif"), "--baseline", str(folder / "last")]
    proxies = {"HTTP_PROXY": asked_outside[0], "HTTPS_PROXY": asked_outside[0], "NO_PROXY": "127.0.0.1,localhost"}
    proxies |= {name.lower(): value for name, value in proxies.items()}
    open_to_all = {"GRADIO_ALLOWED_PATHS": "/", "GRADIO_SHARE": "True", "GRADIO_ANALYTICS_ENABLED": "True"}
    variables = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", **proxies, **open_to_all}
    with serving([*command, "--port", str(port)], home / "log", port, home, **variables) as address:
        yield address


def status(url: str, data: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def ask(address: str, *texts: Any) -> str:
    """Asks as Gradio's own clients do, and returns the HTML."""
    body = json.dumps({"data": texts}).encode()
    request = urllib.request.Request(f"{address}/gradio_api/call/answer", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{address}/gradio_api/call/answer/{event}", timeout=120) as stream:
        told = stream.read().decode()
    (line,) = re.findall(r"event: complete\ndata: (.*)", told)
    (html,) = json.loads(line)
    return str(html)


@needs_gradio
@pytest.mark.slow
def test_it_answers_over_http_and_tells_what_is_wrong(page: str) -> None:
    html = ask(page, *SENTENCES["ur"])
    assert all(label in html for label in XNLI.labels) and "layer 1" in html and "its look" in html
    assert 'dir="auto"' in html and "Baseline" in html
    assert "<img" not in ask(page, HOSTILE, HOSTILE)
    assert "Text is blank. Write at least a word." in ask(page, "", "a")
    assert "reads up to 2,000" in ask(page, "a" * 2001, "a")
    assert "Not answered" in ask(page, None, 3)


@needs_gradio
@pytest.mark.slow
def test_no_file_is_read_and_nothing_is_written(page: str, tmp_path: Path) -> None:
    for name in ("/etc/passwd", "secret.txt", str(ROOT / "README.md")):
        for route in (
            "gradio_api/file=",
            "file=",
            "gradio_api/file/",
            "static/../",
            "assets/..%2f..%2f",
            "svelte/../",
        ):
            assert status(f"{page}/{route}{name}") in (403, 404), route
    assert status(f"{page}/gradio_api/upload", b"x") == 404
    assert status(f"{page}/gradio_api/file=http://127.0.0.1:1/") == 404
    assert status(f"{page}/gradio_api/queue/join", b"x" * 70_000) == 413
    with urllib.request.urlopen(page, timeout=30) as answer:
        assert "default-src 'self'" in answer.headers["content-security-policy"]
    config = json.load(urllib.request.urlopen(f"{page}/config", timeout=30))
    assert config["analytics_enabled"] is False and not config.get("run_history")


@needs_gradio
@pytest.mark.slow
def test_the_server_asks_nothing_of_anyone(page: str, asked_outside: tuple[str, list[bytes]]) -> None:
    ask(page, *SENTENCES["en"])
    assert asked_outside[1] == []


@needs_gradio
@pytest.mark.slow
def test_the_folder_is_a_space(folder: Path, tmp_path: Path) -> None:
    """As docs/space.md puts it together, and with nothing but the variables of the Space's settings."""
    yaml = pytest.importorskip("yaml")
    front = yaml.safe_load((SPACE / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert (front["sdk"], front["app_file"], front["license"]) == ("gradio", "app.py", "apache-2.0")
    assert len(front["short_description"]) <= 60
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert f"gradio=={front['sdk_version']}" in pins
    for path in SPACE.iterdir():
        if path.is_file():
            shutil.copyfile(path, tmp_path / path.name)
    shutil.copytree(ROOT / "modeling_dlfa", tmp_path / "modeling_dlfa")
    port = free_port()
    variables = {"DLFA_CHECKPOINT": str(folder / "aif"), "GRADIO_SERVER_PORT": str(port), "PYTHONPATH": ""}
    command = [sys.executable, front["app_file"]]
    with serving(command, tmp_path / "log", port, tmp_path, **variables) as address:
        assert "layer 1" in ask(address, *SENTENCES["en"])


def test_requirements_are_the_packages_own() -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 has it")
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert {*wanted} <= {*(SPACE / "requirements.txt").read_text(encoding="utf-8").split("\n")}


@needs_gradio
def test_a_taken_port_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(SystemExit) as stop:
        dlfa(["space", str(folder / "aif"), "--port", str(listener.getsockname()[1])])
    assert stop.value.code == 2 and "Name another with --port." in capsys.readouterr().err


def test_without_gradio_its_lack_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "gradio" else find(name, *rest)
    )
    with pytest.raises(SystemExit) as stop:
        dlfa(["space", "no/where"])
    assert stop.value.code == 2 and "pip install 'modeling-dlfa[space]'" in capsys.readouterr().err


@needs_gradio
@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_a_browser_and_is_used_by_keyboard(page: str, width: int, scheme: Any) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        tab.set_default_timeout(120_000)
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(page)
        tab.wait_for_selector("textarea")
        for text in (HOSTILE, "An animal sleeps."):
            tab.keyboard.press("Tab")
            tab.keyboard.insert_text(text)
        tab.keyboard.press("Tab")
        tab.keyboard.press("Enter")
        tab.wait_for_selector(".dlfa-text")
        assert tab.evaluate("window.hit") is None and HOSTILE in tab.locator(".dlfa-text").first.inner_text()
        tab.get_by_role("button", name="Urdu").focus()
        tab.keyboard.press("Enter")
        tab.get_by_text(SENTENCES["ur"][0]).last.wait_for()
        direction = "getComputedStyle(document.querySelector('.dlfa-text')).direction"
        tab.wait_for_function(f"{direction} == 'rtl'")
        tab.locator("summary").focus()
        tab.keyboard.press("Enter")
        assert tab.locator("details table").is_visible()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert all(url.startswith((page, "data:")) for url in asked)
        browser.close()
