"""How many statements an operation costs, counted where they arrive."""

from collections.abc import Callable
from typing import Any

import redis
from django.db import connections

from bench.bare import Bare
from bench.contestants import Contestant
from bench.machine import servers


class Counter:
    """Count what reaches one database, transaction statements included, and Redis."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        port = servers().ports.get("redis")
        self.redis = redis.Redis(port=port) if port else None

    def count(self, contestant: Contestant, work: Callable[[], Any]) -> str:
        """Run the work and answer e.g. `3` or `2+1 Redis`."""
        connection = connections[self.alias]
        connection.ensure_connection()
        driver = contestant.connection if isinstance(contestant, Bare) else connection.connection
        commands = self._commands()
        sql = _COUNTERS[connection.vendor](driver, work)
        extra = self._commands() - commands - 1 if self.redis else 0
        return f"{sql}+{extra} Redis" if extra and sql else f"{extra} Redis" if extra else str(sql)

    def _commands(self) -> int:
        return int(self.redis.info("stats")["total_commands_processed"]) if self.redis else 0


def _asked(driver: Any) -> int:
    cursor = driver.cursor()
    cursor.execute("SHOW SESSION STATUS LIKE 'Questions'")
    return int(cursor.fetchone()[1])


def _count_mysql(driver: Any, work: Callable[[], Any]) -> int:
    before = _asked(driver)
    work()
    return _asked(driver) - before - 1


def _count_sqlite(driver: Any, work: Callable[[], Any]) -> int:
    seen: list[str] = []
    driver.set_trace_callback(seen.append)
    work()
    driver.set_trace_callback(None)
    return len([sql for sql in seen if not sql.startswith("--")])


def _count_postgresql(driver: Any, work: Callable[[], Any]) -> int:
    """Count the round trips: psycopg's pipeline is off, so each is one statement."""
    sent = 0
    original = driver.wait

    def wait(*args: Any, **kwargs: Any) -> Any:
        nonlocal sent
        sent += 1
        return original(*args, **kwargs)

    driver.wait = wait
    work()
    del driver.wait
    return sent


_COUNTERS = {
    "mysql": _count_mysql,
    "sqlite": _count_sqlite,
    "postgresql": _count_postgresql,
}
