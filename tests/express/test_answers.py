"""What users of express-session ask again and again, answered by both halves."""

import itertools
import time
from functools import partial

import pytest
from django.db import connections

from sessionstore.backends.express import SessionStore
from tests.express.conftest import each_release
from tests.express.peer import Browser, Peer
from tests.express.test_lifetime import sid_of
from tests.express.test_sharing import kind, make_table

pytestmark = [pytest.mark.only_on("mariadb", "mysql", "postgresql"), each_release]


class TestRedirects:
    def test_a_redirect_of_express_arrives_before_its_save(self, browser):
        """The head is sent while set() is under way: whoever follows it meets the old session."""
        browser.express(["set", "n", 0])
        for number in range(1, 11):
            browser.peer.control("holdSet/redirect")
            with browser.head_of_express(["set", "n", number], ["redirect", "/"]) as status:
                assert (status, browser.django()["session"]["n"]) == (303, number - 1)
                browser.peer.control("release/redirect")
            assert browser.django()["session"]["n"] == number

    def test_a_redirect_after_save_finds_what_was_saved(self, browser, background):
        """`req.session.save(() => res.redirect(...))`: ten of ten are right."""
        browser.express(["set", "n", 0])
        for number in range(1, 11):
            browser.peer.control("holdSet/redirect")
            steps = [["set", "n", number], ["save"], ["redirect", "/"]]
            answer = background(partial(status_of, browser, *steps))
            browser.peer.control("held/redirect")
            assert not answer.done()
            browser.peer.control("release/redirect")
            assert answer.result(10) == 303
            assert browser.django()["session"]["n"] == number


def sign_by(settings, secrets: list[str]) -> None:
    """Deploy other secrets to Django."""
    settings.SESSIONSTORE_EXPRESS = {**settings.SESSIONSTORE_EXPRESS, "secrets": secrets}


SECRETS_OF_EACH_STEP = [["old"], ["old", "new"], ["new", "old"], ["new"]]


class TestRotation:
    @pytest.mark.parametrize("ahead", ["django", "express"])
    def test_a_rotation_reaches_one_half_first(
        self, database, shared_table, peers, settings, ahead
    ):
        """The new secret verifies on both before it signs on either: nobody is signed out."""
        make_table(database, shared_table)
        browser = Browser()

        def deploy(half: str, secrets: list[str]) -> None:
            if half == "django":
                settings.SESSIONSTORE_EXPRESS = {
                    **settings.SESSIONSTORE_EXPRESS,
                    "secrets": secrets,
                }
            else:
                browser.peer = peers.get(database, **kind(database), secrets=secrets)

        halves = ["django", "express"] if ahead == "django" else ["express", "django"]
        for half in halves:
            deploy(half, SECRETS_OF_EACH_STEP[0])
        browser.django(["set", "a", 1])
        for secrets, half in itertools.product(SECRETS_OF_EACH_STEP[1:], halves):
            deploy(half, secrets)
            fresh = Browser(browser.peer)
            fresh.express(["set", "a", 1])
            newest = Browser(browser.peer)
            newest.django(["set", "a", 1])
            for one in (browser, fresh, newest):
                assert one.django()["session"]["a"] == one.express()["loaded"]["a"] == 1

    def test_a_secret_that_signs_at_once_makes_strangers(
        self, database, shared_table, peers, settings
    ):
        """Deployed to Django alone as the first: Express knows none whom Django then answers."""
        make_table(database, shared_table, secrets=["old"])
        browser = Browser(peers.get(database, **kind(database), secrets=["old"]))
        browser.express(["set", "a", 1])
        sign_by(settings, ["new", "old"])
        assert browser.django()["session"]["a"] == 1
        assert "a" not in browser.express()["loaded"]

    def test_and_so_it_does_in_express(self, database, shared_table, peers):
        """Deployed to Express alone: sessions that begin there are nobody in Django."""
        make_table(database, shared_table, secrets=["old"])
        browser = Browser(peers.get(database, **kind(database), secrets=["new", "old"]))
        browser.django(["set", "a", 1])
        assert browser.express()["loaded"]["a"] == 1
        began_in_express = Browser(browser.peer)
        began_in_express.express(["set", "a", 1])
        assert began_in_express.django()["session"] == {}


