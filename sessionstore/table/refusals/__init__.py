"""What a database refused, in one line for an operator: what, where, and the way out.

Security: what a server says may hold data of a row, such as the values of a key that is taken. Its
words are shown only where they are of a kind whose texts hold names and nothing else.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.migrations.exceptions import NodeNotFoundError
from django.db.migrations.executor import MigrationExecutor

from sessionstore.core.text import printable
from sessionstore.routers import APP_LABEL, twins_of
from sessionstore.table.faults import Fault, classify, code_of, is_missing_table
from sessionstore.table.refusals.rights import way_to_right

_LONGEST: Final = 300
_PORTS: Final = {"mysql": 3306, "postgresql": 5432}
_VAGUE: Final = (None, "SQLite 1")
_FILES: Final = ("service", "read_default_file", "read_default_group")


class Placed(Protocol):
    """A table on a database alias."""

    @property
    def alias(self) -> str: ...

    @property
    def table(self) -> str: ...

    @property
    def name_parts(self) -> tuple[str, ...]:
        """Its name as statements have it: after its schema, where that is given."""

    def how_to_make(self) -> str:
        """Return the sentence for an operator who has no such table."""


@dataclass(frozen=True, slots=True)
class Named:
    """A table of the site's own, such as that of its users."""

    alias: str
    table: str

    @property
    def name_parts(self) -> tuple[str, ...]:
        return (self.table,)

    def how_to_make(self) -> str:
        return "Run manage.py migrate."


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of refusal, and which of the server's texts hold nothing but names."""

    what: str
    helps: str
    codes: frozenset[int | str] = frozenset()
    # psycopg reports a connect that failed without a code.
    texts: tuple[str, ...] = ()
    shown: str = ""
    at_connect: bool = False


_DATABASES = "DATABASES[{alias!r}]"
_CONNECT = r"(connection |could not |failed to resolve |Multiple connection )"
_RIGHT = _Kind(
    "the database's user lacks a right",
    "",
    frozenset({1044, 1142, 1143, 1227, "42501"}),
    ("permission denied for database",),
    rf"([A-Z, ]+ command denied|Access denied|permission denied for|must be owner of|{_CONNECT})",
)
_UNREACHABLE = _Kind(
    "the server cannot be reached",
    f"Is it running, and are HOST and PORT in {_DATABASES} right?",
    # The texts of MySQL's client library, which knows no rows, begin in many ways.
    shown=rf"({_CONNECT}|(Can't|Cannot) connect|Unknown |Lost connection|TLS|SSL|Server has gone)",
    at_connect=True,
)
_OTHER = _Kind("the database refused", "")
_KINDS: Final = (
    _RIGHT,
    _Kind(
        "the server does not let this user in",
        f"Look at USER and PASSWORD in {_DATABASES}.",
        frozenset({1045, 1130, 1251, 1698, 1862, 2059, "28P01", "28000"}),
        ("authentication failed", "no pg_hba.conf entry", "no password supplied", 'FATAL:  role "'),
        rf"(Access denied for user|Host '|{_CONNECT})",
        at_connect=True,
    ),
    _Kind(
        "there is no such database",
        f"Look at NAME in {_DATABASES}, or create it.",
        frozenset({1049, "3D000"}),
        ('FATAL:  database "',),
        rf"(Unknown database|{_CONNECT})",
        at_connect=True,
    ),
    _Kind("there is no such schema", "Create it.", frozenset({"3F000"}), shown="schema "),
    _Kind(
        "it takes no writes",
        f"Let {_DATABASES} lead to a server that does.",
        frozenset({1290, 1792, 1836, "25006", "SQLite 8"}),
        shown="(The M.* server is running with|cannot execute|attempt to write)",
    ),
    _Kind(
        "the server lets nobody else in",
        "Run it again later, or raise max_connections.",
        frozenset({1040, 1203, 1226, "53300", "PoolTimeout", "TooManyRequests"}),
        ("too many clients", "connection slots", "too many connections"),
        rf"(Too many connections|{_CONNECT})",
        at_connect=True,
    ),
    _Kind(
        "with binary logging, a trigger needs SUPER",
        "An administrator can run SET GLOBAL log_bin_trust_function_creators = 1 first, or this "
        "command.",
        frozenset({1419}),
    ),
    _Kind(
        "it lacks a column",
        "manage.py check --database {alias} tells more.",
        frozenset({1054, "42703"}),
        ("no such column",),
    ),
    _Kind(
        "the file cannot be opened",
        f"Is NAME in {_DATABASES} a file whose folder is there, and may it be written?",
        frozenset({"SQLite 14"}),
        shown="unable to open database file",
        at_connect=True,
    ),
    _Kind(
        "the file is something else",
        f"Look at NAME in {_DATABASES}.",
        frozenset({"SQLite 26"}),
        shown="file is not a database",
    ),
)
_after_table = re.compile(r"(?:no such table: |(?:[Tt]able|relation) )(.+)").search
_last_name = re.compile(r"""[`'"]?(?:[^`'".]+[`'"]*\.[`'"]*)?([^`'"]+)""").match


