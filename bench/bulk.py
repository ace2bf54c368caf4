# ruff: noqa: S608 - tables and columns are our own models'
"""Millions of rows in minutes: made by the database itself, in the order of the primary key."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.contrib.sessions.models import Session as DjangoSession
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from bench import shopper
from sessionstore.core import expiry
from sessionstore.core.expiry import DAY_MS
from sessionstore.models import Session

CHUNK = 500_000
_FEW_PAGES = 100
USERS = 100_000
# As long as header, nonce and seal, which take the same time in a table of any size.
SEAL = bytes(25)
DATA = SEAL + json.dumps(shopper.data(), separators=(",", ":")).encode()
# What is recorded of a visitor at the login.
IP = "2001:db8:85a3::8a2e:370:7334"
USER_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
# What Django's own engine makes of the same session, Base64 and signature included.
STOCK_TEXT = "x" * 569
_PREFIX_BITS = 56
_REST = "ab" * 24
_COLUMNS = (
    *("digest", "data", "version", "created_at", "last_seen_at", "expires_at"),
    *("user_id", "authenticated_at", "ip", "user_agent"),
)
# A number of the row that looks random, from its own number.
_SCATTER = 2_654_435_761


def migrate(alias: str) -> None:
    """Make both tables, ours and Django's."""
    for app in ("sessionstore", "sessions"):
        call_command("migrate", app, database=alias, verbosity=0)


