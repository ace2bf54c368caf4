# ruff: noqa: S608 - tables and columns are our own models'
"""Millions of rows in minutes: made by the database itself, in the order of their ids."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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
_COLUMNS = (
    *("id", "digest", "data", "version", "created_at", "last_seen_at", "expires_at"),
    *("user_id", "authenticated_at", "ip", "user_agent", "previous_digest", "cycled_at"),
)
# How long a session lives after its last use, and how long ago rows were created.
_LIFE_MS, _AGE_MS = 14 * DAY_MS, 60 * DAY_MS
_DAY_S = 86_400
_INDEXED, _UNIQUE = ("previous_digest", "user_id", "expires_at"), ("digest",)
# A number of the row that looks random, from its own number; modulo 2^32 no two are the same.
_SCATTER, _SCATTERED = 2_654_435_761, 1 << 32
# The ends of the digests that rows have, and had before their users signed in.
_NOW, _BEFORE = "ab" * 27, "cd" * 27


def migrate(alias: str) -> None:
    """Make both tables, ours and Django's."""
    for app in ("sessionstore", "sessions"):
        call_command("migrate", app, database=alias, verbosity=0)


@dataclass(frozen=True, slots=True)
class Filling:
    """``count`` rows; every so many-th has ended, on one of the last 30 days; 0: none has.

    Two thirds are signed in, and so had another key before. Rows of a later stage are younger. The
    one after every so many-th, a multiple of three, is of a user with many: ``crowd``.
    """

    count: int
    expired_every: int = 0
    stage: int = 0
    crowd_every: int = 0

    @property
    def crowd(self) -> str:
        """Return the key of the user with many: one for each stage."""
        return str(USERS + self.stage)

    def digest_of(self, number: int, end: str = _NOW) -> bytes:
        """Return a digest: evenly spread, as hashes are, and known to whoever asks."""
        return bytes.fromhex(f"{number * _SCATTER % _SCATTERED:08x}{self.stage:02x}{end}")

    @property
    def offset_ms(self) -> int:
        """Return how much younger the rows of this stage are than those of the first."""
        return self.stage * DAY_MS

    @property
    def rest_of_id(self) -> str:
        """Return the end of each primary key, in hexadecimal: version, variant, random bits."""
        return f"7{self.stage:03x}8{'ab' * 7}a"

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Return the first and the last number of each part that is filled at once."""
        for first in range(0, self.count, CHUNK):
            yield first, min(first + CHUNK, self.count) - 1


def fill(alias: str, filling: Filling) -> None:
    """Add rows to our table."""
    connection = connections[alias]
    now = expiry.now_ms()
    with without_indexes(alias, Session, _INDEXED, _UNIQUE), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            connection.connection.create_function("packed", 3, _packed, deterministic=True)
        for first, last in filling.chunks():
            source = _source(connection.vendor, first, last)
            sql = _statement(connection.vendor, filling, source, now)
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
def without_indexes(
    alias: str, model: Any, names: tuple[str, ...], unique: tuple[str, ...] = ()
) -> Iterator[None]:
    """Drop secondary indexes while a table is filled, and build them by sorting afterwards.

    SQLite keeps those of ``unique`` columns, which are a part of its table, in memory meanwhile.
    """
    connection = connections[alias]
    is_sqlite = connection.vendor == "sqlite"
    fields = [model._meta.get_field(name) for name in names]
    unique_fields = [] if is_sqlite else [model._meta.get_field(name) for name in unique]
    with connection.schema_editor(atomic=False) as editor:
        for field in fields:
            for name in editor._constraint_names(model, [field.column], index=True):
                editor.execute(editor._delete_index_sql(model, name))
        for field in unique_fields:
            for name in editor._constraint_names(model, [field.column], unique=True):
                editor.execute(editor._delete_unique_sql(model, name))
    with _large_cache(alias) if is_sqlite else nullcontext():
        yield
    with connection.schema_editor(atomic=False) as editor:
        for field in fields:
            editor.execute(editor._create_index_sql(model, fields=[field]))
        for field in unique_fields:
            editor.execute(editor._create_unique_sql(model, [field]))


@contextmanager
def _large_cache(alias: str) -> Iterator[None]:
    """Let SQLite keep 1 GB in memory, in place of 2 MB."""
    with connections[alias].cursor() as cursor:
        cursor.execute("PRAGMA cache_size = -1000000")
        yield
        cursor.execute("PRAGMA cache_size = -2000")


def _ends_s(number: int, expired_every: int) -> int:
    """Return in how many seconds a row's session ends: negative when it has ended."""
    scattered = number * _SCATTER
    if expired_every and number % expired_every == 0:
        return -_DAY_S - scattered % (30 * _DAY_S)
    return _DAY_S + scattered % (13 * _DAY_S)


