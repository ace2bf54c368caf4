"""Servers with the settings of a site: every commit reaches the disk, and there is memory."""

import os

from django.db import connections

from bench import machine

MARIADB = (
    "SET GLOBAL innodb_flush_log_at_trx_commit = 1",
    "SET GLOBAL innodb_buffer_pool_size = 2147483648",
    "SET GLOBAL innodb_log_file_size = 2147483648",
    "SET GLOBAL innodb_io_capacity_max = 4000",
    "SET GLOBAL innodb_io_capacity = 2000",
)
POSTGRESQL = (
    "ALTER SYSTEM SET fsync = on",
    "ALTER SYSTEM SET full_page_writes = on",
    "ALTER SYSTEM SET synchronous_commit = on",
    "ALTER SYSTEM SET max_wal_size = '4GB'",
    "SELECT pg_reload_conf()",
)
IN_WORDS = (
    "MariaDB with a buffer pool and a redo log of 2 GB each, `innodb_io_capacity=2000` and "
    "`innodb_flush_log_at_trx_commit=1` (without the doublewrite buffer), PostgreSQL with its "
    "default buffers, `fsync` and `synchronous_commit` on, SQLite in WAL mode with "
    "`synchronous=normal`"
)


def make_durable(alias: str) -> None:
    """Change what the tests switched off for speed."""
    statements = {"mysql": MARIADB, "postgresql": POSTGRESQL}.get(connections[alias].vendor, ())
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connections[alias].close()


def in_words() -> str:
    """Return what was measured on, and how busy it was: the slowest cases may be its own."""
    _, _, load = os.getloadavg()
    return (
        f"{machine.describe({})} {IN_WORDS}. Load average over the last 15 minutes: {load:.0f} on "
        f"{os.cpu_count()} cores."
    )
