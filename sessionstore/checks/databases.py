"""Checks of the connection to the session table; they ask the database, so only with --database."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name
from django.db import DatabaseError, InterfaceError, connections

from sessionstore.checks.engine import table_on
from sessionstore.conf import conf

LONGEST_LOCK_WAIT_S = 5
# By the names of mysqlclient and PyMySQL (seconds), and of libpq (seconds, and milliseconds).
TIMEOUTS = {
    "mysql": (("connect_timeout", 3), ("read_timeout", 10), ("write_timeout", 10)),
    "postgresql": (
        ("connect_timeout", 3),
        ("tcp_user_timeout", 10_000),
        # libpq's keepalives begin after what the system says, which is two hours.
        ("keepalives_idle", 5),
        ("keepalives_interval", 5),
    ),
}
_OF_TCP = ("tcp_user_timeout", "keepalives_idle", "keepalives_interval")
# Where these stand, the timeouts may be in a file that we do not see.
_FILES = {"read_default_file", "service"}
# Reads (1), and updates and deletes (2), wait until the node has caught up.
_SYNC_WAIT = 3
_NOT_SAFE = {"EVENTUAL"}
_NOT_SAFE_WHERE_ALL_WRITE = {"EVENTUAL", "BEFORE_ON_PRIMARY_FAILOVER"}
# How many connections are asked where they lead: of two servers behind a balancer it misses the one
# that is read-only once in 256 times.
_BALANCED = 8
# A standby answers so, and whoever has made its transactions read-only.
_READ_ONLY = {
    "postgresql": "SHOW transaction_read_only",
    "mysql": "SHOW VARIABLES WHERE Variable_name IN"
    " ('read_only', 'transaction_read_only', 'tx_read_only')",
}
# As PgBouncer says it.
_STATEMENT_POOLING = "statement pooling"
_WRITER_ONLY = {"read-write", "primary"}
_WRITER_HINTS = {
    "postgresql": "Set OPTIONS['target_session_attrs'] = 'read-write', or an address that leads to "
    "the primary only.",
    "mysql": "Give the alias of the sessions an address that leads to the primary only.",
}
# MySQL has the one name since 5.7, MariaDB had the other until 11.1.
_MYSQL_ISOLATION = "SHOW VARIABLES WHERE Variable_name IN ('transaction_isolation', 'tx_isolation')"


def check_strict_mode(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W040: MySQL cuts what is too long, and says nothing."""
    mode = _asked(databases, "mysql", "SELECT @@sql_mode")
    if mode is None or "STRICT_TRANS_TABLES" in mode or "STRICT_ALL_TABLES" in mode:
        return []
    return [
        Warning(
            "MySQL runs without strict mode: it cuts values that are too long.",
            hint="Put \"SET sql_mode='STRICT_TRANS_TABLES'\" into OPTIONS['init_command'].",
            id="sessionstore.W040",
        )
    ]


