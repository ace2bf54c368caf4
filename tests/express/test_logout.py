"""A logout on one side, at once and during a slow request on the other."""

import json
from collections.abc import Callable
from functools import partial
from secrets import token_hex

import pytest
from django.core.management import call_command
from django.db import connections

from sessionstore.backends.express import SessionStore
from sessionstore.express.store import ExpressStore
from tests.express.conftest import each_release, open_site
from tests.express.peer import Browser
from tests.express.test_lifetime import sid_of
from tests.express.urls import gate

pytestmark = [pytest.mark.only_on("mariadb", "mysql", "postgresql"), each_release]

VARIANTS = {"plain": {}, "mark": {"mark": True}, "guard": {"guard": True}}
each_variant = pytest.mark.parametrize("variant", VARIANTS)
marked_variants = pytest.mark.parametrize("variant", ["mark", "guard"])


@pytest.fixture
def site(database, shared_table, peers) -> Callable[[str], Browser]:
    """Return a browser before two halves on a table without mark, with it, or guarded."""
    return lambda variant: open_site(database, shared_table, peers, **VARIANTS[variant])


def other_tab(browser: Browser) -> Browser:
    """Return a second request of the same browser, with the cookie of now."""
    return Browser(browser.peer, browser.cookie)


@each_variant
def test_a_logout_in_django_counts_in_express_at_once(site, variant):
    """The next request of the old cookie is anonymous in Express, under a new id."""
    browser = site(variant)
    browser.express(["set", "a", 1])
    late = other_tab(browser)
    browser.django(["logout"])
    assert browser.cookie is None
    answer = late.express(["set", "b", 1])
    assert "a" not in answer["loaded"]
    assert answer["id"] != sid_of(browser.cookie or "")
    assert other_tab(late).django()["session"]["b"] == 1


@each_variant
def test_a_logout_in_express_counts_in_django_at_once(site, variant):
    """destroy() deletes the row; Django finds nobody."""
    browser = site(variant)
    browser.django(["set", "a", 1])
    late = other_tab(browser)
    browser.express(["destroy"])
    assert late.django()["session"] == {}


@each_variant
def test_a_slow_request_of_django_does_not_undo_a_logout_in_express(site, variant, background):
    """Django's guarded UPDATE finds no row and says so; nothing comes back on either side."""
    browser = site(variant)
    browser.django(["set", "a", 1])
    slow = other_tab(browser)
    name = token_hex()
    arrived, released = gate(name)
    steps = [["read"], ["hold", name], ["set", "b", 1]]
    answer = background(partial(slow.django, *steps, status=400))
    assert arrived.wait(10)
    other_tab(browser).express(["destroy"])
    released.set()
    answer.result(10)
    assert other_tab(browser).django()["session"] == {}
    assert browser.peer.store("get", sid_of(browser.cookie)) is None


def slow_express_during(browser: Browser, background, end: Callable[[Browser], object]) -> None:
    """Let a request of Express load the session, run `end`, then let it save."""
    name = token_hex()
    slow = other_tab(browser)
    answer = background(partial(slow.express, ["hold", name], ["set", "late", 1]))
    browser.peer.control(f"held/{name}")
    end(other_tab(browser))
    browser.peer.control(f"release/{name}")
    answer.result(10)


def logout_in_django(browser: Browser) -> None:
    browser.django(["logout"])


def test_without_the_mark_a_slow_request_of_express_undoes_a_logout(site, background):
    """The limit of a plain table: a DELETE is all there is, and Express's upsert is blind."""
    browser = site("plain")
    browser.express(["set", "a", 1])
    slow_express_during(browser, background, logout_in_django)
    assert other_tab(browser).django()["session"]["late"] == 1


def test_with_the_mark_a_logout_is_final_for_django(site, background):
    """Express goes on with its copy, and Django refuses it."""
    browser = site("mark")
    browser.express(["set", "a", 1])
    slow_express_during(browser, background, logout_in_django)
    assert other_tab(browser).django()["session"] == {}
    assert browser.peer.store("get", sid_of(browser.cookie))["late"] == 1


def test_with_the_guard_a_logout_is_final_for_both(site, background):
    """The trigger keeps the mark; Express starts a new session."""
    browser = site("guard")
    browser.express(["set", "a", 1])
    slow_express_during(browser, background, logout_in_django)
    assert other_tab(browser).django()["session"] == {}
    assert browser.peer.store("get", sid_of(browser.cookie)) is None
    assert "a" not in other_tab(browser).express()["loaded"]


