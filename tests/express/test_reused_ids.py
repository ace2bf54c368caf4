"""Ids that come again, as those made from users: a new session under an old id is a new one."""

import uuid
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from sessionstore.backends.express import SessionStore
from sessionstore.core.express_format import new_sid, sign
from sessionstore.express.store import ExpressStore
from tests.express.peer import SECRETS, Browser
from tests.express.test_lifetime import sid_of

by_node = pytest.mark.only_on("mariadb", "mysql", "postgresql")
variants = pytest.mark.parametrize("variant", ["plain", "mark", "guard"])
marked_variants = pytest.mark.parametrize("variant", ["mark", "guard"])


@pytest.fixture
def site(database, shared_table, peers) -> Callable[[str], Browser]:
    """Return a browser before an Express that makes its ids from the user."""

    def open_site(variant: str, **express: Any) -> Browser:
        postgres = connections[database].vendor == "postgresql"
        if postgres:
            express["layout"] = "connect-pg-simple"
        shared_table(mark=variant == "mark", guard=variant == "guard", **express)
        store = "pg" if postgres else "mysql"
        return Browser(peers.get(database, store=store, session={"genid": "user"}))

    return open_site


@by_node
class TestWithNode:
    @variants
    @pytest.mark.parametrize("end", [["logout"], ["flush"]])
    def test_a_session_after_a_logout_is_a_new_one(self, site, variant, end):
        """The guard discarded it, in silence, until the mark ended."""
        browser = site(variant)
        browser.express(["set", "a", 1])
        cookie = browser.cookie
        assert sid_of(cookie) == "user-7"
        browser.django(end)
        assert browser.express(["set", "b", 1])["id"] == "user-7"
        assert browser.cookie == cookie
        assert browser.express()["loaded"]["b"] == 1
        assert browser.django()["session"].keys() - {"_session_expiry"} == {"b"}

    @variants
    def test_a_session_after_a_change_of_key_is_a_new_one(self, site, variant):
        """Django's login takes an id of its own, and the old one is free again."""
        browser = site(variant)
        browser.express(["set", "a", 1])
        other = Browser(browser.peer)
        browser.django(["cycle"])
        other.express(["set", "b", 1])
        assert "a" not in other.express()["loaded"]
        assert other.django()["session"]["b"] == 1
        assert browser.django()["session"]["a"] == 1

    @marked_variants
    def test_a_site_can_say_that_its_ids_never_come_again(self, site, variant):
        """Then a logout is final there too, whatever the ids look like."""
        browser = site(variant, genid="unique")
        browser.express(["set", "a", 1])
        browser.django(["logout"])
        assert SessionStore().table.is_marked(b"user-7")
        assert browser.django()["session"] == {}

    def test_a_slow_request_of_express_brings_such_a_session_back(self, site):
        """The price: as on a table without marks, since nobody can tell it from a new one."""
        browser = site("guard")
        browser.express(["set", "a", 1])
        slow = browser.peer.send("/peer", [["hold", "x"], ["set", "b", 1]], cookie=header(browser))
        browser.peer.control("held/x")
        other = Browser(browser.peer, browser.cookie)
        other.django(["logout"])
        browser.peer.control("release/x")
        browser.peer.receive(slow)
        assert browser.django()["session"]["b"] == 1


def header(browser: Browser) -> str:
    return f"{browser.name}={browser.cookie}"


RANDOM = [
    new_sid(),
    "A" * 32,
    str(uuid.uuid4()),
    str(uuid.uuid4()).upper(),
    uuid.uuid4().hex,
    "0123456789abcdef" * 4,
]
RECURRING = ["7", "user-7", "ann@example.com", "507f1f77bcf86cd799439011", "sess:" + new_sid()]
RECURRING += [new_sid()[:20], new_sid() + "A", uuid.uuid4().hex[:31], str(uuid.uuid4()) + "-7", "é"]


class TestShapes:
    """What an id looks like decides, unless the site says."""

    @pytest.mark.parametrize(
        ("sids", "genid", "is_marked"),
        [
            (RANDOM, None, True),
            (RECURRING, None, False),
            (RANDOM, "reused", False),
            (RECURRING, "unique", True),
        ],
        ids=["random", "recurring", "reused", "unique"],
    )
    def test_a_logout_leaves_a_mark_under_what_never_comes_again(
        self, shared_table, sids, genid, is_marked
    ):
        """By Django's logout, by ours of Node's verbs, and by a command that ends all."""
        shared_table(guard=True, genid=genid)
        store, table = ExpressStore(), SessionStore().table
        ends = [
            lambda sid: SessionStore(sign(sid, SECRETS[0])).flush(),
            store.destroy,
            lambda sid: table.remove_many([sid.encode()]),
            lambda _: call_command("revokesessions", "--all", "--no-input", verbosity=0),
        ]
        for sid, end in product(sids, ends):
            assert store.set(sid, {"cookie": {}, "a": 1})
            end(sid)
            assert store.get(sid) is None
            assert table.is_marked(sid.encode()) is is_marked
            clear(sid)

    def test_a_destroyed_session_can_be_set_again_under_such_an_id(self, shared_table):
        """As Express does it; under a random id it is a session that was logged out."""
        shared_table(guard=True)
        store = ExpressStore()
        for sid, is_new in (("user-7", True), (new_sid(), False)):
            store.set(sid, {"cookie": {}, "a": 1})
            assert store.destroy(sid)
            assert store.set(sid, {"cookie": {}, "b": 1}) is is_new


def clear(sid: str) -> None:
    """Take a mark away, to try the next end under this id."""
    table = SessionStore().table
    with connections[table.alias].cursor() as cursor:
        cursor.execute("DELETE FROM sessions WHERE session_id = %s", [sid])
