# ruff: noqa: S608 - table and column names are quoted, values are bound
"""The SQL text of the hot path, composed once for each database alias.

Optimization: the ORM's own get() costs 280 to 410 us where the same SELECT through Django's cursor
costs 46 us.

What is written has ``expires_at + 0 > now``: the + 0 keeps MariaDB's optimizer on the primary key.
By the index of the ends two writers of one row would lock it from both sides: a deadlock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections

FETCHED = (
    *("id", "digest", "data", "version", "user_id", "created_at", "authenticated_at"),
    *("last_seen_at", "expires_at", "ip", "user_agent", "bound_at"),
)
CHANGED = (
    *("data", "version", "user_id", "authenticated_at", "last_seen_at", "expires_at"),
    *("ip", "user_agent"),
)
INSERTED = ("id", "digest", "created_at", *CHANGED)


@dataclass(frozen=True, slots=True)
class Statements:
    """Each text with its parameters in order."""

    fetch: str  # digest, now
    find: str  # id, now
    lock: str  # id, now
    before_lock: str | None  # id
    insert: str  # INSERTED, extra columns
    update: str  # CHANGED, extra columns, id, version, now
    change_key: str  # now, new digest, CHANGED, extra columns, id, version, now
    touch: str  # last_seen_at, expires_at, id, version, last_seen_at, now
    remove: str  # id
    remove_key: str  # digest
    remove_replaced: str  # digest
    was_replaced: str  # digest, since, now


def compose(alias: str, model: Any, extra: Sequence[str]) -> Statements:
    """Return the statements for the table of ``model`` on the database ``alias``."""
    connection = connections[alias]
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)

    def column(name: str) -> str:
        return quote(model._meta.get_field(name).column)

    row_id, digest, version = column("id"), column("digest"), column("version")
    previous, cycled = column("previous_digest"), column("cycled_at")
    seen, expires = column("last_seen_at"), column("expires_at")
    of_version, live = f"WHERE {row_id} = %s AND {version} = %s", f"{expires} + 0 > %s"
    inserted = [column(name) for name in (*INSERTED, *extra)]
    changed = ", ".join(f"{column(name)} = %s" for name in (*CHANGED, *extra))
    select = f"SELECT {', '.join(map(column, FETCHED))} FROM {table}"
    find = f"{select} WHERE {row_id} = %s AND {expires} > %s"
    # SQLite locks by writing, whatever mode its transaction began in.
    sqlite = connection.vendor == "sqlite"
    write_lock = f"UPDATE {table} SET {version} = {version} WHERE {row_id} = %s"
    return Statements(
        fetch=f"{select} WHERE {digest} = %s AND {expires} > %s",
        find=find,
        lock=find if sqlite else f"{find} FOR UPDATE",
        before_lock=write_lock if sqlite else None,
        insert=f"INSERT INTO {table} ({', '.join(inserted)}) "
        f"VALUES ({', '.join(['%s'] * len(inserted))})",
        update=f"UPDATE {table} SET {changed} {of_version} AND {live}",
        # The old digest first: MySQL computes each value from what stands to the left of it.
        change_key=f"UPDATE {table} SET {previous} = {digest}, "
        f"{cycled} = %s, {digest} = %s, {changed} {of_version} AND {live}",
        touch=f"UPDATE {table} SET {seen} = %s, {expires} = %s {of_version} "
        f"AND {seen} < %s AND {live}",
        remove=f"DELETE FROM {table} WHERE {row_id} = %s",
        remove_key=f"DELETE FROM {table} WHERE {digest} = %s",
        remove_replaced=f"DELETE FROM {table} WHERE {previous} = %s",
        was_replaced=f"SELECT 1 FROM {table} WHERE {previous} = %s "
        f"AND {cycled} > %s AND {expires} > %s",
    )
