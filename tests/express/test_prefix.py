"""Two applications on one table, told from each other by what their ids begin with."""

import io

import pytest
from django.core.management import call_command
from django.db import connections

from sessionstore.backends.express import SessionStore
from sessionstore.core.express_format import sign
from sessionstore.express.record import express_settings
from sessionstore.express.schema import ExpressTable
from sessionstore.express.store import ExpressStore
from tests.express.conftest import open_site
from tests.express.peer import SECRETS, Browser
from tests.express.test_sharing import kind
from tests.express.test_tables import run
from tests.harness.statements import record_statements

by_node = pytest.mark.only_on("mariadb", "mysql", "postgresql")
SHOP, BLOG = "shop:", "blog:"
ALTER = {
    "mysql": "ALTER TABLE sessions MODIFY session_id varchar(127) COLLATE utf8mb4_bin NOT NULL",
    "postgresql": "ALTER TABLE sessions ALTER session_id TYPE varchar(127)",
}


@pytest.fixture
def two(shared_table, settings):
    """A table with a session of the blog and one of the shop, whose site this is."""
    shared_table(mark=True, prefix=SHOP)
    for sid in ("blog:1", "shop:1"):
        ExpressStore().set(sid, {"cookie": {}, "site": sid})
    return settings


def test_an_id_made_in_django_begins_with_the_prefix(two):
    """So that the other half, whose genid makes such ones, knows it too."""
    session = SessionStore()
    session.save()
    session.cycle_key()
    sid = session.keyring.open(session.session_key).digest.decode()
    assert (sid.startswith(SHOP), len(sid)) == (True, len(SHOP) + 32)


def test_a_cookie_of_the_other_application_is_no_key(two, database):
    """Though it is signed with the same secret; it costs no statement."""
    with record_statements() as seen:
        assert SessionStore(sign("blog:1", SECRETS[0])).get("site") is None
    assert seen.on(database) == []
    assert SessionStore(sign("shop:1", SECRETS[0]))["site"] == "shop:1"


def test_what_counts_lists_or_ends_sessions_sees_ones_own(two):
    """The blog goes on when everybody is signed out of the shop."""
    store = ExpressStore()
    assert (store.length(), list(store.all())) == (1, ["shop:1"])
    assert (store.clear(), store.length()) == (1, 0)
    two.SESSIONSTORE_EXPRESS |= {"prefix": BLOG}
    assert list(ExpressStore().all()) == ["blog:1"]


@pytest.mark.parametrize("prefix", ["50%_a!", "Shop:", "{0}%s", "s%"])
def test_a_prefix_is_taken_to_the_letter(two, prefix):
    """No sign of it stands for others, and upper case is another prefix."""
    ExpressStore().set(f"{prefix}1", {"cookie": {}})
    two.SESSIONSTORE_EXPRESS |= {"prefix": prefix}
    assert (ExpressStore().length(), list(ExpressStore().all())) == (1, [f"{prefix}1"])


def test_what_has_expired_is_cleared_for_all(two, clock):
    """Expired is expired."""
    clock.advance(days=2)
    assert ExpressStore().clearExpiredSessions() == 2


@pytest.mark.parametrize(
    ("prefix", "told"),
    [
        ("", "costs: ids begin differently ('blog:', 'shop:'): several applications"),
        (SHOP, "works: ids begin with 'shop:'; those of others ('blog:') are left alone"),
    ],
)
def test_a_check_tells_that_several_applications_are_there(two, prefix, told):
    """By what their ids begin with, never by an id."""
    two.SESSIONSTORE_EXPRESS |= {"prefix": prefix}
    out = io.StringIO()
    call_command("expresstable", "--check", stdout=out)
    assert told in out.getvalue()
    assert "shop:1" not in out.getvalue()


def test_ids_of_one_other_prefix_are_told_to_be_set(two, database):
    """Django would make ids that the genid of the other half does not."""
    two.SESSIONSTORE_EXPRESS |= {"prefix": ""}
    run(database, "DELETE FROM sessions WHERE session_id = 'blog:1'")
    out = io.StringIO()
    call_command("expresstable", "--check", stdout=out)
    assert "ids begin with 'shop:': set \"prefix\"" in out.getvalue()


@pytest.fixture
def shop(database, shared_table, peers) -> Browser:
    """A browser before the shop, both halves of it."""
    open_site(database, shared_table, peers, guard=True, prefix=SHOP, user=True)
    return Browser(peers.get(database, **kind(database), session={"genid": "shop"}))


@by_node
class TestWithNode:
    def test_both_halves_go_on_with_the_ids_of_the_other(self, shop, django_user_model):
        """Those that the genid of Express makes, and those of Django with the same prefix."""
        ann = django_user_model.objects.create_user("ann")
        assert shop.express(["set", "a", 1])["id"].startswith(SHOP)
        assert shop.django(["set", "b", 2])["session"]["a"] == 1
        shop.django(["login", ann.pk])
        answer = shop.express(["set", "c", 3])
        assert answer["id"].startswith(SHOP)
        assert answer["loaded"]["_auth_user_id"] == str(ann.pk)
        assert shop.django()["session"]["c"] == 3
        shop.express(["login", ann.pk])
        assert shop.django()["user"] == ann.pk
        shop.django(["logout"])
        assert shop.express()["user"] is None

    def test_a_logout_under_a_prefix_is_final(self, shop):
        """What follows it looks random, so the guard discards a slow save of Express."""
        shop.express(["set", "a", 1])
        slow = shop.peer.send("/peer", [["hold", "p"], ["set", "b", 1]], cookie=shop._header())
        shop.peer.control("held/p")
        Browser(shop.peer, shop.cookie).django(["logout"])
        shop.peer.control("release/p")
        shop.peer.receive(slow)
        assert shop.express()["loaded"].keys() == {"cookie"}

    @pytest.mark.usefixtures("shop")
    def test_the_session_of_the_other_application_is_none(self, peers, database):
        """And stays as it is: Django begins another one."""
        blog = Browser(peers.get(database, **kind(database), session={"genid": "blog"}))
        blog.express(["set", "a", 1])
        left = blog.cookie
        assert blog.django(["set", "b", 1])["session"] == {"b": 1}
        assert Browser(blog.peer, left).express()["loaded"].keys() == {"cookie", "a"}


@by_node
def test_a_column_has_to_hold_the_prefix_too(shared_table, database, settings):
    """An id has 32 characters after it."""
    shared_table(prefix="p" * 96)
    run(database, ALTER[connections[database].vendor])
    assert "session_id holds 127 characters, an id has 128" in [
        one.text for one in ExpressTable(database, express_settings()).findings()
    ]
