# ruff: noqa: S608 - tables and columns are our own models'
"""Millions of rows in minutes: made by the database itself, in the order of the primary key."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.contrib.sessions.models import Session as DjangoSession
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from bench import shopper
from sessionstore import expiry
from sessionstore.expiry import DAY
from sessionstore.models import Session

CHUNK = 500_000
USERS = 100_000
PAYLOAD = json.dumps(shopper.data(), separators=(",", ":")).encode()
# What Django's own engine makes of the same session, Base64 and signature included.
STOCK_TEXT = "x" * 569
_PREFIX_BITS = 56
_REST = "ab" * 24
_COLUMNS = (
    *("digest", "data", "version", "user_id", "created_at", "last_seen_at", "expires_at"),
    *("authenticated_at", "ip", "user_agent"),
)
# A number of the row that looks random, from its own number.
_SCATTER = 2_654_435_761


def migrate(alias: str) -> None:
    """Make both tables, ours and Django's."""
    for app in ("sessionstore", "sessions"):
        call_command("migrate", app, database=alias, verbosity=0)


def digest_of(number: int, count: int, stage: int) -> bytes:
    """Answer the primary key of a row: evenly spread, as hashes are, and known to who asks."""
    return bytes.fromhex(f"{number * _stride(count):014x}{stage:02x}{_REST}")


def fill(alias: str, count: int, *, stage: int = 0, expired_every: int = 0) -> None:
    """Add ``count`` rows; every so many-th has ended, on one of the last 30 days."""
    connection = connections[alias]
    now = expiry.now_ms()
    with without_indexes(alias, Session, ("user_id", "expires_at")), connection.cursor() as cursor:
        for first in range(0, count, CHUNK):
            last = min(first + CHUNK, count) - 1
            if connection.vendor == "sqlite":
                rows = _python_rows(first, last, count, stage, now, expired_every)
                _insert_many(cursor, rows)
            else:
                sql = _statement(connection.vendor, first, last, count, stage, now, expired_every)
                cursor.execute(sql, [PAYLOAD])
    settle(alias, Session._meta.db_table)


def fill_stock(alias: str, count: int, *, expired_every: int) -> None:
    """Add ``count`` rows to the table of Django's own engine."""
    connection = connections[alias]
    now = timezone.now().replace(tzinfo=None)
    table = DjangoSession._meta.db_table
    with (
        without_indexes(alias, DjangoSession, ("expire_date",)),
        connection.cursor() as cursor,
    ):
        if connection.vendor == "sqlite":
            numbers = iter(range(count))
            while chunk := list(islice(numbers, CHUNK)):
                cursor.executemany(
                    f"INSERT INTO {table} VALUES (%s, %s, datetime('{now}', %s || ' seconds'))",
                    [(f"{n:032x}", STOCK_TEXT, _ends_s(n, expired_every)) for n in chunk],
                )
        else:
            for first in range(0, count, CHUNK):
                last = min(first + CHUNK, count) - 1
                cursor.execute(
                    _stock_statement(connection.vendor, table, first, last, expired_every),
                    [STOCK_TEXT, now],
                )
    settle(alias, table)


def settle(alias: str, table: str) -> None:
    """Let the database do now what it would do during the measurement."""
    vendor = connections[alias].vendor
    with connections[alias].cursor() as cursor:
        if vendor == "postgresql":
            cursor.execute(f"VACUUM ANALYZE {table}")
            cursor.execute("CHECKPOINT")
        elif vendor == "mysql":
            cursor.execute(f"ANALYZE TABLE {table}")
            cursor.fetchall()
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.fetchall()


class without_indexes:  # noqa: N801 - used as a context manager
    """Drop secondary indexes while a table is filled, and build them by sorting afterwards."""

    def __init__(self, alias: str, model: Any, names: tuple[str, ...]) -> None:
        self.connection = connections[alias]
        self.model = model
        self.fields = [model._meta.get_field(name) for name in names]

    def __enter__(self) -> None:
        with self.connection.schema_editor(atomic=False) as editor:
            for field in self.fields:
                for name in editor._constraint_names(self.model, [field.column], index=True):
                    editor.execute(editor._delete_index_sql(self.model, name))

    def __exit__(self, *_: object) -> None:
        with self.connection.schema_editor(atomic=False) as editor:
            for field in self.fields:
                editor.execute(editor._create_index_sql(self.model, fields=[field]))