def _statement(vendor: str, filling: Filling, source: str, now: int) -> str:
    started = now - _AGE_MS
    ends = f"{now} + 1000 * ({_ends_sql(vendor, filling.expired_every)})"
    modulo = _modulo(vendor)
    scattered, visitor = f"(n * {_SCATTER}) {modulo} {_SCATTERED}", f"n {modulo} 3 = 0"
    row_id = _bytes_sql(vendor, f"n + {started + filling.offset_ms}", 12, filling.rest_of_id)
    digest, before = (
        _bytes_sql(vendor, scattered, 8, f"{filling.stage:02x}{end}") for end in (_NOW, _BEFORE)
    )
    user = _user_sql(vendor, filling)
    signed_in = ", ".join(
        f"CASE WHEN {visitor} THEN NULL ELSE {value} END"
        for value in (user, started, "%s", "%s", before, started)
    )
    return (
        f"INSERT INTO sessionstore_session ({', '.join(_COLUMNS)}) SELECT {row_id}, {digest}, %s, "
        f"1, {started}, {ends} - {_LIFE_MS}, {ends}, {signed_in} FROM {source}"
    )


def _user_sql(vendor: str, filling: Filling) -> str:
    """Return the text of ``Filling.user_of``."""
    modulo = _modulo(vendor)
    number = f"n {modulo} {USERS}"
    user = f"CAST({number} AS {'CHAR' if vendor == 'mysql' else 'TEXT'})"
    if not filling.crowd_every:
        return user
    is_crowd = f"n {modulo} {filling.crowd_every} = 1"
    return f"CASE WHEN {is_crowd} THEN '{filling.crowd}' ELSE {user} END"


def _bytes_sql(vendor: str, number: str, digits: int, rest: str) -> str:
    """Return bytes: a number in so many hexadecimal digits, and the others."""
    if vendor == "mysql":
        return f"UNHEX(CONCAT(LPAD(HEX({number}), {digits}, '0'), '{rest}'))"
    if vendor == "sqlite":
        return f"packed({number}, {digits // 2}, x'{rest}')"
    return f"decode(lpad(to_hex({number}), {digits}, '0') || '{rest}', 'hex')"


def _packed(number: int, size: int, rest: bytes) -> bytes:
    """Do for SQLite, whose unhex() is of 3.41, what the others do themselves."""
    return number.to_bytes(size, "big") + rest


def _modulo(vendor: str) -> str:
    return "MOD" if vendor == "mysql" else "%%"


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
    """Return the database's own table of the numbers ``n``, signed."""
    if vendor == "mysql":
        return f"(SELECT CAST(seq AS SIGNED) AS n FROM seq_{first}_to_{last}) numbers"
    if vendor == "sqlite":
        more = f"SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}"
        return f"(WITH RECURSIVE numbers(n) AS ({more}) SELECT n FROM numbers)"
    return f"generate_series({first}::bigint, {last}::bigint) AS n"


def _ends_sql(vendor: str, expired_every: int) -> str:
    modulo = _modulo(vendor)
    scattered = f"(n * {_SCATTER}) {modulo}"
    lives, ended = f"{_DAY_S} + {scattered} {13 * _DAY_S}", f"-{_DAY_S} - {scattered} {30 * _DAY_S}"
    if not expired_every:
        return lives
    return f"CASE WHEN n {modulo} {expired_every} = 0 THEN {ended} ELSE {lives} END"
