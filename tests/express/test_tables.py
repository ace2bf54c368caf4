"""What `expresstable --check` says of a table, and what becomes of sessions in it: the same."""

import json
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import Error, connections

from sessionstore.backends.express import SessionStore
from sessionstore.core import expiry
from sessionstore.exceptions import TakenId
from sessionstore.express.fitness.catalogue import Catalogue
from sessionstore.express.record import express_settings
from sessionstore.express.store import ExpressStore
from sessionstore.express.table.schema import ExpressTable
from tests.express.peer import SECRETS, Peer, Peers
from tests.express.tables import TABLES, Table
from tests.harness.statements import record_statements

HOUR_MS = 3_600_000
UPSERT = (
    "INSERT INTO sessions ({0}, {1}, {2}) VALUES (%s, %s, %s) "
    "ON CONFLICT ({0}) DO UPDATE SET {1} = excluded.{1}, {2} = excluded.{2}"
)


@pytest.fixture
def made(database, express_site, settings) -> Iterator[Callable[[Table], ExpressTable]]:
    """Make a table in place of the last one, and tell the settings of it; drop it at the end."""
    drops: list[str] = []

    def drop() -> None:
        while drops:
            run(database, drops.pop(0))

    def make(table: Table) -> ExpressTable:
        drop()
        is_postgres = connections[database].vendor == "postgresql"
        layout = "connect-pg-simple" if is_postgres else "express-mysql-session"
        settings.SESSIONSTORE_EXPRESS = {
            "secrets": SECRETS,
            "layout": layout,
            "columns": table.columns,
        }
        name = "session" if is_postgres else "sessions"
        drops.append(f"DROP {table.drop} IF EXISTS {name}")
        drops.append(f"DROP TABLE IF EXISTS {name}_below")
        for sql in table.sql:
            run(database, sql)
        SessionStore().table._composed.clear()
        return ExpressTable(database, express_settings())

    yield make
    drop()


def run(database: str, sql: str) -> None:
    with connections[database].cursor() as cursor:
        cursor.execute(sql)


class NodeStore:
    """The real store of Node, by the verbs that our own has; None where there is no such store."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def get(self, sid: str) -> Any:
        return self.peer.store("get", sid)

    def set(self, sid: str, session: dict[str, Any]) -> None:
        self.peer.store("set", sid, session)

    def touch(self, sid: str, session: dict[str, Any]) -> None:
        self.peer.store("touch", sid, session)

    def destroy(self, sid: str) -> None:
        self.peer.store("destroy", sid)


class Upserts(ExpressStore):
    """In place of Node's store on SQLite: it writes without looking, as they do."""

    def set(self, sid: str, session: Any) -> bool:
        settings = express_settings()
        names = (settings.id, settings.data, settings.expires)
        ends = datetime.fromisoformat(session["cookie"]["expires"]).timestamp()
        with connections[self.table.alias].cursor() as cursor:
            cursor.execute(UPSERT.format(*names), [sid, json.dumps(session), int(ends)])
        return True


def node_store(peers: Peers, database: str, table: Table) -> Any:
    """Return the real store of Node on the table."""
    vendor = connections[database].vendor
    if vendor == "sqlite":
        return Upserts()
    if vendor == "postgresql":
        return NodeStore(
            peers.get(database, store="pg", store_options={"createTableIfMissing": False})
        )
    options = {"createDatabaseTable": False}
    if table.columns:
        options |= {"schema": {"columnNames": table.columns}}
    return NodeStore(peers.get(database, store="mysql", store_options=options))


def session_of(at_ms: int, **data: Any) -> dict[str, Any]:
    ends = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return {"cookie": {"originalMaxAge": None, "expires": ends.replace("+00:00", "Z")}, **data}


