"""The one list of databases and the one list of engines that the tests run over."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SERVERS_VARIABLE = "SESSIONSTORE_TEST_SERVERS"
WANTED_VARIABLE = "SESSIONSTORE_TEST_DATABASES"

ALIASES = {
    "sqlite": "default",
    "mariadb": "mariadb",
    "postgresql": "postgresql",
    "mysql": "mysql",
}
ENGINES = ["sessionstore.backends.sql", "sessionstore.backends.cached_sql"]


@dataclass(frozen=True, slots=True)
class Beside:
    """A router that keeps the table of Django's own sessions in the same database as ours."""

    alias: str

    def db_for_read(self, model: Any, **_: Any) -> str | None:
        return self.alias if model._meta.app_label == "sessions" else None

    db_for_write = db_for_read


@dataclass(frozen=True, slots=True)
class Running:
    """What the early plugin started, as it told us (and each xdist worker) in the environment."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def publish(self) -> None:
        """Put it into the environment, for the settings and for workers."""
        os.environ[SERVERS_VARIABLE] = json.dumps(
            {"folder": str(self.folder), "ports": self.ports, "missing": self.missing}
        )


def running() -> Running | None:
    """Return what runs; None when no test run has started (mypy, makemigrations)."""
    told = os.environ.get(SERVERS_VARIABLE)
    if told is None:
        return None
    values = json.loads(told)
    return Running(Path(values["folder"]), values["ports"], values["missing"])


def wanted() -> list[str]:
    """Return the databases that this run asks for: all, unless the environment names some."""
    names = [name for name in os.environ.get(WANTED_VARIABLE, "").split(",") if name]
    unknown = set(names) - set(ALIASES)
    if unknown:
        raise ValueError(f"{WANTED_VARIABLE} names {unknown}; known are {list(ALIASES)}")
    return names or list(ALIASES)


def sqlite(path: Path) -> dict[str, Any]:
    """Return settings for an SQLite file as the documentation recommends them."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=wal; PRAGMA synchronous=normal;",
        },
        "TEST": {"NAME": str(path.with_name("test_" + path.name))},
    }


def mysql(port: int) -> dict[str, Any]:
    """Return settings for MariaDB or MySQL as the documentation recommends them."""
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": "sessionstore",
        "USER": "root",
        "HOST": "127.0.0.1",
        "PORT": port,
        "OPTIONS": {
            "charset": "utf8mb4",
            "isolation_level": "read committed",
            "init_command": "SET SESSION sql_mode='STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION',"
            " SESSION innodb_lock_wait_timeout=3",
        },
        "TEST": {"CHARSET": "utf8mb4"},
    }


def postgresql(port: int) -> dict[str, Any]:
    """Return settings for PostgreSQL as the documentation recommends them."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "postgres",
        "HOST": "127.0.0.1",
        "PORT": port,
        "OPTIONS": {
            "options": r"-c default_transaction_isolation=read\ committed -c lock_timeout=3000"
        },
        "TEST": {"NAME": "test_sessionstore"},
    }


def settings_by_alias(now: Running | None) -> dict[str, dict[str, Any]]:
    """Return Django's DATABASES: SQLite always, the others where their server runs."""
    found = {"default": sqlite((now.folder if now else Path()) / "tests.sqlite3")}
    makers = {"mariadb": mysql, "mysql": mysql, "postgresql": postgresql}
    for name, port in (now.ports if now else {}).items():
        if name in makers:
            found[ALIASES[name]] = makers[name](port)
    return found