class TestStreams:
    def test_what_django_changes_in_a_stream_is_lost_without_save(self, browser):
        """The session is saved when the head is made; `request.session.save()` saves later."""
        browser.django(["set", "a", 1])
        browser.django(["head"], ["set", "b", 1])
        assert browser.django()["session"] == {"a": 1}
        browser.django(["head"], ["set", "b", 1], ["save"])
        assert browser.django()["session"] == {"a": 1, "b": 1}

    def test_what_express_changes_in_a_stream_is_stored_at_its_end(self, browser):
        """Server-sent events do not end: nothing is stored until then, unless save() is called."""
        browser.express(["set", "a", 1])
        steps = [["head"], ["set", "b", 1], ["hold", "sse"], ["save"], ["hold", "saved"]]
        with browser.head_of_express(*steps):
            browser.peer.control("held/sse")
            assert "b" not in browser.django()["session"]
            browser.peer.control("release/sse")
            browser.peer.control("held/saved")
            assert browser.django()["session"]["b"] == 1
            browser.peer.control("release/saved")
        browser.express(["head"], ["set", "c", 1])
        assert browser.django()["session"]["c"] == 1

    def test_a_stream_of_express_that_ends_takes_meanwhile_away(self, browser):
        """It saves the copy that it loaded at its beginning; reload() first, and change then."""
        browser.express(["set", "a", 1])
        for name, reloads in (("blind", []), ("fresh", [["reload"]])):
            steps = [["head"], ["hold", name], *reloads, ["set", name, 1]]
            with browser.head_of_express(*steps):
                browser.peer.control(f"held/{name}")
                browser.django(["set", "meanwhile", name])
                browser.peer.control(f"release/{name}")
            kept = browser.django()["session"].get("meanwhile")
            assert kept == ("fresh" if reloads else None)

    def test_a_stream_of_express_that_changes_nothing_takes_nothing_away(self, browser):
        """Its end touches the column alone."""
        browser.express(["set", "a", 1])
        with browser.head_of_express(["head"], ["hold", "quiet"]):
            browser.peer.control("held/quiet")
            browser.django(["set", "meanwhile", 1])
            browser.peer.control("release/quiet")
        assert browser.django()["session"]["meanwhile"] == 1

    @pytest.mark.parametrize("half", ["django", "express"])
    def test_a_session_that_begins_in_a_stream_reaches_nobody(self, browser, half):
        """A cookie is part of the head: on both halves the browser has none."""
        getattr(browser, half)(["head"], ["set", "a", 1], ["save"])
        assert browser.cookie is None


