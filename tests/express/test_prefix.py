"""Two applications on one table, told from each other by what their ids begin with."""

import io

import pytest
from django.core.management import call_command
from django.db import connections

from sessionstore.backends.express import SessionStore
from sessionstore.core.express_format import sign
from sessionstore.express.record import express_settings
from sessionstore.express.store import ExpressStore
from sessionstore.express.table.schema import ExpressTable
from tests.express.peer import SECRETS
from tests.express.test_tables import run
from tests.harness.statements import record_statements

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


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_a_column_has_to_hold_the_prefix_too(shared_table, database, settings):
    """An id has 32 characters after it."""
    shared_table(prefix="p" * 96)
    run(database, ALTER[connections[database].vendor])
    assert "session_id holds 127 characters, an id has 128" in [
        one.text for one in ExpressTable(database, express_settings()).findings()
    ]
