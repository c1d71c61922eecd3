"""Tiny checkpoints and a Hub of our own, on loopback."""

__all__ = ("FakeHub",)

import hashlib
import json
import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from pulse_ai.hub.synthetic import make_random_checkpoint

_COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_CACHE_DIR", str(tmp_path / "pulse-cache"))


@pytest.fixture(name="tiny")
def _tiny(tmp_path: Path) -> Path:
    """A DistilBERT of two layers, 30 tokens long."""
    return make_random_checkpoint(
        tmp_path / "tiny", hidden=32, heads=4, layers=2, vocab=60, positions=30, spread=0.2
    )


class FakeHub:
    """Answers the few requests that fetching a model makes.

    Attributes:
        repositories: Files by name, by repository.
        refusal: Status and error code with which every request is refused; None answers them.
        change: Applied to a large file's content as it is sent.
        asked: Method and path of each request.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.refusal: tuple[int, str] | None = None
        self.change: Callable[[bytes], bytes] = bytes
        self.asked: list[str] = []
        self.tokens: list[str | None] = []
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def publish(self, name: str, folder: Path) -> None:
        files = (path for path in folder.rglob("*") if path.is_file())
        self.repositories[name] = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


@pytest.fixture(name="hub")
def _hub() -> Generator[FakeHub]:
    hub = FakeHub()
    yield hub
    hub.stop()


class _Handler(BaseHTTPRequestHandler):
    hub: ClassVar[FakeHub]
    protocol_version = "HTTP/1.0"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""

    def _answer(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/")
        self.hub.asked.append(f"{self.command} {path}")
        self.hub.tokens.append(self.headers.get("authorization"))
        if self.hub.refusal:
            self._refuse(*self.hub.refusal)
        elif path.startswith("api/models/"):
            self._describe(path.removeprefix("api/models/"))
        else:
            self._send_file(path)

    def _describe(self, path: str) -> None:
        name, _, revision = path.partition("/revision/")
        if name not in self.hub.repositories:
            self._refuse(404, "RepoNotFound")
        elif revision not in ("", "main", "v1", _COMMIT):
            self._refuse(404, "RevisionNotFound")
        else:
            files = self.hub.repositories[name].items()
            siblings = [{"rfilename": file, "size": len(content)} for file, content in files]
            body = json.dumps({"id": name, "modelId": name, "sha": _COMMIT, "siblings": siblings}).encode()
            self._send(body, {"Content-Type": "application/json"})

    def _send_file(self, path: str) -> None:
        name, _, rest = path.partition("/resolve/")
        content = self.hub.repositories.get(name, {}).get(rest.partition("/")[2])
        if content is None:
            self._refuse(404, "EntryNotFound")
            return
        large = rest.endswith((".safetensors", ".onnx"))
        git = hashlib.sha1(b"blob %d\0" % len(content) + content)  # noqa: S324 - the checksum that Git uses
        checksum = hashlib.sha256(content) if large else git
        headers = {"X-Repo-Commit": _COMMIT, "ETag": f'"{checksum.hexdigest()}"'}
        self._send(self.hub.change(content) if large else content, headers, size=len(content))

    def _send(self, body: bytes, headers: dict[str, str], size: int | None = None) -> None:
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if size is None else size))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