def _stride(count: int) -> int:
    return (1 << _PREFIX_BITS) // count


def _ends_s(number: int, expired_every: int) -> int:
    """Answer in how many seconds a row's session ends: negative when it has ended."""
    days_s = number * _SCATTER % (30 * 86_400)
    ended = expired_every and number % expired_every == 0
    return -86_400 - days_s if ended else 86_400 + days_s


def _python_rows(
    first: int, last: int, count: int, stage: int, now: int, expired_every: int
) -> Iterator[tuple[Any, ...]]:
    started = now - 40 * DAY
    for n in range(first, last + 1):
        user = str(n % USERS) if n % 3 else None
        ends = now + _ends_s(n, expired_every) * 1000
        digest = digest_of(n, count, stage)
        yield digest, PAYLOAD, 1, user, started, started, ends, None, None, None


def _insert_many(cursor: Any, rows: Iterator[tuple[Any, ...]]) -> None:
    marks = ", ".join(["%s"] * len(_COLUMNS))
    sql = f"INSERT INTO sessionstore_session ({', '.join(_COLUMNS)}) VALUES ({marks})"
    cursor.executemany(sql, list(rows))


def _statement(
    vendor: str, first: int, last: int, count: int, stage: int, now: int, expired_every: int
) -> str:
    rest = f"{stage:02x}{_REST}"
    started = now - 40 * DAY
    ends = _ends_sql(vendor, expired_every)
    if vendor == "mysql":
        digest = f"UNHEX(CONCAT(LPAD(HEX(n * {_stride(count)}), 14, '0'), '{rest}'))"
        source = _numbers(first, last)
        user = f"CAST(n MOD {USERS} AS CHAR)"
    else:
        digest = f"decode(lpad(to_hex(n * {_stride(count)}), 14, '0') || '{rest}', 'hex')"
        source = f"generate_series({first}::bigint, {last}::bigint) AS n"
        user = f"(n % {USERS})::text".replace("%", "%%")
    three = "n MOD 3" if vendor == "mysql" else "n %% 3"
    return (
        f"INSERT INTO sessionstore_session ({', '.join(_COLUMNS)}) SELECT {digest}, %s, 1, "
        f"CASE WHEN {three} > 0 THEN {user} END, {started}, {started}, {now} + 1000 * ({ends}), "
        f"NULL, NULL, NULL FROM {source}"
    )


def _stock_statement(vendor: str, table: str, first: int, last: int, expired_every: int) -> str:
    ends = _ends_sql(vendor, expired_every)
    if vendor == "mysql":
        return (
            f"INSERT INTO {table} SELECT LPAD(HEX(n), 32, '0'), %s, "
            f"DATE_ADD(%s, INTERVAL {ends} SECOND) FROM {_numbers(first, last)}"
        )
    return (
        f"INSERT INTO {table} SELECT lpad(to_hex(n), 32, '0'), %s, "
        f"%s::timestamp AT TIME ZONE 'UTC' + ({ends}) * interval '1 second' "
        f"FROM generate_series({first}::bigint, {last}::bigint) AS n"
    )


def _numbers(first: int, last: int) -> str:
    """Answer MariaDB's table of numbers, made signed."""
    return f"(SELECT CAST(seq AS SIGNED) AS n FROM seq_{first}_to_{last}) numbers"


def _ends_sql(vendor: str, expired_every: int) -> str:
    modulo = "MOD" if vendor == "mysql" else "%%"
    days = f"(n * {_SCATTER}) {modulo} {30 * 86_400}"
    if not expired_every:
        return f"86400 + ({days})"
    return (
        f"CASE WHEN n {modulo} {expired_every} = 0 THEN -86400 - ({days}) ELSE 86400 + ({days}) END"
    )
