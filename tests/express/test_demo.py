"""`make demo-express`: both halves of the shop, as a visitor walks through them."""

import re
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

import pytest

from tests.express.demo import running_demo


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
    with running_demo(tmp_path / "demo") as addresses:
        yield addresses


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
