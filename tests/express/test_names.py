"""Tables and columns by whatever name a database can hold."""

import io

import pytest
from django.core.management import call_command
from django.db import connections

from sessionstore.backends.express import SessionStore
from sessionstore.cleaning import clear_expired
from sessionstore.express.record import express_settings
from sessionstore.express.store import ExpressStore
from sessionstore.express.table.schema import ExpressTable
from sessionstore.express.table.user_columns import UserColumns
from sessionstore.management.commands.expresstable import _printed
from tests.express.test_tables import NodeStore, live_through

NAMES = [
    "my-sessions",
    "2 sessions",
    "\uc138\uc158",
    "a\"b`c'd",
    "100%s of {sids} {0}",
    "`quoted`",
    '"quoted"',
    "select",
    "a; DROP TABLE x",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_table_of_any_name_is_shared(database, shared_table, peers, name):
    """With its mark and its guard; Node has it by its own options."""
    is_postgres = connections[database].vendor == "postgresql"
    columns = {} if is_postgres else {one: f"{name} {one}" for one in ("session_id", "data")}
    layout = "connect-pg-simple" if is_postgres else "express-mysql-session"
    shared_table(
        guard=True,
        table=name,
        layout=layout,
        columns={**columns, "revoked_at": f"{name} at"},
        time_zone="UTC",
    )
    assert [one for one in findings(database) if one.level.value != "works"] == []
    if connections[database].vendor == "sqlite":
        live_through(ExpressStoreAsNode())
    elif is_postgres:
        options = {"tableName": name, "createTableIfMissing": False}
        live_through(NodeStore(peers.get(database, store="pg", store_options=options)))
    else:
        options = {"schema": {"tableName": name, "columnNames": columns}}
        options |= {"createDatabaseTable": False}
        live_through(NodeStore(peers.get(database, store_options=options)))
    end_all()


def findings(database: str):
    return ExpressTable(database, express_settings()).findings(tries=True)


class ExpressStoreAsNode(ExpressStore):
    """Where there is no store of Node."""


@pytest.mark.parametrize("name", [*NAMES, "$keep_user$ $keep_user0$", "$$ // ;"])
def test_the_triggers_of_the_user_hold_any_name(database, shared_table, name):
    """Also one by which a quote around them would end."""
    is_postgres = connections[database].vendor == "postgresql"
    layout = "connect-pg-simple" if is_postgres else "express-mysql-session"
    columns = {one: f"{name} {one}"[-40:] for one in ("user_id", "passport_user", "revoked_at")}
    shared_table(users=True, table=name, layout=layout, columns=columns, user=True)
    ExpressStore().set("sid", {"cookie": {}, "passport": {"user": 7}})
    assert [row.user_id for row in SessionStore.get_table().live_of("7")] == ["7"]


def test_a_trigger_is_printed_as_the_client_takes_it():
    """The delimiter is nothing that stands in it."""
    sql = "CREATE TRIGGER `a // b` BEFORE UPDATE ON c FOR EACH ROW BEGIN SET d = 1; END"
    assert _printed(sql, "mysql") == f"DELIMITER ///\n{sql} ///\nDELIMITER ;"


def end_all() -> None:
    """Run what takes many rows at once."""
    store = ExpressStore()
    for _ in range(3):
        SessionStore().save()
    assert (store.length() >= 3, len(store.all()) >= 3) == (True, True)
    assert store.clear() >= 3
    assert store.length() == 0
    assert store.table.remove_many([b"x", b"y"], expired_before=1) == 0
    assert clear_expired(store.table).removed == 0


@pytest.mark.parametrize("sign", ["a", "\uc138"])
def test_the_names_that_are_made_from_the_longest_one_fit(database, shared_table, sign):
    """Index and trigger are found again, though their names had to be cut."""
    # MySQL's own limit is 64 characters, that of its files 255 bytes, of which one takes five.
    lengths = {"postgresql": 63 // len(sign.encode()), "mysql": 64 if sign == "a" else 45}
    length = lengths.get(connections[database].vendor, 64)
    shared_table(guard=True, table=sign * length)
    out = io.StringIO()
    call_command("expresstable", "--add-guard", stdout=out)
    assert out.getvalue() == f"{express_settings().name}: nothing to do.\n"


def test_two_long_names_that_begin_alike_have_an_index_each(database, shared_table):
    """What was cut off tells them apart."""
    for end in "ab":
        shared_table(guard=True, table="t" * 60 + end)
        assert ExpressTable(database, express_settings()).has_guard()


def test_two_long_names_that_begin_alike_have_triggers_each(database, shared_table):
    """The second table's do not take the place of the first one's."""
    made = []
    for end in "ab":
        shared_table(users=True, table="t" * 60 + end)
        made.append(UserColumns(database, express_settings()))
    assert [one.has_triggers() for one in made] == [True, True]


@pytest.mark.only_on("sqlite", "postgresql")
def test_logs_and_messages_show_a_name_that_steers_no_terminal(database, express_site, settings):
    """A name may hold what moves a cursor."""
    settings.SESSIONSTORE_EXPRESS = {"secrets": ["s"], "table": "a\x1b[2Jb\n"}
    assert repr(express_settings()) == "<ExpressSettings of a?[2Jb?>"
    [finding] = findings(database)
    assert finding.text.startswith("There is no table a?[2Jb? in database ")