def live_through(node: Any) -> None:
    """Take sessions through everything that both halves do; raise at what is lost."""
    django, now = ExpressStore(), expiry.now_ms() // 1000 * 1000
    ends = now + HOUR_MS
    sid = secrets.token_urlsafe(23) + "a"
    long = "x" * 70_000 + "\N{GRINNING FACE}"
    node.set(sid, session_of(ends - HOUR_MS // 2, a=1))
    node.set(sid, session_of(ends, a=long))
    assert django.get(sid)["a"] == long
    node.set(sid[:-1] + "A", session_of(ends, a="other"))
    assert (node.get(sid)["a"], django.get(sid)["a"]) == (long, long)
    assert node.get(sid[:-1] + "A")["a"] == "other"
    for number in (1, 2):
        assert django.set(sid, session_of(ends, a=number, b=[1.5, None, {"c": long}]))
        assert node.get(sid)["a"] == number
    assert node.get(sid)["b"] == [1.5, None, {"c": long}]
    assert django.table.fetch(sid.encode(), ends) is not None
    assert django.table.fetch(sid.encode(), ends + 1000) is None
    node.touch(sid, session_of(ends + HOUR_MS))
    assert django.table.fetch(sid.encode(), ends + HOUR_MS) is not None
    assert django.touch(sid, session_of(ends + 2 * HOUR_MS))
    assert django.table.fetch(sid.encode(), ends + 2 * HOUR_MS) is not None
    node.destroy(sid)
    assert django.get(sid) is None
    request = SessionStore()
    request["a"] = 1
    request.save()
    request["a"] = 2
    request.save()
    request.cycle_key()
    assert SessionStore(request.session_key)["a"] == 2
    sid = request.keyring.open(request.session_key).digest.decode()
    assert node.get(sid)["a"] == 2
    request.flush()
    assert node.get(sid) is None


def what_is_lost(database: str, node: Any) -> str | None:
    """Return the first thing that goes wrong in a life of a session, or None."""
    try:
        live_through(node)
    except (AssertionError, Error, KeyError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {str(error)[:300]}"
    return None


def verdict(table: ExpressTable) -> tuple[bool, str]:
    """Return whether `--check` finds the table fit, and what it says."""
    findings = table.findings(tries=True)
    return not any(one.breaks for one in findings), "\n".join(
        f"{one.level.value}: {one.text}" for one in findings
    )


parts = pytest.mark.parametrize("part", range(4))


def tables_of(database: str, part: int) -> list[Table]:
    """Return a quarter of the tables of a database."""
    return TABLES[connections[database].vendor][part::4]


@parts
def test_the_verdict_on_a_table_is_what_becomes_of_sessions_in_it(database, made, peers, part):
    """None that passes loses a session, and none that is refused works."""
    wrong = {}
    for table in tables_of(database, part):
        fits, told = verdict(made(table))
        lost = what_is_lost(database, node_store(peers, database, table))
        if (fits, lost is None) != (table.works, table.works):
            wrong[table.name] = (told, lost)
    assert wrong == {}


@parts
def test_the_statements_that_are_told_make_a_table_fit(database, made, part):
    """Each is run as it is printed; then the table passes."""
    wrong = {}
    for table in tables_of(database, part):
        judged = made(table)
        if table.works or not table.mends:
            continue
        for finding in judged.findings(tries=True):
            if finding.breaks:
                assert finding.mend, (table.name, finding.text)
                run(database, finding.mend)
        fits, told = verdict(ExpressTable(database, express_settings()))
        if not fits:
            wrong[table.name] = told
    assert wrong == {}


@parts
def test_a_check_leaves_nothing_behind(database, made, part):
    """A session is tried in a transaction that is taken back; none is where there are none."""
    for table in tables_of(database, part):
        judged = made(table)
        judged.findings(tries=True)
        [(count,)] = Catalogue(database, judged.settings).ask(f"SELECT COUNT(*) FROM {judged.name}")  # noqa: S608 - our own name
        assert (table.name, count) == (table.name, 0)


def test_a_taken_id_is_one_whatever_its_key_is_called(database, made):
    """An ORM or a colleague has named it; a repeated INSERT is told from other errors."""
    names = {"mysql": "unique", "sqlite": "unique", "postgresql": "typeorm for connect-pg-simple"}
    vendor = connections[database].vendor
    made(next(one for one in TABLES[vendor] if one.name == names[vendor]))
    store = ExpressStore()
    store.set("sid", session_of(expiry.now_ms() + HOUR_MS))
    row = store.table.fetch(b"sid", expiry.now_ms())
    with pytest.raises(TakenId):
        store.table.insert(row)


@pytest.mark.only_on("mysql", "postgresql")
def test_what_is_spelled_anew_is_compared_as_a_value(database, made):
    """A second save of one request finds what the first one wrote, by one statement."""
    names = {"mysql": "data json", "postgresql": "sess jsonb"}
    vendor = connections[database].vendor
    made(next(one for one in TABLES[vendor] if one.name == names[vendor]))
    session = SessionStore()
    session["z"], session["a"] = 1, 2
    session.save()
    session["z"] = 3
    with record_statements() as seen:
        session.save()
    assert len(seen.on(database)) == 1


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
@pytest.mark.parametrize("releases", ["new", "old"])
def test_a_table_that_the_store_itself_has_made_is_fit(database, made, peers, releases):
    """By its own code, in the newest release and in one that is still run."""
    is_postgres = connections[database].vendor == "postgresql"
    table = made(Table("made by Node", (), works=True))
    # A name of its own, so that the process is one that has made no table yet.
    store = "pg" if is_postgres else "mysql"
    node = NodeStore(peers.get(database, store=store, releases=releases, fresh=releases))
    if not is_postgres:
        node.peer.control("createDatabaseTable")
    node.get("nobody")
    fits, told = verdict(table)
    assert (fits, what_is_lost(database, node)) == (True, None), told
