"""Checks of the place of the session table: its engine, its alias, and whether it is there."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's names
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connections, transaction

from sessionstore.backends.leaving import SessionStore as LeavingStore
from sessionstore.checks.engine import runs_on, site_engine, site_table, why_unreachable
from sessionstore.conf import conf
from sessionstore.express.rows import SharedTable
from sessionstore.moving.importer import why_unusable
from sessionstore.moving.old_table import tables_to_clear
from sessionstore.routers import twins_of
from sessionstore.table.faults import Fault, classify, is_missing_table
from sessionstore.table.refusals import told, where
from sessionstore.table.rows import SqlTable


def check_engine(**_: Any) -> list[CheckMessage]:
    """E005: SESSION_ENGINE cannot be imported, so that no other check knows what to look at."""
    if site_engine() is not None:
        return []
    return [
        Error(
            f"SESSION_ENGINE = {conf.engine_path!r} is no module with a SessionStore.",
            hint="Use 'sessionstore.backends.sql'.",
            id="sessionstore.E005",
        )
    ]


def check_alias(**_: Any) -> list[CheckMessage]:
    """E003, E004: sessions go to a database that is not there, or not where the setting says."""
    wanted, table = conf.database, site_table()
    alias = wanted if table is None else table.alias
    unknown = [one for one in (wanted, alias) if one is not None and one not in connections]
    if unknown:
        return [
            Error(
                f"There is no database {unknown[0]!r} in DATABASES, where sessions should be.",
                hint=f"Set SESSIONSTORE_DATABASE to one of {', '.join(connections)}.",
                id="sessionstore.E003",
            )
        ]
    if wanted in (None, alias):
        return []
    return [
        Error(
            f"SESSIONSTORE_DATABASE = {wanted!r} does nothing: the routers send sessions to "
            f"{alias!r}.",
            hint="Put 'sessionstore.routers.SessionRouter' first into DATABASE_ROUTERS.",
            id="sessionstore.E004",
        )
    ]


def check_one_file(**_: Any) -> list[CheckMessage]:
    """E042, W039: a second alias of an SQLite file waits for the first, in the same request."""
    table = site_table()
    if table is None or table.alias not in connections:
        return []
    alias = table.alias
    twins = twins_of(alias) if connections[alias].vendor == "sqlite" else []
    if not twins:
        return []
    files = f"The aliases {alias!r} and {twins[0]!r} lead to one SQLite file, which has one writer"
    hint = "Let the sessions use the alias of the site: take SESSIONSTORE_DATABASE away"
    if any(connections.settings[one].get("ATOMIC_REQUESTS") for one in (alias, *twins)):
        return [
            Error(
                f"{files}: under ATOMIC_REQUESTS each login waits for the lock of its own request.",
                hint=f"{hint}, or ATOMIC_REQUESTS.",
                id="sessionstore.E042",
            )
        ]
    return [
        Warning(
            f"{files}: a login inside atomic() waits for the lock of its own block.",
            hint=f"{hint}.",
            id="sessionstore.W039",
        )
    ]


def check_tenants(**_: Any) -> list[CheckMessage]:
    """E065: tenants share the sessions, and not the users, who may have the same keys."""
    table = site_table()
    if not isinstance(table, SqlTable) or not conf.tenant_apps:
        return []
    try:
        users = get_user_model()
    except ImproperlyConfigured:  # a site without users
        return []
    if _is_of_tenants(table.model) or not _is_of_tenants(users):
        return []
    return [
        Error(
            "All tenants share the session table, and each has users of its own: they would see "
            "and end the sessions of users of other tenants.",
            hint=f"Put {table.model._meta.app_config.name!r} into TENANT_APPS.",
            id="sessionstore.E065",
        )
    ]


def _is_of_tenants(model: Any) -> bool:
    app = model._meta.app_config
    return bool({app.name, f"{type(app).__module__}.{type(app).__name__}"} & {*conf.tenant_apps})


def check_leaving(**_: Any) -> list[CheckMessage]:
    """E064: sessions should leave to a table whose app is not installed."""
    if not runs_on(LeavingStore):
        return []
    try:
        label = site_engine().get_model_class()._meta.app_label
    except RuntimeError:  # Django does not load a model of an app that is not installed.
        label = None
    if label in apps.app_configs:
        return []
    return [
        Error(
            "The table that sessions leave to belongs to an app that is not installed.",
            hint="Put 'django.contrib.sessions' into INSTALLED_APPS, behind 'sessionstore'.",
            id="sessionstore.E064",
        )
    ]


def check_adopt_from(**_: Any) -> list[CheckMessage]:
    """E061: SESSIONSTORE_ADOPT_FROM names no engine that sessions can be moved from."""
    path = conf.adopt_from
    reason = why_unusable(path) if path else None
    if reason is None:
        return []
    return [
        Error(
            f"SESSIONSTORE_ADOPT_FROM = {path!r}: {reason}.",
            hint="Name the module of the old engine as SESSION_ENGINE named it, and leave its app "
            "in INSTALLED_APPS.",
            id="sessionstore.E061",
        )
    ]


def check_reachable(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """E041: a database of sessions cannot be reached, so that no other check has anything to say.

    It says so once, however many tables are there.
    """
    if not databases or site_table() is None:
        return []
    places: dict[str, list[Any]] = {}
    for table in _tables():
        places.setdefault(table.alias, []).append(table)
    return [
        Error(told(error, tables), id="sessionstore.E041")
        for alias, tables in places.items()
        if alias in databases and (error := why_unreachable(alias)) is not None
    ]


def check_tables(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """E040, E041, W048: a table is not there or cannot be used, or its database was not asked."""
    own = site_table()
    if not databases or own is None:
        return []
    found: list[CheckMessage] = []
    for table in _tables():
        if table.alias in databases and why_unreachable(table.alias) is None:
            found += _refusals(table)
    if own.alias in connections and own.alias not in databases:
        found.append(
            Warning(
                f"Sessions are in the database {own.alias!r}, which was not asked.",
                hint=f"Check with --database {own.alias}.",
                id="sessionstore.W048",
            )
        )
    return found


def _tables() -> list[Any]:
    """Return the tables that can be found; E061 and E064 tell of the others."""
    found = []
    try:
        for table in tables_to_clear(site_engine()):
            found.append(table)  # noqa: PERF402 - those before an error stay
    except (ImportError, AttributeError, ValueError, RuntimeError):
        return found
    return found


def _refusals(table: Any) -> list[CheckMessage]:
    """Return why a table cannot be read or written, by statements that change nothing."""
    if isinstance(table, SharedTable):
        return []  # E053 tells.
    alias = table.alias
    try:
        for statement in _trials(table):
            with transaction.atomic(alias), connections[alias].cursor() as cursor:
                cursor.execute(statement)
    except (DatabaseError, InterfaceError) as error:
        if is_missing_table(error):
            message = f"There is no table {where(table)}."
            return [Error(message, hint=table.how_to_make(), id="sessionstore.E040")]
        if classify(error) is Fault.TRANSIENT:
            return []  # Somebody holds a lock: the table is there, and in use.
        return [Error(told(error, [table]), id="sessionstore.E041")]
    return []


def _trials(table: Any) -> Iterator[str]:
    """Yield statements that ask for the rights that a table needs, and touch no row.

    Of the table that sessions come from, rows are read and removed.
    """
    quote, options = connections[table.alias].ops.quote_name, table.model._meta
    name, none = quote(options.db_table), "WHERE 1 = 0"
    yield f"SELECT 1 FROM {name} {none}"  # noqa: S608 - the names are a model's, and quoted
    yield f"DELETE FROM {name} {none}"  # noqa: S608
    if isinstance(table, SqlTable):
        written = [one for one in options.concrete_fields if not getattr(one, "generated", False)]
        columns = ", ".join(quote(one.column) for one in written)
        yield f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {name} {none}"  # noqa: S608
        key = quote(options.pk.column)
        yield f"UPDATE {name} SET {key} = {key} {none}"  # noqa: S608


CHECKS = [check_engine, check_alias, check_one_file, check_tenants, check_leaving, check_adopt_from]
DATABASE_CHECKS = [check_reachable]
DEPLOYMENT_CHECKS = [check_tables]