def check_lock_wait(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W041: a request may wait for another one's lock for longer than a visitor does."""
    seconds = _asked(databases, "mysql", "SELECT @@innodb_lock_wait_timeout")
    if seconds is None:
        milliseconds = _asked(
            databases,
            "postgresql",
            "SELECT setting::int FROM pg_settings WHERE name = 'lock_timeout'",
        )
        seconds = None if milliseconds is None else milliseconds / 1000
    if seconds is None or 0 < seconds <= LONGEST_LOCK_WAIT_S:
        return []
    return [
        Warning(
            f"A statement on the session table waits {f'{seconds:g} s' if seconds else 'for ever'} "
            f"for a lock.",
            hint="Set innodb_lock_wait_timeout (MySQL) or lock_timeout (PostgreSQL) to 2 or 3 s "
            "for the alias of the sessions.",
            id="sessionstore.W041",
        )
    ]


def check_sqlite(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W042, W043: SQLite stops its readers while it writes, or fails writers at once."""
    journal = _asked(databases, "sqlite", "PRAGMA journal_mode")
    if journal in (None, "memory"):
        return []
    found: list[CheckMessage] = []
    if journal.lower() != "wal":
        found.append(
            Warning(
                f"SQLite runs with journal_mode={journal}: a writer stops all readers.",
                hint="Put 'PRAGMA journal_mode=wal' into OPTIONS['init_command'].",
                id="sessionstore.W042",
            )
        )
    if getattr(_connection(databases, "sqlite"), "transaction_mode", None) != "IMMEDIATE":
        found.append(
            Warning(
                "SQLite begins transactions as readers: one that writes later fails at once when "
                "another one wrote in between, whatever its timeout.",
                hint="Set OPTIONS['transaction_mode'] = 'IMMEDIATE'.",
                id="sessionstore.W043",
            )
        )
    return found


def check_isolation(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W044: above READ COMMITTED a conflict in a caller's transaction cannot be repaired."""
    level = _asked(databases, "postgresql", "SHOW default_transaction_isolation")
    if level is None:
        level = _asked(databases, "mysql", _MYSQL_ISOLATION, column=1)
    if level is None or level.upper().replace("-", " ") == "READ COMMITTED":
        return []
    return [
        Warning(
            f"The alias of the sessions runs {level.upper().replace('-', ' ')}.",
            hint="Set OPTIONS['isolation_level'] = 'read committed' (MySQL), or "
            "default_transaction_isolation (PostgreSQL).",
            id="sessionstore.W044",
        )
    ]


def check_galera(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W045: on Galera another node may not know yet who has just signed in, or out."""
    on = _asked(databases, "mysql", "SHOW VARIABLES LIKE 'wsrep_on'", column=1)
    if on != "ON":
        return []
    wait = _asked(databases, "mysql", "SELECT @@wsrep_sync_wait")
    if wait & _SYNC_WAIT == _SYNC_WAIT:
        return []
    return [
        Warning(
            f"Galera runs with wsrep_sync_wait={wait}: a request to another node right after a "
            f"login finds no session, and a logout there deletes nothing.",
            hint="Put 'SET SESSION wsrep_sync_wait=3' into OPTIONS['init_command'].",
            id="sessionstore.W045",
        )
    ]


def check_group(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W099: as W045, of Group Replication: another member, or the next primary, is behind."""
    connection = _connection(databases, "mysql")
    return told_of_group(dict(_rows(connection, "SHOW VARIABLES LIKE 'group\\_replication\\_%'")))


def told_of_group(variables: dict[str, str]) -> list[CheckMessage]:
    """Return what is to be said of a server with these variables of Group Replication."""
    if not variables.get("group_replication_group_name"):
        return []
    all_write = variables["group_replication_single_primary_mode"] == "OFF"
    consistency = variables["group_replication_consistency"]
    if consistency not in (_NOT_SAFE_WHERE_ALL_WRITE if all_write else _NOT_SAFE):
        return []
    who, wanted = (
        ("another member", "BEFORE")
        if all_write
        else ("a new primary", "BEFORE_ON_PRIMARY_FAILOVER")
    )
    return [
        Warning(
            f"Group Replication runs with group_replication_consistency={consistency}: {who} may "
            f"not know yet who has just signed in, or out.",
            hint=f"Put \"SET SESSION group_replication_consistency='{wanted}'\" into "
            f"OPTIONS['init_command'].",
            id="sessionstore.W099",
        )
    ]


def check_writer(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W098: a standby that lags finds no session for who has just signed in.

    Several new connections are asked, since a balancer leads each of them elsewhere.
    """
    table = table_on(databases)
    if table is None:
        return []
    connection = connections[table.alias]
    settings = connection.settings_dict
    read_only = sum(_is_read_only(connection) for _ in range(_BALANCED))
    several = connection.vendor == "postgresql" and "," in str(settings["HOST"])
    if several and settings["OPTIONS"].get("target_session_attrs") not in _WRITER_ONLY:
        what = f"The alias {table.alias!r} names several servers, and takes any of them."
    elif read_only:
        what = (
            f"{read_only} of {_BALANCED} connections of the alias {table.alias!r} led to a server "
            f"that is read-only."
        )
    else:
        return []
    return [
        Warning(
            f"{what} A session that is read from a standby may be one that has ended, or not be "
            f"there yet, which signs people out.",
            hint=_WRITER_HINTS[connection.vendor],
            id="sessionstore.W098",
        )
    ]


def _is_read_only(connection: Any) -> bool:
    if connection.vendor not in _READ_ONLY:
        return False
    with closing(_another(connection)) as another:
        return any(row[-1].lower() == "on" for row in _rows(another, _READ_ONLY[connection.vendor]))


def check_pooling(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W093: where a transaction cannot be begun, a save that is overtaken twice is a 503."""
    connection = _connection(databases, "postgresql")
    if connection is None:
        return []
    with closing(_another(connection)) as another:
        try:
            another.set_autocommit(autocommit=False)
            another.cursor().execute("SELECT 1")
        except (DatabaseError, InterfaceError) as error:
            refused = _STATEMENT_POOLING in str(error)
        else:
            another.rollback()
            return []
    if not refused:
        return []
    return [
        Warning(
            "The connections of the sessions are lent for one statement (statement pooling): two "
            "requests that change one session at the same time need a transaction.",
            hint="Set pool_mode = transaction in PgBouncer for the database of the sessions.",
            id="sessionstore.W093",
        )
    ]


def check_packet(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W046: MySQL refuses sessions that SESSIONSTORE_MAX_BYTES allows."""
    packet = _asked(databases, "mysql", "SELECT @@max_allowed_packet")
    if packet is None or packet > conf.size_limit:
        return []
    return [
        Warning(
            f"SESSIONSTORE_MAX_BYTES is {conf.size_limit}, and the database takes no statement "
            f"above {packet} bytes (max_allowed_packet).",
            hint="Lower SESSIONSTORE_MAX_BYTES, or raise max_allowed_packet.",
            id="sessionstore.W046",
        )
    ]


def check_timeouts(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W049: a database that is there and never answers holds each request for ever."""
    table = table_on(databases)
    if table is None:
        return []
    connection = connections[table.alias]
    missing = _missing_timeouts(connection.vendor, connection.settings_dict)
    if not missing:
        return []
    return [
        Warning(
            f"A database that never answers would hold each request for very long: OPTIONS of "
            f"{table.alias!r} lacks {', '.join(missing)}.",
            hint=f"Set {missing} there, above what a lock may wait; docs/operations.md tells what "
            f"each of them ends.",
            id="sessionstore.W049",
        )
    ]


def _missing_timeouts(vendor: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what OPTIONS lacks, with values that suit sessions."""
    options = settings["OPTIONS"]
    if options.keys() & _FILES:
        return {}
    wanted: dict[str, Any] = dict(TIMEOUTS.get(vendor, ()))
    missing = {name: value for name, value in wanted.items() if not options.get(name)}
    host = str(settings["HOST"])
    if not host or host.startswith(("/", "@")):  # a socket of this machine
        for name in _OF_TCP:
            missing.pop(name, None)
    pool = options.get("pool")
    if pool and not (isinstance(pool, dict) and pool.get("timeout")):
        # psycopg's own lets each request wait for 30 s.
        missing["pool"] = {"timeout": 3}
    return missing


def _another(connection: Any) -> Any:
    """Return a connection like this one, of its own also where a pool lends them."""
    another = connection.copy()
    another.settings_dict["OPTIONS"].pop("pool", None)
    return another


def _connection(databases: Sequence[str] | None, vendor: str) -> Any:
    """Return the connection to the session table; None when it is of another vendor."""
    table = table_on(databases)
    if table is None or connections[table.alias].vendor != vendor:
        return None
    return connections[table.alias]


def _asked(databases: Sequence[str] | None, vendor: str, question: str, *, column: int = 0) -> Any:
    """Return a value of the first row; None when the database is down or of another vendor."""
    rows = _rows(_connection(databases, vendor), question)
    return rows[0][column] if rows else None


def _rows(connection: Any, question: str) -> list[Any]:
    """Return all rows of an answer; none when there is no connection to be had."""
    if connection is None:
        return []
    try:
        with connection.cursor() as cursor:
            cursor.execute(question)
            return list(cursor.fetchall())
    except (DatabaseError, InterfaceError):
        # E041 tells of a database that is down.
        return []


DATABASE_CHECKS = [
    check_strict_mode,
    check_lock_wait,
    check_sqlite,
    check_isolation,
    check_galera,
    check_group,
    check_packet,
]
DEPLOYMENT_CHECKS = [check_timeouts, check_writer, check_pooling]