def told(error: BaseException, tables: Sequence[Placed]) -> str:
    """Return one line about what a database refused; 300 characters, unless names are very long.

    ``tables`` are those that it may be about.
    """
    words, code = words_of(error), code_of(error)
    kind, is_missing = _kind(error, words), is_missing_table(error)
    shown = words if kind.shown and re.match(kind.shown, words) else ""
    # Security: a name is looked for in a text of a kind that is known alone.
    asked = _asked(tables, kind, words if is_missing else shown)
    if is_missing:
        return missing(*asked)
    helps = kind.helps.format(alias=asked[0].alias)
    if kind is _RIGHT:
        helps = way_to_right(asked[0].alias, asked[0].name_parts, shown)
    known = [] if code is None else [f"error {code}"]
    known += [shown] if shown else []
    said, line = ": ".join(known), f"Table {where(*asked)}: {kind.what} (). {helps}".rstrip()
    # The words give way: the place and the way out are what an operator cannot do without.
    left = max(_LONGEST - len(line), 0)
    said = said if len(said) <= left else f"{said[: left - 1]}…"
    return line.replace(" ()", f" ({said})" if said else "", 1)


def missing(*tables: Placed) -> str:
    """Return one line about a table that is not there."""
    return f"There is no table {where(*tables)}. {tables[0].how_to_make()}"


def words_of(error: BaseException) -> str:
    """Return the first line of what the driver says; of PostgreSQL without what is detail."""
    cause = error.__cause__ or error
    primary = getattr(getattr(cause, "diag", None), "message_primary", None)
    text = primary or str(cause.args[-1] if cause.args else "")
    return printable(text.strip().partition("\n")[0])


def place_of(alias: str) -> str:
    """Return where DATABASES says that a database is: host and port, a socket, or a file."""
    connection = connections[alias]
    settings, options = connection.settings_dict, connection.settings_dict["OPTIONS"]
    if connection.vendor == "sqlite":
        return str(settings["NAME"])
    host = options.get("unix_socket") or options.get("host") or settings["HOST"]
    if not host:
        return next((f"{name} {options[name]}" for name in _FILES if name in options), "localhost")
    if str(host).startswith("/"):
        return str(host)
    port = options.get("port") or settings["PORT"] or _PORTS.get(connection.vendor, "")
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def how_to_migrate(alias: str, app: str) -> str:
    """Return the command that makes a table; after `migrate` has said that it has, another one."""
    if not _counts_as_made(alias, app):
        has_other_name = alias != DEFAULT_DB_ALIAS and DEFAULT_DB_ALIAS not in twins_of(alias)
        return f"Run manage.py migrate{f' --database {alias}' if has_other_name else ''}."
    told = "The table django_migrations there says that it is made. "
    if app != APP_LABEL:
        return f"{told}Take the migration of {app!r} that makes it back with --fake, and migrate."
    again = f"manage.py migrate {app} --database {alias}"
    return f"{told}Run manage.py migrate {app} zero --fake --database {alias}, then {again}."


def _counts_as_made(alias: str, app: str) -> bool:
    try:
        executor = MigrationExecutor(connections[alias])
        made = executor.loader.graph.leaf_nodes(app)
        return bool(made) and not executor.migration_plan(made)
    except (NodeNotFoundError, DatabaseError, InterfaceError):
        return False


def _kind(error: BaseException, words: str) -> _Kind:
    code = code_of(error)
    if hasattr(error.__cause__ or error, "sqlite_errorcode") and isinstance(code, int):
        code = f"SQLite {code & 0xFF}"  # The rest of it tells details.
    for kind in _KINDS:
        # Words are looked at where there is no code, or one that says nothing.
        if code in kind.codes or (code in _VAGUE and any(text in words for text in kind.texts)):
            return kind
    return _UNREACHABLE if classify(error) is Fault.LOST else _OTHER


def lacks_right(error: BaseException) -> bool:
    """Tell whether the database's user may not do what was asked."""
    return code_of(error) in _RIGHT.codes


def _asked(tables: Sequence[Placed], kind: _Kind, words: str) -> Sequence[Placed]:
    """Return those of the tables that the error can be about."""
    if found := _after_table(words):
        named = [one for one in tables if _is_named(one, found[1])]
        other = _last_name(found[1])
        return named or ([Named(tables[0].alias, other[1].strip())] if other else tables)
    if kind.at_connect:
        closed = [one.alias for one in tables if connections[one.alias].connection is None]
        return [one for one in tables if one.alias in closed[:1]] or tables
    return tables


def _is_named(table: Placed, words: str) -> bool:
    """Tell whether words begin with the name of a table; it may have dots of its own."""
    name = table.name_parts[-1]
    # Some servers double a quote that is in it, others do not.
    spelled = "|".join(map(re.escape, (name, name.replace("`", "``"))))
    return re.match(rf"""(?:[`'"]?|.*\.[`'"]?)(?:{spelled})(?:[`'"\s]|$)""", words) is not None


def where(*tables: Placed) -> str:
    """Return the names of tables, and of their databases, in words."""
    names: dict[str, list[str]] = {}
    for one in tables:
        names.setdefault(one.alias, []).append(one.table)
    return " or ".join(
        f"{' or '.join(dict.fromkeys(of))} in database {alias!r} ({place_of(alias)})"
        for alias, of in names.items()
    )
