"""`make demo`: two servers, one table of sessions."""

import contextlib
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPSHandler, ProxyHandler, Request, build_opener

import pytest

from demo_site import https
from demo_site.accounts import PASSWORD
from tests.harness.process import free_port


def command(port: int, *options: str) -> list[str]:
    """What the Makefile runs."""
    return [sys.executable, "-m", "demo_site", *options, str(port)]


class Demo:
    """The running demo."""

    def __init__(self, port: int, environment: dict[str, str], *options: str) -> None:
        self.first, self.second = (f"http://127.0.0.1:{each}" for each in (port, port + 1))
        self.port = port
        self.process = subprocess.Popen(
            command(port, *options), env=environment, stdout=subprocess.PIPE, text=True
        )
        lines = iter(self.process.stdout.readline, "")
        self.said = "".join(line for line in until_ready(lines))

    def stop(self) -> int:
        """What Ctrl-C or `kill` does."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=15)
        self.process.stdout.close()
        return code


def until_ready(lines: Iterator[str]) -> Iterator[str]:
    """Each line up to the last one of the greeting."""
    for line in lines:
        yield line
        if "Ctrl-C" in line:
            return


class Visitor:
    """A browser, without a picture."""

    def __init__(self, *, trusts: Path | None = None) -> None:
        self.jar = CookieJar()
        tls = HTTPSHandler(context=ssl.create_default_context(cafile=trusts))
        self.opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(self.jar), tls)
        self.arrived_at = ""

    def get(self, url: str, **headers: str) -> str:
        """The page."""
        with self.opener.open(Request(url, headers=headers), timeout=10) as answer:  # noqa: S310 - our own address
            return answer.read().decode()

    def post(self, url: str, *, form_on: str, **fields: str) -> str:
        """Press the button of a form on the page `form_on`."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(form_on))[1]
        body = urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        form = Request(url, body, {"Referer": form_on})  # noqa: S310 - our own address
        with self.opener.open(form, timeout=10) as answer:
            self.arrived_at = answer.url
            return answer.read().decode()

    @property
    def key(self) -> str | None:
        """The session cookie."""
        return next((cookie.value for cookie in self.jar if cookie.name == "sessionid"), None)


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """A database file of its own, so that a learner's demo.sqlite3 stays as it is."""
    path = tmp_path_factory.mktemp("demo") / "demo.sqlite3"
    kept = {k: v for k, v in os.environ.items() if k not in {"DJANGO_SETTINGS_MODULE", "PORT"}}
    return {**kept, "DEMO_DATABASE": str(path)}


@pytest.fixture(scope="module")
def demo(environment) -> Iterator[Demo]:
    """The demo, run a second time on the same file: it can be repeated."""
    first = Demo(free_port(and_next=1), environment)
    assert first.stop() == 0, first.said
    running = Demo(free_port(and_next=1), environment)
    yield running
    assert running.stop() == 0, running.said
    assert not is_open(running.port)
    assert not is_open(running.port + 1)


