"""`make demo-express`: both halves of the shop, as a visitor walks through them."""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from tests.harness.node import require_node
from tests.harness.process import free_port

ROOT = Path(__file__).parents[2]


class Visitor:
    """A browser with one cookie jar: cookies know no ports."""

    def __init__(self) -> None:
        jar = urllib.request.HTTPCookieProcessor(CookieJar())
        self.opener = urllib.request.build_opener(jar)

    def get(self, url: str) -> str:
        with self.opener.open(url, timeout=30) as response:
            return response.read().decode()

    def post(self, url: str, page: str, **fields: str) -> str:
        """Send a form from a page, as a browser does: with its origin and its token."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        if token:
            fields["csrfmiddlewaretoken"] = token[1]
        parts = urllib.parse.urlsplit(url)
        request = urllib.request.Request(url, urllib.parse.urlencode(fields).encode())  # noqa: S310 - our own address
        request.add_header("Origin", f"{parts.scheme}://{parts.netloc}")
        with self.opener.open(request, timeout=30) as response:
            return response.read().decode()


@pytest.fixture
def halves(tmp_path):
    """The addresses of the two halves of a running demo."""
    require_node()
    if shutil.which("mariadb-install-db") is None:
        pytest.skip("mariadb-server is not installed")
    port = free_port()
    demo = subprocess.Popen(
        [sys.executable, "-m", "examples.express", str(port)],
        cwd=ROOT,
        env={**os.environ, "EXPRESS_DEMO_FOLDER": str(tmp_path / "demo")},
        stdout=subprocess.PIPE,
        text=True,
    )
    told = ""
    while "Ctrl-C" not in told:
        line = demo.stdout.readline()
        assert line, f"the demo ended: {told}"
        told += line
    yield re.findall(r"http://\S+", told)
    demo.send_signal(signal.SIGTERM)
    demo.send_signal(signal.SIGINT)
    assert demo.wait(60) == 0
    demo.stdout.close()


def test_a_visitor_walks_from_one_half_to_the_other(halves):
    """The cart is shared, a login on either side counts on both, and so does a logout."""
    django, express = halves
    visitor = Visitor()
    assert "No row yet" in visitor.get(django)
    assert "No row yet" in visitor.get(express)
    visitor.post(f"{django}/cart/oat/", visitor.get(django))
    assert '"oat": 1' in shown(visitor.get(express))
    visitor.post(f"{express}/cart/oat", "", more="")
    assert "<span>2</span>" in visitor.get(f"{django}/cart/")
    page = visitor.post(f"{express}/login", "", username="bob", password="cookie-jar")
    assert "Sign out, bob" in page
    assert "Sign out, bob" in visitor.get(django)
    assert "<span>2</span>" in visitor.get(f"{django}/cart/")
    visitor.post(f"{django}/account/logout/", visitor.get(django))
    assert "Sign out" not in visitor.get(express)
    login = f"{django}/account/login/"
    visitor.post(login, visitor.get(login), username="alice", password="cookie-jar")
    assert "Sign out, alice" in visitor.get(express)
    visitor.post(f"{express}/logout", "")
    assert "Sign out" not in visitor.get(django)


def shown(page: str) -> str:
    """Return a page with its quotes as they are read."""
    return page.replace("&quot;", '"')
