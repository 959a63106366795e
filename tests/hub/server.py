"""The two servers: the Hub, and the store of large files that it redirects to, on an origin of its own."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from . import files, information, repositories, revisions, uploads  # noqa: F401  They enter their routes.
from .accounts import Account, account_of
from .errors import HubError, repository_not_found
from .faults import Dropped, Exchange, Fault, Faults
from .messages import Answer, Request, json_answer
from .objects import Objects, write_atomically
from .repository import Repository
from .routing import HUB, STORE, Routes


class HubServer:
    """A Hub on 127.0.0.1 whose whole state lies in a folder.

    Args:
        root: The folder; a server on the same folder serves the same.

    Attributes:
        url: For `HF_ENDPOINT`.
        store_url: Where large files come from and go to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = Objects(root / "objects")
        self.faults = Faults()
        self.lock = threading.RLock()
        self._servers = [_Server(self, HUB), _Server(self, STORE)]
        # By another name: some versions of the client take two ports of one host for one origin.
        hosts = ("127.0.0.1", "localhost")
        self.url, self.store_url = (
            f"http://{host}:{server.server_port}" for host, server in zip(hosts, self._servers, strict=True)
        )
        if not (root / "secret").is_file():
            write_atomically(root / "secret", secrets.token_bytes(16))
        self._secret = (root / "secret").read_bytes()

    def start(self) -> HubServer:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> HubServer:
        return self.start()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def fail(self, pattern: str, **values: Any) -> None:
        """Orders a `Fault`."""
        self.faults.add(Fault(pattern, **values))

    def requests(self, pattern: str = "") -> list[Exchange]:
        """Returns what was asked so far, where `"METHOD /path"` matches."""
        return self.faults.requests(pattern)

    def repository(self, kind: str, repo_id: str) -> Repository:
        return Repository(self.root / kind / repo_id, kind, repo_id)

    def visible(self, kind: str, repo_id: str, account: Account | None) -> Repository:
        """Returns a repository that the account may see."""
        repository = self.repository(kind, repo_id)
        if repository.exists:
            if not repository.state["private"] or (account and account.belongs_to(repository.namespace)):
                return repository
        raise repository_not_found(account is None)

    def writable(self, kind: str, repo_id: str, account: Account | None) -> Repository:
        """Returns a repository that the account may write to."""
        repository = self.visible(kind, repo_id, account)
        if account is None:
            raise HubError(401, "Invalid username or password.")
        if not account.may_write(repository.namespace):
            raise HubError(403, "Forbidden: this token has no write access to this repository")
        return repository

    def signed_url(self, method: str, sha256: str, size: int) -> str:
        signature = self.signature(method, sha256, size)
        return f"{self.store_url}/objects/{sha256}?size={size}&signature={signature}"

    def signature(self, method: str, sha256: str, size: int) -> str:
        return hmac.new(self._secret, f"{method} {sha256} {size}".encode(), hashlib.sha256).hexdigest()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, hub: HubServer, routes: Routes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub, self.routes = hub, routes

    def server_bind(self) -> None:
        # HTTPServer would ask the resolver for this machine's name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are part of the tests."""

    def answer(self, request: Request) -> Answer:
        for method, pattern, route in self.routes:
            match = pattern.fullmatch(request.path)
            if match and method == ("GET" if request.method == "HEAD" else request.method):
                values = {key: value and unquote(value) for key, value in match.groupdict().items()}
                return route(self.hub, request, **values)
        raise HubError(404, f"Sorry, we can't find the page you are looking for: {request.path}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def handle_request(self) -> None:
        url = urlsplit(self.path)
        fault = self.server.hub.faults.strike(self.command, url.path)
        query = parse_qs(url.query, keep_blank_values=True)
        request = Request(self.command, url.path, query, self.headers, self.rfile, fault)
        try:
            time.sleep(fault.delay if fault else 0)
            answer = self._answer(request)
            for _ in request.chunks():  # A body that nobody read would be taken for the next request.
                pass
        except (Dropped, ConnectionError):
            self._record(request, None)
            self.close_connection = True
            return
        # Before the answer: a client that has it may ask for the log.
        self._record(request, answer.status)
        try:
            self._send(answer, fault)
        except ConnectionError:
            self.close_connection = True

    def _record(self, request: Request, status: int | None) -> None:
        self.server.hub.faults.record(Exchange(request.method, request.path, status, request.received))

    def _answer(self, request: Request) -> Answer:
        fault = request.fault
        if fault is not None and fault.status is not None:
            return json_answer({"error": "This test ordered a failure."}, fault.status)
        try:
            request.account = account_of(self.headers.get("Authorization"))
            return self.server.answer(request)
        except HubError as error:
            return json_answer(error.body, error.status, **error.headers)

    def _send(self, answer: Answer, fault: Fault | None) -> None:
        self.send_response(answer.status)
        for key, value in answer.headers.items():
            self.send_header(key, value.encode("ascii", "replace").decode().replace("\n", " "))
        self.send_header("Content-Length", str(answer.size))
        self.end_headers()
        for piece in answer.pieces() if self.command != "HEAD" else ():
            if fault and fault.bytes_per_second:
                time.sleep(len(piece) / fault.bytes_per_second)
            self.wfile.write(piece)
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_request

    def log_message(self, format: str, *args: Any) -> None:
        """The log is in `Faults`."""