@dataclass(frozen=True, slots=True)
class Filling:
    """``count`` rows; every so many-th has ended, on one of the last 30 days; 0: none has.

    Two thirds are signed in. Rows of another stage have other primary keys.
    """

    count: int
    expired_every: int = 0
    stage: int = 0

    def digest_of(self, number: int) -> bytes:
        """Answer a primary key: evenly spread, as hashes are, and known to who asks."""
        return bytes.fromhex(f"{number * self.stride:014x}{self.rest}")

    @property
    def stride(self) -> int:
        """Answer the distance of two primary keys."""
        return (1 << _PREFIX_BITS) // self.count

    @property
    def rest(self) -> str:
        """Answer the end of each primary key, in hexadecimal."""
        return f"{self.stage:02x}{_REST}"

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Answer the first and the last number of each part that is filled at once."""
        for first in range(0, self.count, CHUNK):
            yield first, min(first + CHUNK, self.count) - 1


def fill(alias: str, filling: Filling) -> None:
    """Add rows to our table."""
    connection = connections[alias]
    now = expiry.now_ms()
    with without_indexes(alias, Session, ("user_id", "expires_at")), connection.cursor() as cursor:
        for first, last in filling.chunks():
            if connection.vendor == "sqlite":
                _insert_many(cursor, _python_rows(filling, first, last, now))
            else:
                sql = _statement(
                    connection.vendor, filling, _source(connection.vendor, first, last), now
                )
                cursor.execute(sql, [DATA, IP, USER_AGENT])
    settle(alias, Session._meta.db_table)


def fill_stock(alias: str, filling: Filling) -> None:
    """Add rows to the table of Django's own engine."""
    connection = connections[alias]
    now = timezone.now().replace(tzinfo=None)
    table = DjangoSession._meta.db_table
    every = filling.expired_every
    with (
        without_indexes(alias, DjangoSession, ("expire_date",)),
        connection.cursor() as cursor,
    ):
        for first, last in filling.chunks():
            if connection.vendor == "sqlite":
                cursor.executemany(
                    f"INSERT INTO {table} VALUES (%s, %s, datetime('{now}', %s || ' seconds'))",
                    [(f"{n:032x}", STOCK_TEXT, _ends_s(n, every)) for n in range(first, last + 1)],
                )
            else:
                source = _source(connection.vendor, first, last)
                cursor.execute(
                    _stock_statement(connection.vendor, table, source, every), [STOCK_TEXT, now]
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
            _write_dirty_pages(cursor)
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.fetchall()


def _write_dirty_pages(cursor: Any) -> None:
    """Do what a checkpoint does elsewhere: MariaDB has none that can be asked for."""
    cursor.execute("SET GLOBAL innodb_max_dirty_pages_pct = 0")
    for _ in range(600):
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")
        if int(cursor.fetchone()[1]) < _FEW_PAGES:
            break
        time.sleep(0.5)
    cursor.execute("SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT")


@contextmanager
def without_indexes(alias: str, model: Any, names: tuple[str, ...]) -> Iterator[None]:
    """Drop secondary indexes while a table is filled, and build them by sorting afterwards."""
    connection = connections[alias]
    fields = [model._meta.get_field(name) for name in names]
    with connection.schema_editor(atomic=False) as editor:
        for field in fields:
            for name in editor._constraint_names(model, [field.column], index=True):
                editor.execute(editor._delete_index_sql(model, name))
    yield
    with connection.schema_editor(atomic=False) as editor:
        for field in fields:
            editor.execute(editor._create_index_sql(model, fields=[field]))


def _ends_s(number: int, expired_every: int) -> int:
    """Answer in how many seconds a row's session ends: negative when it has ended."""
    days_s = number * _SCATTER % (30 * 86_400)
    ended = expired_every and number % expired_every == 0
    return -86_400 - days_s if ended else 86_400 + days_s


def _python_rows(filling: Filling, first: int, last: int, now: int) -> Iterator[tuple[Any, ...]]:
    started = now - 40 * DAY_MS
    for n in range(first, last + 1):
        ends = now + _ends_s(n, filling.expired_every) * 1000
        row = filling.digest_of(n), DATA, 1, started, started, ends
        signed_in = str(n % USERS), started, IP, USER_AGENT
        yield (*row, *(signed_in if n % 3 else (None, None, None, None)))


def _insert_many(cursor: Any, rows: Iterator[tuple[Any, ...]]) -> None:
    marks = ", ".join(["%s"] * len(_COLUMNS))
    sql = f"INSERT INTO sessionstore_session ({', '.join(_COLUMNS)}) VALUES ({marks})"
    cursor.executemany(sql, list(rows))


def _statement(vendor: str, filling: Filling, source: str, now: int) -> str:
    started = now - 40 * DAY_MS
    if vendor == "mysql":
        digest = f"UNHEX(CONCAT(LPAD(HEX(n * {filling.stride}), 14, '0'), '{filling.rest}'))"
        user, visitor = f"CAST(n MOD {USERS} AS CHAR)", "n MOD 3 = 0"
    else:
        digest = f"decode(lpad(to_hex(n * {filling.stride}), 14, '0') || '{filling.rest}', 'hex')"
        user, visitor = f"(n %% {USERS})::text", "n %% 3 = 0"
    signed_in = ", ".join(
        f"CASE WHEN {visitor} THEN NULL ELSE {value} END" for value in (user, started, "%s", "%s")
    )
    return (
        f"INSERT INTO sessionstore_session ({', '.join(_COLUMNS)}) SELECT {digest}, %s, 1, "
        f"{started}, {started}, {now} + 1000 * ({_ends_sql(vendor, filling.expired_every)}), "
        f"{signed_in} FROM {source}"
    )


def _stock_statement(vendor: str, table: str, source: str, expired_every: int) -> str:
    ends = _ends_sql(vendor, expired_every)
    if vendor == "mysql":
        return (
            f"INSERT INTO {table} SELECT LPAD(HEX(n), 32, '0'), %s, "
            f"DATE_ADD(%s, INTERVAL {ends} SECOND) FROM {source}"
        )
    return (
        f"INSERT INTO {table} SELECT lpad(to_hex(n), 32, '0'), %s, "
        f"%s::timestamp AT TIME ZONE 'UTC' + ({ends}) * interval '1 second' FROM {source}"
    )


def _source(vendor: str, first: int, last: int) -> str:
    """Answer the database's own table of the numbers ``n``, signed."""
    if vendor == "mysql":
        return f"(SELECT CAST(seq AS SIGNED) AS n FROM seq_{first}_to_{last}) numbers"
    return f"generate_series({first}::bigint, {last}::bigint) AS n"


def _ends_sql(vendor: str, expired_every: int) -> str:
    modulo = "MOD" if vendor == "mysql" else "%%"
    days = f"(n * {_SCATTER}) {modulo} {30 * 86_400}"
    if not expired_every:
        return f"86400 + ({days})"
    return (
        f"CASE WHEN n {modulo} {expired_every} = 0 THEN -86400 - ({days}) ELSE 86400 + ({days}) END"
    )