class TestOptionsOfTheStores:
    def test_the_row_of_a_browser_session_lives_equally_long_on_both(
        self, database, shared_table, peers, clock, settings
    ):
        """connect-pg-simple's `ttl` and express-mysql-session's `expiration` are `expiration`."""
        settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
        make_table(database, shared_table, expiration=600)
        postgres = connections[database].vendor == "postgresql"
        option = {"ttl": 600} if postgres else {"expiration": 600_000}
        peer = peers.get(database, **kind(database), store_options=option)
        peer.control("clock", {"ms": clock.now_ms})
        browsers = {"django": Browser(peer), "express": Browser(peer)}
        for half, browser in browsers.items():
            getattr(browser, half)(["set", "a", 1])
        for seconds, alive in ((599, True), (2, False)):
            clock.advance(seconds=seconds)
            peer.control("clock", {"ms": clock.now_ms})
            for browser in browsers.values():
                found = peer.store("get", sid_of(browser.cookie)) is not None
                known = bool(Browser(cookie=browser.cookie).django()["session"])
                assert (found, known) == (alive, alive)
        peer.control("clock", {"ms": None})

    def test_without_touch_a_session_ends_by_its_last_write(
        self, database, shared_table, peers, clock, releases
    ):
        """`disableTouch: true` (express-mysql-session 2 renews all the same)."""
        renews = releases == "old" and database == "mariadb"
        make_table(database, shared_table)
        peer = peers.get(database, **kind(database), store_options={"disableTouch": True})
        browser = Browser(peer)
        browser.django(["set", "a", 1], ["expiry", 600])
        clock.advance(seconds=500)
        peer.control("clock", {"ms": clock.now_ms})
        assert browser.express()["loaded"]["a"] == 1
        clock.advance(seconds=101)
        peer.control("clock", {"ms": None})
        assert ("a" in browser.django()["session"]) == renews

    @pytest.mark.only_on("postgresql")
    def test_a_table_of_another_schema(self, database, shared_table, peers):
        """`schemaName: 'shop'` is `"table": "shop.session"`."""
        with connections[database].cursor() as cursor:
            cursor.execute("CREATE SCHEMA shop")
        try:
            shared_table(layout="connect-pg-simple", table="shop.session", guard=True)
            browser = Browser(peers.get(database, store="pg", store_options={"schemaName": "shop"}))
            browser.django(["set", "a", 1])
            assert browser.express(["set", "b", 2])["loaded"]["a"] == 1
            assert browser.django()["session"] == {"a": 1, "b": 2}
        finally:
            with connections[database].cursor() as cursor:
                cursor.execute("DROP SCHEMA shop CASCADE")

    @pytest.mark.only_on("postgresql")
    def test_the_timer_of_express_cleans_for_both(self, database, shared_table, peers, clock):
        """`pruneSessionInterval` (seconds) deletes what Django left; false leaves it to Django."""
        make_table(database, shared_table)
        every_second = {"pruneSessionInterval": 1, "pruneSessionRandomizedInterval": False}
        peer = peers.get(database, store="pg", store_options=every_second)
        Browser(peer).django(["set", "a", 1], ["expiry", 60])
        clock.advance(minutes=2)
        peer.control("clock", {"ms": clock.now_ms})
        peer.store("get", "nobody")
        for _ in range(50):
            if SessionStore().table.count() == 0:
                break
            time.sleep(0.1)
        assert SessionStore().table.count() == 0
        peer.control("clock", {"ms": None})


def test_many_servers_clean_at_once(database, shared_table, peers, clock, background):
    """Two of Express and two of Django: each expired row goes, each live one stays, no error."""
    make_table(database, shared_table, mark=True)
    node = [peers.get(database, **kind(database), session={"rolling": on}) for on in (True, False)]
    for _ in range(200):
        store_session(60)
    clock.advance(minutes=20)
    live = [store_session(600) for _ in range(50)]
    postgres = connections[database].vendor == "postgresql"
    verb = "pruneSessions" if postgres else "clearExpiredSessions"

    def clean(peer: Peer) -> None:
        peer.control("clock", {"ms": clock.now_ms})
        for _ in range(5):
            peer.store(verb)
        peer.control("clock", {"ms": None})

    work = [background(partial(clean, peer)) for peer in node]
    work += [background(SessionStore.clear_expired) for _ in range(2)]
    for each in work:
        each.result(30)
    assert SessionStore().table.count() == 50
    assert all(SessionStore(key).load() for key in live)


def store_session(seconds: int) -> str:
    """Store a session that ends in so many seconds; return its key."""
    session = SessionStore()
    session["a"] = 1
    session.set_expiry(seconds)
    session.save()
    return session.session_key


def status_of(browser: Browser, *steps: list[object]) -> int:
    """Return the status of Express, when the head of its answer has come."""
    with browser.head_of_express(*steps) as status:
        return status
