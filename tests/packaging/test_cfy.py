"""What `cfy` sends to a manager when the bundle is uploaded, caught by a stub on loopback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from packing.plugin import name_and_version, read

NAME, VERSION = name_and_version(read())
CFY = Path(sys.executable).with_name("cfy")


@dataclass
class Upload:
    """One body that was sent, and where to."""

    path: str
    query: dict[str, list[str]]
    kind: str
    body: bytes


@dataclass
class Manager:
    """As much of a manager as an upload needs, and the user's profile for it."""

    home: Path
    bundle: Path
    uploads: list[Upload] = field(default_factory=list)

    def cfy(self, *arguments: str) -> str:
        """The real command, as one types it in the bundle's directory; it must succeed."""
        env = {**os.environ, "CFY_WORKDIR": str(self.home)}
        done = subprocess.run(
            [str(CFY), *arguments],
            env=env,
            cwd=self.bundle,
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Stub(ThreadingHTTPServer):
    """Answers what the client asks first, and keeps what is sent."""

    def __init__(self, uploads: list[Upload]) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.uploads = uploads


class Request(BaseHTTPRequestHandler):
    """One request to the stub."""

    protocol_version = "HTTP/1.1"
    server: Stub

    def do_GET(self) -> None:
        known: dict[str, dict[str, Any]] = {
            "version": {"edition": "community", "version": "7.0.0"},
            "context": {"name": "provider", "context": {}},
        }
        asked = urlsplit(self.path).path.rpartition("/")[2]
        self._answer(200, known.get(asked, {"id": asked, "state": "uploaded"}))

    def do_POST(self) -> None:
        self._receive()

    def do_PUT(self) -> None:
        self._receive()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _receive(self) -> None:
        parts = urlsplit(self.path)
        kind, body = self.headers.get("Content-Type", ""), b"".join(self._chunks())
        self.server.uploads.append(Upload(parts.path, parse_qs(parts.query), kind, body))
        self._answer(201, {"id": "uploaded", "state": "uploaded"})

    def _chunks(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, status: int, said: dict[str, Any]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def manager(tmp_path: Path, bundle: Path) -> Iterator[Manager]:
    made = Manager(tmp_path, bundle)
    with Stub(made.uploads) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        made.cfy("init")
        options = ["-u", "admin", "-p", "admin", "-t", "default_tenant", "--skip-credentials-validation"]
        made.cfy("profiles", "use", "127.0.0.1", "--rest-port", str(server.server_port), *options)
        yield made
        server.shutdown()


def test_the_plugin_goes_with_its_types_and_its_icon(manager: Manager, bundle: Path, wagon: Path) -> None:
    files = [wagon.name, "-y", "plugin.yaml", "-i", "quagga.png"]
    assert "uploaded" in manager.cfy("plugins", "upload", *files, "--title", "Quagga")
    assert (bundle / "quagga.png").exists()
    (upload,) = manager.uploads
    assert upload.path.endswith("/plugins")
    assert upload.query["title"] == ["Quagga"]
    with zipfile.ZipFile(io.BytesIO(upload.body)) as sent:
        assert set(sent.namelist()) == {wagon.name, "plugin.yaml", "icon.png"}
        assert sent.read("plugin.yaml") == (bundle / "plugin.yaml").read_bytes()


@pytest.mark.parametrize("name", ["cluster", "router"])
def test_a_blueprints_archive_is_taken_as_it_is(manager: Manager, name: str) -> None:
    # -a: the stub parses no blueprint, so there is nothing to wait for.
    manager.cfy("blueprints", "upload", f"{name}.zip", "-b", name, "-a")
    (upload,) = manager.uploads
    assert upload.path.endswith(f"/blueprints/{name}")
    with tarfile.open(fileobj=io.BytesIO(_archive(upload)), mode="r:*") as sent:
        held = {Path(one).name for one in sent.getnames()}
    assert held >= {"blueprint.yaml", f"{name}-topology.yaml", "icon.png"}


def _archive(upload: Upload) -> bytes:
    """The file in a form of several parts."""
    message = message_from_bytes(b"Content-Type: " + upload.kind.encode() + b"\r\n\r\n" + upload.body)
    (part,) = (one for one in message.walk() if one.get_filename())
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content
