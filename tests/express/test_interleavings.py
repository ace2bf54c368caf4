"""Random interleavings of requests of both halves, against a model of what each should see.

Three requests load the session and save it at random moments; each sets a key of its own, changes
or deletes one that all know, or logs out. The model has one line for each rule of the design:
Django merges, Express writes its whole copy, and what a logout leaves depends on the table.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.sessions.backends.base import UpdateError

from sessionstore.backends.express import SessionStore
from tests.express.conftest import open_site
from tests.express.peer import Browser, Peer
from tests.express.test_lifetime import sid_of

pytestmark = pytest.mark.only_on("mariadb", "mysql", "postgresql")

VARIANTS = {"plain": {}, "mark": {"mark": True}, "guard": {"guard": True}}
START = {"k": 0, "shared": 0}
Data = dict[str, Any]


@dataclass
class Model:
    """What the table holds: `row` for Express, and whether Django refuses it."""

    variant: str
    row: Data | None = field(default_factory=lambda: dict(START))
    has_mark: bool = False

    def seen_by(self, half: str) -> Data | None:
        return None if half == "django" and self.has_mark else self.row

    def save(self, half: str, copy: Data, change: Callable[[Data], None]) -> None:
        """Let a request that loaded `copy` make its change and save."""
        changed = dict(copy)
        change(changed)
        if changed == copy:
            return
        if half == "express":
            if not (self.has_mark and self.variant == "guard"):
                self.row = changed
        elif self.row is not None and not self.has_mark:
            change(self.row)

    def end(self, half: str) -> None:
        """Let a request log out."""
        if half == "express":
            self.row, self.has_mark = None, False
        elif not self.has_mark:
            self.has_mark = self.variant != "plain" and self.row is not None
            self.row = None


@dataclass
class Request:
    """One request of either half, between its load and its save."""

    half: str
    number: int
    action: str
    copy: Data | None = None
    handle: Any = None

    def change(self, data: Data) -> None:
        if self.action == "set":
            data[f"r{self.number}"] = self.number
        elif self.action == "share":
            data["shared"] = self.number
        elif self.action == "delete":
            data.pop("k", None)

    @property
    def steps(self) -> list[list[Any]]:
        return {
            "set": [["set", f"r{self.number}", self.number]],
            "share": [["set", "shared", self.number]],
            "delete": [["delete", "k"]],
            "logout": [["destroy"]],
        }[self.action]


def begin(request: Request, browser: Browser, name: str) -> None:
    """Load the session and hold the request."""
    assert browser.peer is not None
    if request.half == "django":
        request.handle = SessionStore(browser.cookie)
        request.handle.get("k")
        return
    steps = [["hold", name], *request.steps]
    request.handle = browser.peer.send("/peer", steps, cookie=f"connect.sid={browser.cookie}")
    browser.peer.control(f"held/{name}")


def finish(request: Request, peer: Peer, name: str) -> None:
    """Make the change and save."""
    if request.half == "express":
        peer.control(f"release/{name}")
        peer.receive(request.handle)
        return
    session = request.handle
    if session.session_key is None:
        return
    if request.action == "logout":
        session.flush()
        return
    request.change(session._session)
    if session.modified:
        try:
            session.save()
        except UpdateError:
            return


def run(seed: str, variant: str, browser: Browser) -> None:
    """Run one interleaving and compare what both halves see."""
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    assert browser.peer is not None
    browser.cookie = None
    steps = [["set", name, value] for name, value in START.items()]
    chance.choice([browser.django, browser.express])(*steps)
    sid, model = sid_of(browser.cookie or ""), Model(variant)
    actions = ["set", "set", "share", "delete", "logout"]
    requests = [
        Request(chance.choice(["django", "express"]), number, chance.choice(actions))
        for number in (1, 2, 3)
    ]
    events = requests * 2
    chance.shuffle(events)
    begun: set[int] = set()
    for request in events:
        name = f"{seed}-{request.number}"
        if request.number not in begun:
            begun.add(request.number)
            seen = model.seen_by(request.half)
            request.copy = None if seen is None else dict(seen)
            begin(request, browser, name)
            continue
        finish(request, browser.peer, name)
        if request.copy is not None:
            if request.action == "logout":
                model.end(request.half)
            else:
                model.save(request.half, request.copy, request.change)
    in_django = SessionStore(browser.cookie)
    assert dict(in_django.items()) == expected(model.seen_by("django"), in_django), seed
    in_express = browser.peer.store("get", sid)
    if in_express is not None:
        in_express = {k: v for k, v in in_express.items() if k not in ("cookie", "_sessionstore")}
    assert in_express == model.seen_by("express"), seed


def expected(data: Data | None, session: SessionStore) -> Data:
    """Return what Django shows; a browser session of Express has the age 0."""
    if data is None:
        return {}
    own = {name: value for name, value in session.items() if name == "_session_expiry"}
    return data | own


def check(database, shared_table, peers, variant: str, count: int) -> None:
    browser = open_site(database, shared_table, peers, **VARIANTS[variant])
    for number in range(count):
        run(f"{database}-{variant}-{number}", variant, browser)


@pytest.mark.parametrize("variant", VARIANTS)
def test_random_interleavings_leave_what_the_model_says(database, shared_table, peers, variant):
    """Short form: fifty on each table of each database."""
    check(database, shared_table, peers, variant, 50)


@pytest.mark.soak
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_thousand_random_interleavings(database, shared_table, peers, variant):
    """The same, a thousand times on each table of each database."""
    check(database, shared_table, peers, variant, 1000)
