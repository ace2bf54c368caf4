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

TYPES = {
    "sqlite": "digest blob PRIMARY KEY, data blob, version bigint, user_id varchar(255), "
    "created_at bigint, last_seen_at bigint, expires_at bigint",
    "mysql": "digest binary(32) PRIMARY KEY, data longblob, version bigint, user_id varchar(255), "
    "created_at bigint, last_seen_at bigint, expires_at bigint",
    "postgresql": "digest bytea PRIMARY KEY, data bytea, version bigint, user_id varchar(255), "
    "created_at bigint, last_seen_at bigint, expires_at bigint",
}


def open_driver(alias: str) -> Any:
    """Answer a connection of the driver itself, in autocommit mode."""
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
        self.run(f"CREATE TABLE bench_bare ({TYPES[vendor]})")
        self.run("CREATE INDEX bench_bare_user ON bench_bare (user_id)")
        self.run("CREATE INDEX bench_bare_expiry ON bench_bare (expires_at)")

    def activate(self) -> None:
        """Nothing depends on settings."""

    def run(self, sql: str, *values: Any) -> Any:
        cursor = self.connection.cursor()
        cursor.execute(sql.replace("?", self.mark), values)
        return cursor

    def create(self, number: int) -> bytes:
        key = secrets.token_bytes(32)
        payload = json.dumps(shopper.data(number)).encode()
        now = time.time_ns() // 1_000_000
        values = [key, payload, 1, "1", now, now, now + 1_209_600_000]
        self.run("INSERT INTO bench_bare VALUES (?, ?, ?, ?, ?, ?, ?)", *values)
        return key

    def _fetch(self, key: bytes) -> tuple[dict[str, Any], int]:
        now = time.time_ns() // 1_000_000
        cursor = self.run(
            "SELECT data, version FROM bench_bare WHERE digest = ? AND expires_at > ?", key, now
        )
        payload, version = cursor.fetchone()
        return json.loads(payload), version

    def load(self, key: bytes) -> Any:
        return self._fetch(key)[0]["cart"]

    def load_and_save(self, key: bytes, number: int) -> None:
        data, version = self._fetch(key)
        data["cart"] = shopper.cart(number)
        now = time.time_ns() // 1_000_000
        self.run(
            "UPDATE bench_bare SET data = ?, version = ?, last_seen_at = ?, expires_at = ?"
            " WHERE digest = ? AND version = ?",
            *(json.dumps(data).encode(), version + 1, now, now + 1_209_600_000, key, version),
        )

    def cycle(self, key: bytes) -> bytes:
        data, version = self._fetch(key)
        new = secrets.token_bytes(32)
        self.run(
            "UPDATE bench_bare SET digest = ?, data = ?, version = ?"
            " WHERE digest = ? AND version = ?",
            *(new, json.dumps(data).encode(), version + 1, key, version),
        )
        return new

    def delete(self, key: bytes) -> None:
        self.run("DELETE FROM bench_bare WHERE digest = ?", key)