def is_open(port: int) -> bool:
    """Whether something answers there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_demo_says_where_it_is_and_who_may_come_in(demo):
    """The two addresses, the users and the password."""
    for word in (demo.first, demo.second, "alice", "bob", PASSWORD):
        assert word in demo.said


def test_a_busy_port_is_named(demo, environment):
    """No traceback, but the way out."""
    done = subprocess.run(
        command(demo.port), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"Port {demo.port} is in use." in done.stdout
    assert "Traceback" not in done.stderr


def test_a_file_of_a_former_layout_is_named(tmp_path, environment):
    """No traceback, and the file stays until the reader deletes it."""
    path = tmp_path / "demo.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE sessionstore_session (digest BLOB PRIMARY KEY, data BLOB)")
    done = subprocess.run(
        command(free_port(and_next=1)),
        env={**environment, "DEMO_DATABASE": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "was made by an older version" in done.stdout
    assert f"start again: rm {os.path.relpath(path)}\n" in done.stdout
    assert "Traceback" not in done.stderr
    assert path.exists()


def test_a_session_follows_the_visitor_from_one_server_to_the_other(demo):
    """The cart that one process filled is what the other shows."""
    visitor = Visitor()
    visitor.post(f"{demo.first}/cart/oat/", form_on=f"{demo.first}/")
    assert "Oat and raisin" in visitor.get(f"{demo.second}/cart/")


def test_the_cart_is_kept_through_a_login_and_the_key_is_not(demo):
    """The order page shows what the anonymous visitor chose."""
    visitor = Visitor()
    visitor.post(f"{demo.first}/cart/lemon/", form_on=f"{demo.first}/")
    before = visitor.key
    login = f"{demo.first}/account/login/?next=/checkout/"
    page = visitor.post(login, form_on=login, username="alice", password=PASSWORD)
    assert "Lemon shortbread" in page
    assert "Sign out, alice" in page
    assert visitor.key != before


def test_the_panel_shows_what_the_server_holds_and_never_the_key(demo):
    """Cookie cut short; the row with its data."""
    visitor = Visitor()
    assert "no row" in visitor.get(f"{demo.first}/")
    page = visitor.post(f"{demo.first}/hood/set/", form_on=f"{demo.first}/", name="a", value="b")
    assert "&quot;note_a&quot;: &quot;b&quot;" in page
    assert visitor.key not in page
    assert f"sessionid={visitor.key[:6]}…" in page


def test_the_buttons_of_the_panel_do_what_they_say(demo):
    """Change the key; end soon; sign out."""
    visitor = Visitor()
    visitor.post(f"{demo.first}/hood/set/", form_on=f"{demo.first}/", name="a", value="b")
    before = visitor.key
    page = visitor.post(f"{demo.first}/hood/cycle/", form_on=f"{demo.first}/")
    assert "note_a" in page
    assert visitor.key not in {before, None}
    assert "5 seconds" in visitor.post(f"{demo.first}/hood/expire/", form_on=f"{demo.first}/")
    visitor.post(f"{demo.first}/account/logout/", form_on=f"{demo.first}/")
    assert visitor.key is None


def test_pages_bring_along_all_that_they_use(demo):
    """Nothing is inline and nothing comes from elsewhere, so that a strict policy holds."""
    visitor = Visitor()
    for path in (
        "/",
        "/cart/",
        "/verbs/",
        "/race/",
        "/leak/",
        "/theft/",
        "/account/login/",
        "/account/logout/",
    ):
        page = visitor.get(f"{demo.first}{path}")
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page)
        assert set(re.findall(r'(?:src|href)="https?://([^/"]+)', page)) <= {
            demo.second.removeprefix("http://")
        }


def test_guessing_is_slowed_down(demo):
    """The sixth password is not looked at any more (ASVS 6.3.1)."""
    visitor = Visitor()
    login = f"{demo.first}/account/login/"
    for _ in range(4):
        assert "correct username" in visitor.post(
            login, form_on=login, username="bob", password="wrong"
        )
    for password in ("wrong", PASSWORD):
        with pytest.raises(HTTPError) as refused:
            visitor.post(login, form_on=login, username="bob", password=password)
        with refused.value as answer:
            assert answer.code == 429
            assert "Too many wrong passwords" in answer.read().decode()


def columns_of(page: str) -> dict[str, tuple[str, str]]:
    """Before and after, by the name of the column."""
    rows = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td>', page)
    return {name: tuple(re.sub("<.*?>", "", cell) for cell in cells) for name, *cells in rows}


@pytest.mark.parametrize(
    ("verb", "changed"),
    [
        ("save", {"Version", "Last seen", "Data"}),
        ("touch", {"Last seen"}),
        ("reload", set()),
        ("regenerate", {"Cookie", "Row (handle)", "Version", "Last seen", "Data"}),
        ("destroy", {"Cookie", "Row (handle)", "Version", "Last seen", "Expires", "Data"}),
        ("cycle", {"Cookie", "Version", "Last seen"}),
    ],
)
def test_each_verb_changes_what_it_says(demo, verb, changed):
    """What a learner sees is what happened. The end follows last seen, in whole seconds."""
    visitor = Visitor()
    verbs = f"{demo.first}/verbs/"
    for _ in range(2):
        visitor.post(f"{demo.first}/hood/set/", form_on=verbs, name="a", value="b")
    page = visitor.post(f"{verbs}{verb}/", form_on=verbs)
    seen = {name for name, (_, after) in columns_of(page).items() if after != "the same"}
    assert len(columns_of(page)) == 6
    assert seen - {"Expires"} == changed - {"Expires"}


def test_a_comparison_is_shown_once_and_no_address_carries_it(demo):
    """A cookie does, which the page takes back; a forged one shows nothing."""
    visitor = Visitor()
    verbs = f"{demo.first}/verbs/"
    assert "Before" in visitor.post(f"{verbs}save/", form_on=verbs)
    assert visitor.arrived_at == verbs
    assert "Before" not in visitor.get(verbs)
    assert "Before" not in visitor.get(verbs, Cookie="pressed=forged")


def test_the_signed_out_page_shows_no_cookie_that_is_gone(demo):
    """What the answer takes back is not what the browser holds."""
    visitor = Visitor()
    login = f"{demo.first}/account/login/"
    visitor.post(login, form_on=login, username="alice", password=PASSWORD)
    assert "<code>sessionid=" in visitor.get(f"{demo.first}/")
    page = visitor.post(f"{demo.first}/account/logout/", form_on=f"{demo.first}/")
    assert "You are signed out" in page
    assert "<code>sessionid=" not in page


def test_a_stolen_cookie_is_the_login_where_nothing_is_bound(demo):
    """The page that copies it says so, and shows no key."""
    visitor = Visitor()
    assert "nothing to steal" in visitor.get(f"{demo.first}/theft/")
    login = f"{demo.first}/account/login/?next=/theft/"
    page = visitor.post(login, form_on=login, username="alice", password=PASSWORD)
    assert "over HTTP" in page
    page = visitor.post(f"{demo.first}/theft/", form_on=f"{demo.first}/theft/")
    assert "signed in as alice</strong>" in page
    assert visitor.key not in page


def test_over_https_the_demo_brings_its_certificate(environment, tmp_path):
    """One server, an answer to who trusts that certificate, and the line that starts a browser."""
    path = tmp_path / "demo.pem"
    demo = Demo(free_port(), {**environment, "DEMO_CERTIFICATE": str(path)}, "--https")
    address = f"https://127.0.0.1:{demo.port}"
    visitor = Visitor(trusts=path)
    try:
        login = f"{address}/account/login/?next=/theft/"
        visitor.post(login, form_on=login, username="alice", password=PASSWORD)
        page = visitor.post(f"{address}/theft/", form_on=f"{address}/theft/")
    finally:
        assert demo.stop() == 0, demo.said
    assert "has not answered" in page
    assert "signed in as alice</strong>" in page
    assert f"{address}/theft/" in demo.said
    assert f"--ignore-certificate-errors-spki-list={https.public_key_hash(path)}" in demo.said
    assert path.stat().st_mode & 0o077 == 0
