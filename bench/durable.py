"""Servers with the settings of a site: every commit reaches the disk, and there is memory."""

import os

from django.db import connections

from bench import machine

MARIADB = (
    "SET GLOBAL innodb_buffer_pool_size = 2147483648",
    "SET GLOBAL innodb_log_file_size = 2147483648",
    "SET GLOBAL innodb_io_capacity_max = 4000",
    "SET GLOBAL innodb_io_capacity = 2000",
)
POSTGRESQL = ("ALTER SYSTEM SET max_wal_size = '4GB'", "SELECT pg_reload_conf()")
# What must not be: a server that was started for tests cannot be told otherwise later.
UNFLUSHED = {
    "mysql": "SELECT @@innodb_flush_method = 'nosync' OR @@innodb_flush_log_at_trx_commit <> 1",
    "postgresql": "SELECT 'off' IN (current_setting('fsync'), "
    "current_setting('synchronous_commit'), current_setting('full_page_writes'))",
}
IN_WORDS = (
    "MariaDB with a buffer pool and a redo log of 2 GB each and `innodb_io_capacity=2000`, "
    "PostgreSQL with its default buffers, both flushing at each commit, SQLite in WAL mode with "
    "`synchronous=normal`"
)


def make_durable(alias: str) -> None:
    """Give a server memory; raise when it does not flush what it commits."""
    vendor = connections[alias].vendor
    with connections[alias].cursor() as cursor:
        for statement in {"mysql": MARIADB, "postgresql": POSTGRESQL}.get(vendor, ()):
            cursor.execute(statement)
        if vendor in UNFLUSHED:
            cursor.execute(UNFLUSHED[vendor])
            if cursor.fetchone()[0]:
                raise RuntimeError(f"{alias} does not flush at a commit")
    connections[alias].close()


def in_words() -> str:
    """Return what was measured on, and how busy it was: the slowest cases may be its own."""
    _, _, load = os.getloadavg()
    return (
        f"{machine.describe({})} {IN_WORDS}. Load average over the last 15 minutes: {load:.0f} on "
        f"{os.cpu_count()} cores."
    )
