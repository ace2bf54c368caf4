"""`make audit` tells three answers apart, asked of a service of our own in the place of OSV."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.harness.missing import give_up

ROOT = Path(__file__).parents[2]
LOCK = """version = 1
requires-python = ">=3.11"
[[package]]
name = "django"
version = "5.2.1"
source = {{ registry = "{index}" }}
sdist = {{ url = "{index}/django.tar.gz", hash = "sha256:{digest}" }}
[[package]]
name = "site"
version = "1"
source = {{ virtual = "." }}
dependencies = [{{ name = "django" }}]
[package.metadata]
requires-dist = [{{ name = "django" }}]
"""
PROJECT = """[project]
name = "site"
version = "1"
requires-python = ">=3.11"
dependencies = ["django"]
"""


class Service(BaseHTTPRequestHandler):
    """Knows the vulnerabilities of its server; also an index that knows no package."""

    def do_POST(self) -> None:
        """Return which of the packages have any."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        self.server.asked += [query["package"]["name"] for query in asked]
        self._answer({"results": [{"vulns": self.server.known} for _ in asked]})

    def do_GET(self) -> None:
        """Return what one of them is."""
        about = self.path.rpartition("/")[2]
        self._answer({"id": about, "modified": "2026-01-01T00:00:00Z", "summary": "sessions leak"})

    def _answer(self, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def service() -> Iterator[ThreadingHTTPServer]:
    """Runs in a thread; `known` is what it answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.known, server.asked = [], []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def audit(folder: Path, port: int) -> tuple[int, str]:
    """Run it on a project with one dependency; return its status and what it prints."""
    uv = ROOT / ".venv" / "bin" / "uv"
    if not uv.exists():
        give_up(f"{uv} is not there")
    address = f"http://127.0.0.1:{port}"
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "uv.lock").write_text(LOCK.format(index=f"{address}/simple", digest="0" * 64))
    done = subprocess.run(
        [ROOT / ".ci" / "audit", "--project", folder, "--service-url", f"{address}/"],
        env={**os.environ, "NO_PROXY": "127.0.0.1", "UV_HTTP_TIMEOUT": "5"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_nothing_known_is_success(service, tmp_path):
    """After the service was really asked."""
    status, said = audit(tmp_path, service.server_port)
    assert (status, service.asked) == (0, ["django"]), said
    assert "Not checked" not in said


def test_what_is_known_is_named(service, tmp_path):
    """With the package and the advisory, and status 1."""
    service.known = [{"id": "GHSA-0", "modified": "2026-01-01T00:00:00Z"}]
    status, said = audit(tmp_path, service.server_port)
    assert status == 1, said
    assert "django 5.2.1" in said
    assert "GHSA-0: sessions leak" in said


def test_a_service_out_of_reach_is_no_success(service, tmp_path):
    """Nor is it a vulnerability: another status, and plain words."""
    service.shutdown()
    service.server_close()
    status, said = audit(tmp_path, service.server_port)
    assert status == 75, said
    assert "Not checked" in said