@marked_variants
def test_a_changed_key_leaves_a_mark_under_the_old_one(site, background, variant):
    """cycle_key() in Django, as at a login: the old id stays dead for Django."""
    browser = site(variant)
    browser.django(["set", "a", 1])
    old = other_tab(browser)

    def cycle(tab: Browser) -> None:
        tab.django(["cycle"])
        browser.cookie = tab.cookie

    slow_express_during(browser, background, cycle)
    assert browser.cookie != old.cookie
    assert old.django()["session"] == {}
    assert other_tab(browser).django()["session"]["a"] == 1


def clean_by_express(browser: Browser) -> None:
    """Let Node's store delete what has expired, as its timer does."""
    mysql = connections[SessionStore().table.alias].vendor == "mysql"
    browser.peer.store("clearExpiredSessions" if mysql else "pruneSessions")


@marked_variants
def test_a_mark_outlives_the_cleaner_of_express_and_not_the_session(site, variant, clock):
    """Its row has the expiry of the session, at least an hour; then our cleaner deletes it."""
    browser = site(variant)
    browser.django(["set", "a", 1], ["expiry", 60])
    cookie = browser.cookie
    browser.django(["logout"])
    clock.advance(minutes=30)
    browser.peer.control("clock", {"ms": clock.now_ms})
    clean_by_express(browser)
    browser.peer.control("clock", {"ms": None})
    assert SessionStore().table.is_marked(sid_of(cookie).encode())
    clock.advance(hours=1)
    assert SessionStore.clear_expired() == 1
    assert not SessionStore().table.is_marked(sid_of(cookie).encode())


@marked_variants
def test_marks_are_no_sessions_in_our_verbs(site, variant):
    """length() and all() leave them out; they cannot be touched, set or destroyed again."""
    browser = site(variant)
    browser.django(["set", "a", 1])
    sid = sid_of(browser.cookie)
    browser.django(["logout"])
    store = ExpressStore()
    assert (store.length(), store.all(), store.get(sid)) == (0, {}, None)
    assert (store.touch(sid, {}), store.set(sid, {"b": 1}), store.destroy(sid)) == (False,) * 3


@pytest.mark.only_on("mariadb", "mysql")
@marked_variants
def test_the_node_store_counts_a_mark_and_answers_null_for_it(site, variant):
    """What a script on Node's side sees of a mark: length() counts it, all() says null."""
    browser = site(variant)
    browser.django(["set", "a", 1])
    sid = sid_of(browser.cookie)
    browser.django(["logout"])
    assert browser.peer.store("length") == 1
    assert browser.peer.store("all") == {sid: None}
    assert browser.peer.store("get", sid) is None


def test_destroy_in_express_deletes_a_mark_too(site):
    """A limit: Express's own destroy of an id that Django ended takes the mark away."""
    browser = site("guard")
    browser.django(["set", "a", 1])
    sid = sid_of(browser.cookie)
    browser.django(["logout"])
    browser.peer.store("destroy", sid)
    assert not SessionStore().table.is_marked(sid.encode())


@each_variant
def test_login_in_django_changes_the_id_that_express_knows(site, variant, django_user_model):
    """The cart stays, the old id opens nothing on either side."""
    ann = django_user_model.objects.create_user("ann")
    browser = site(variant)
    browser.express(["set", "cart", {"oat": 2}])
    old = other_tab(browser)
    browser.django(["login", ann.pk])
    assert browser.cookie != old.cookie
    loaded = browser.express()["loaded"]
    assert (loaded["cart"], loaded["_auth_user_id"]) == ({"oat": 2}, str(ann.pk))
    assert "cart" not in old.express()["loaded"]


def test_clearsessions_cleans_the_shared_table(site, clock, capsys):
    """`manage.py clearsessions --engine express` deletes what expired on either side."""
    browser = site("plain")
    browser.django(["set", "a", 1], ["expiry", 60])
    Browser(browser.peer).express(["set", "b", 1], ["maxAge", 60_000])
    Browser(browser.peer).express(["set", "c", 1], ["maxAge", 600_000_000])
    clock.advance(minutes=20)
    call_command("clearsessions", "--engine", "express", "--json")
    assert json.loads(capsys.readouterr().out)["sessions"] == 2
    assert ExpressStore().length() == 1
