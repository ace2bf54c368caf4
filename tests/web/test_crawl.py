"""The whole of a site: no page, header, log or line of output shows a key or a whole digest."""

import base64
import logging
import re

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver

from sessionstore.checks.deployment import check_stored_keys
from sessionstore.models import Session
from tests.web.conftest import PASSWORD, key_of, press, sign_in

STARTS = ["/account/login/", "/account/devices/", "/account/session/status/", "/admin/"]
BROKEN = ["/broken/", "/nowhere/", "/account/devices/?page=x", "/admin/sessionstore/session/?x=1"]
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"


def links(html: str) -> set[str]:
    """Addresses on this site that a GET may ask for."""
    found = re.findall(r'(?:href|src|action|data-\w+)="(/[^"#]*|\?[^"#]*)"', html)
    return {address.replace("&amp;", "&") for address in found if "logout" not in address}


def spellings(digest: bytes) -> set[str]:
    """The ways in which 32 bytes may be written down."""
    plain = base64.b64encode(digest).decode()
    url = base64.urlsafe_b64encode(digest).decode()
    return {digest.hex(), digest.hex().upper(), str(digest), plain, url, str(list(digest))}


class Watch:
    """Collects what was shown, and every key and digest that there ever was."""

    def __init__(self, browser: Client) -> None:
        self.browser = browser
        self.shown: list[str] = []
        self.keys: set[str] = set()
        self.digests: set[bytes] = set()

    def remember(self) -> None:
        self.keys |= {key_of(self.browser)} - {""}
        for row in Session.objects.values_list("digest", "previous_digest"):
            self.digests |= {bytes(digest) for digest in row if digest is not None}

    def get(self, address: str) -> str:
        answer = self.browser.get(address)
        self.remember()
        body = b"".join(answer) if answer.streaming else answer.content
        headers = [f"{name}: {value}" for name, value in answer.headers.items()]
        self.shown += [address, body.decode(errors="replace"), *headers]
        return body.decode(errors="replace")

    def crawl(self, *starts: str, at_most: int = 400) -> int:
        """Follow links until there are no new ones."""
        waiting, seen = list(starts), set(starts)
        while waiting and len(seen) < at_most:
            address = waiting.pop()
            base = address.partition("?")[0]
            found = {
                base + link if link.startswith("?") else link for link in links(self.get(address))
            }
            waiting += found - seen
            seen |= found
        return len(seen)

    def leaks(self) -> list[str]:
        text = "\n".join(self.shown)
        secrets = self.keys.union(*map(spellings, self.digests))
        return [text[text.index(one) - 80 :][:200] for one in secrets if one in text]


@pytest.fixture
def boss(db) -> User:
    return User.objects.create_superuser("boss", password=PASSWORD)


@pytest.fixture
def watch(boss, settings) -> Watch:
    settings.DEBUG = True
    return Watch(
        Client(
            enforce_csrf_checks=True, raise_request_exception=False, headers={"user-agent": AGENT}
        )
    )


def test_a_crawl_finds_neither_key_nor_digest(watch, boss, user, caplog, capfd):
    """Pages, admin, JSON, debug pages, logs, output of commands (ASVS 3.3.4, 14.2.1, 16.2.5)."""
    caplog.set_level(logging.INFO)
    other = Client(headers={"user-agent": AGENT})
    sign_in(other, user)
    watch.crawl("/account/login/", "/account/logout/")
    sign_in(watch.browser, boss)
    watch.remember()
    assert watch.crawl(*STARTS) > 30
    for address in BROKEN:
        watch.get(address)
    assert "RuntimeError" in watch.get("/broken/")
    press(watch.browser, "/account/confirm/", password=PASSWORD)
    watch.remember()
    press(other, "/account/logout/")
    other.cookies["sessionid"] = next(iter(watch.keys))[:-1] + "x"
    other.get("/plain/")
    for command in (["sessionstats"], ["clearsessions"], ["revokesessions", "--all", "--no-input"]):
        call_command(*command)
    run_checks(include_deployment_checks=True)
    out = capfd.readouterr()
    watch.shown += [out.out, out.err]
    watch.shown += [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert len(watch.keys) >= 2
    assert len(watch.digests) >= 3
    assert watch.leaks() == []


def test_the_crawl_would_find_one(watch, user):
    """A test that finds nothing must be able to find something."""
    sign_in(watch.browser, user)
    watch.remember()
    digest = next(iter(watch.digests))
    for told in (next(iter(watch.keys)), digest.hex(), base64.b64encode(digest).decode()):
        watch.shown = [f"... {told} ..."]
        assert len(watch.leaks()) == 1


def test_no_address_of_ours_has_a_place_for_a_key():
    """Addresses end up in logs, histories and referrers (ASVS 14.2.1); a handle may.

    The token of a mail's link opens no session: it signs one device out, once.
    """
    ours = [str(pattern.pattern) for pattern in get_resolver("sessionstore.urls").url_patterns]
    assert [address for address in ours if "<" in address] == [
        "devices/known/<str:handle>/",
        "devices/<str:handle>/",
        "not-me/<str:token>/",
    ]


def test_apps_that_store_raw_keys_are_told():
    """A table with a column for session keys holds usable cookies; ours does not."""
    [message] = check_stored_keys()
    assert message.id == "sessionstore.W024"
    assert message.msg.startswith("user_sessions.Session may store keys of sessions")
