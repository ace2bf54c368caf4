"""How many bytes one stored session takes."""

from dataclasses import dataclass

import redis
from django.db import connections

from bench.contestants import ENGINES, Engine
from bench.machine import servers

ROWS = 2000
TABLES = {
    "sessionstore": ("sessionstore_session", "data"),
    "Django db": ("django_session", "session_data"),
    "django-qsessions": ("qsessions_session", "session_data"),
    "django-user-sessions": ("user_sessions_session", "session_data"),
}


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes of one session."""

    data: int
    with_indexes: int


def measure_storage(engines: list[Engine], alias: str) -> dict[str, Stored]:
    """Fill each engine's table anew, and ask the database for its size."""
    return {
        engine.name: _table(engine, alias, *TABLES[engine.name])
        for engine in engines
        if engine.name in TABLES
    }


def _table(engine: Engine, alias: str, table: str, column: str) -> Stored:
    connection = connections[alias]
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the list above
        engine.activate()
        for number in range(ROWS):
            engine.create(number)
        cursor.execute(f"SELECT AVG(LENGTH({column})) FROM {table}")  # noqa: S608
        data = int(cursor.fetchone()[0])
        for statement in _SIZE[connection.vendor]:
            cursor.execute(statement.format(table=table))
        size = int(cursor.fetchone()[0])
    return Stored(data, size // ROWS)


_SIZE = {
    "mysql": [
        "OPTIMIZE TABLE {table}",
        # The hint is MySQL's, which else answers from a cache; MariaDB takes it for a comment.
        (
            "SELECT /*+ SET_VAR(information_schema_stats_expiry = 0) */ data_length + index_length "
            "FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name = '{table}'"
        ),
    ],
    "sqlite": [
        "VACUUM",
        (
            "SELECT SUM(pgsize) FROM dbstat WHERE name IN"
            " (SELECT name FROM sqlite_schema WHERE tbl_name = '{table}')"
        ),
    ],
    "postgresql": ["VACUUM FULL {table}", "SELECT pg_total_relation_size('{table}')"],
}


def measure_redis() -> Stored:
    """Ask Redis what one session of Django's cache engine takes."""
    engine = next(one for one in ENGINES if one.name == "Django cache (Redis)")
    key = engine.create(0)
    client = redis.Redis(port=servers().ports["redis"])
    name = next(found for found in client.scan_iter() if key and key.encode() in found)
    return Stored(len(client.get(name) or b""), int(client.memory_usage(name) or 0))
