"""The limit: the bare driver with hand-written SQL, a table like ours, and no protection at all."""

import json
import secrets
import sqlite3
import time
from typing import Any

import MySQLdb
import psycopg
from django.conf import settings
from django.db import connections

from bench import shopper

COLUMNS = (
    "id {id} PRIMARY KEY, digest {digest} NOT NULL UNIQUE, previous_digest {digest}, "
    "cycled_at bigint, data {data} NOT NULL, version bigint NOT NULL, user_id {user}, "
    "created_at bigint NOT NULL, authenticated_at bigint, last_seen_at bigint NOT NULL, "
    "expires_at bigint NOT NULL, device_key {data}, bound_at bigint, ip varchar(45), "
    "user_agent varchar(512), device_name varchar(64)"
)
_TEXT = "varchar(255)"
TYPES = {
    "sqlite": {"id": "blob", "digest": "blob", "data": "blob", "user": _TEXT},
    "mysql": {
        "id": "binary(16)",
        "digest": "binary(32)",
        "data": "longblob",
        "user": f"{_TEXT} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    },
    "postgresql": {"id": "bytea", "digest": "bytea", "data": "bytea", "user": _TEXT},
}
INDEXED = ("previous_digest", "user_id", "expires_at")
LIFE_MS = 1_209_600_000


def now_ms() -> int:
    """Return the time, as our engine stores it."""
    return time.time_ns() // 1_000_000


def open_driver(alias: str) -> Any:
    """Return a connection of the driver itself, in autocommit mode."""
    options = settings.DATABASES[alias]
    match connections[alias].vendor:
        case "sqlite":
            connection = sqlite3.connect(options["NAME"], isolation_level=None)
            connection.execute("PRAGMA journal_mode=wal")
            connection.execute("PRAGMA synchronous=normal")
            return connection
        case "mysql":
            return MySQLdb.connect(
                host=options["HOST"],
                port=options["PORT"],
                user=options["USER"],
                database=options["NAME"],
                charset="utf8mb4",
                autocommit=True,
            )
        case _:
            return psycopg.connect(
                host=options["HOST"],
                port=options["PORT"],
                user=options["USER"],
                dbname=options["NAME"],
                autocommit=True,
            )


class Bare:
    """Five operations, each the fewest statements that can do it."""

    name = "bare driver"

    def __init__(self, alias: str) -> None:
        vendor = connections[alias].vendor
        self.connection = open_driver(alias)
        self.mark = "?" if vendor == "sqlite" else "%s"
        self.run("DROP TABLE IF EXISTS bench_bare")
        self.run(f"CREATE TABLE bench_bare ({COLUMNS.format(**TYPES[vendor])})")
        for column in INDEXED:
            self.run(f"CREATE INDEX bench_bare_{column} ON bench_bare ({column})")

    def activate(self) -> None:
        """Nothing depends on settings."""

    def run(self, sql: str, *values: Any) -> Any:
        cursor = self.connection.cursor()
        cursor.execute(sql.replace("?", self.mark), values)
        return cursor

    def create(self, number: int) -> bytes:
        key = secrets.token_bytes(32)
        payload = json.dumps(shopper.data(number)).encode()
        now = now_ms()
        # In the order of time, as ours are.
        row_id = now.to_bytes(6, "big") + secrets.token_bytes(10)
        values = [row_id, key, payload, 1, "1", now, now, now + LIFE_MS]
        self.run(
            "INSERT INTO bench_bare"
            " (id, digest, data, version, user_id, created_at, last_seen_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            *values,
        )
        return key

    def _fetch(self, key: bytes) -> tuple[bytes, dict[str, Any], int]:
        cursor = self.run(
            "SELECT id, data, version FROM bench_bare WHERE digest = ? AND expires_at > ?",
            *(key, now_ms()),
        )
        row_id, payload, version = cursor.fetchone()
        return row_id, json.loads(payload), version

    def load(self, key: bytes) -> Any:
        _, data, _ = self._fetch(key)
        return data["cart"]

    def load_and_save(self, key: bytes, number: int) -> None:
        row_id, data, version = self._fetch(key)
        data["cart"] = shopper.cart(number)
        now = now_ms()
        self.run(
            "UPDATE bench_bare SET data = ?, version = ?, last_seen_at = ?, expires_at = ?"
            " WHERE id = ? AND version = ?",
            *(json.dumps(data).encode(), version + 1, now, now + LIFE_MS, row_id, version),
        )

    def cycle(self, key: bytes) -> bytes:
        row_id, data, version = self._fetch(key)
        new = secrets.token_bytes(32)
        self.run(
            "UPDATE bench_bare SET previous_digest = ?, cycled_at = ?, digest = ?, data = ?,"
            " version = ? WHERE id = ? AND version = ?",
            *(key, now_ms(), new, json.dumps(data).encode(), version + 1, row_id, version),
        )
        return new

    def delete(self, key: bytes) -> None:
        self.run("DELETE FROM bench_bare WHERE digest = ?", key)
