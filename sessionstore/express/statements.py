"""The SQL text for a table of a Node store, composed once for each database alias.

Tables differ: each expression follows the type that a column has, as the statements find it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import DatabaseError, connections

from sessionstore.conf.express import ExpressSettings
from sessionstore.core.express_format import LAST_DATE_MS, LAST_UNSIGNED
from sessionstore.table.faults import code_of
from sessionstore.table.statements import quoted

# PostgreSQL's limit for a name, in bytes; MySQL's is 64 characters.
_LONGEST_NAME: Final = 63


@dataclass(frozen=True, slots=True)
class ExpressStatements:
    """Each text with its parameters in order; `now` and `expires` are whole seconds."""

    has_mark: bool
    keeps_text: bool  # else the column of the data keeps the JSON's value, and spells it anew
    last: int  # the last second that the column of the expiry holds
    mine: tuple[str, ...]  # what follows `now` where only this application's ids are wanted
    fetch: str  # sid, now
    lock: str  # sid, now
    before_lock: str | None  # sid
    insert: str  # sid, data, expires
    update: str  # data, expires, sid, expected data, now
    rename: str  # new sid, data, expires, old sid, expected data, now
    touch: str  # expires, sid, expected data, expires, now
    remove: str  # sid; with the mark column: now, data, least expires twice, sid
    leave_mark: str  # sid, data, expires, now
    is_marked: str  # sid
    expired: str  # before, limit
    count_expired: str  # before
    delete: str  # sids, by for_each
    delete_expired: str  # before, sids, by for_each
    count: str  # now, *mine
    page: str  # now, *mine, after sid, limit
    ids: str  # the same


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the database describes it."""

    type: str
    """In lower case, with its length: "varchar(128)", "int(10) unsigned"."""
    is_nullable: bool = True
    has_default: bool = False
    """Whether an INSERT that does not name it gets a value that is not NULL."""
    is_generated: bool = False
    collation: str | None = None
    is_exact: bool = True
    """Whether the collation tells "a" from "A"."""

    @property
    def kind(self) -> str:
        """The type's name alone."""
        return self.type.partition("(")[0].split(" unsigned")[0].strip()

    def keeps_text(self, vendor: str) -> bool:
        """Tell whether JSON comes back as it was written."""
        return self.kind != ("json" if vendor == "mysql" else "jsonb")

    @property
    def is_local_time(self) -> bool:
        """Tell whether it holds times without their zone."""
        return self.type.startswith("timestamp") and self.type.endswith("without time zone")

    @property
    def length(self) -> int | None:
        """The first number in its parentheses."""
        return next(iter(self._numbers), None)

    @property
    def whole_digits(self) -> int:
        """How many digits a decimal has before the point; 10 where no number tells, as in MySQL."""
        precision, scale, *_ = [*self._numbers, *(10, 0)[len(self._numbers) :]]
        return precision - scale

    @property
    def _numbers(self) -> list[int]:
        inside = self.type.partition("(")[2].partition(")")[0]
        return [int(number) for number in inside.split(",") if number.strip().isdigit()]


def quoted_table(alias: str, settings: ExpressSettings) -> str:
    """Return the table's name, quoted, with its schema when it has one."""
    return ".".join(quoted(alias, name) for name in settings.table)


def names_of(alias: str, settings: ExpressSettings) -> dict[str, str]:
    """Return the table and its columns as SQL has them, by the words that the texts have for them.

    ``table`` has its schema when it has one; ``schema`` is that, with its dot, or nothing, and
    ``alone`` the rest.
    """
    *schema, alone = (quoted(alias, name) for name in settings.table)
    columns = {
        "sid": settings.id,
        "data": settings.data,
        "expires": settings.expires,
        "mark": settings.mark,
    }
    return {
        "table": quoted_table(alias, settings),
        "schema": f"{schema[0]}." if schema else "",
        "alone": alone,
        **{word: quoted(alias, name) for word, name in columns.items()},
    }


def bound(names: dict[str, str]) -> dict[str, str]:
    """Return names for texts into which values are bound, where a % is written twice."""
    return {word: sql.replace("%", "%%") for word, sql in names.items()}


def fitting(name: str, ending: str = "") -> str:
    """Return a name that begins so and fits into 63 bytes; what is cut is told by a digest."""
    whole = f"{name}{ending}"
    if len(whole.encode()) <= _LONGEST_NAME:
        return whole
    ending = f"_{hashlib.sha256(whole.encode()).hexdigest()[:8]}{ending}"
    return name.encode()[: _LONGEST_NAME - len(ending)].decode(errors="ignore") + ending


def columns_of(alias: str, settings: ExpressSettings) -> dict[str, Column]:
    """Return the columns of the table that the statements find; {} when there is none."""
    vendor = connections[alias].vendor
    with connections[alias].cursor() as cursor:
        if vendor == "postgresql":
            cursor.execute(_POSTGRES_COLUMNS, [quoted_table(alias, settings)])
            return {name: Column(*described) for name, *described in cursor.fetchall()}
        if vendor == "sqlite":
            *schema, name = settings.table
            cursor.execute(_SQLITE_COLUMNS.format(", %s" if schema else ""), [name, *schema])
            return {name: Column(*described) for name, *described in cursor.fetchall()}
        try:
            cursor.execute(f"SHOW FULL COLUMNS FROM {quoted_table(alias, settings)}")
        except DatabaseError as error:
            if code_of(error) in _MYSQL_MISSING:
                return {}
            raise
        return {str(row[0]): _mysql_column(row) for row in cursor.fetchall()}


def columns_there(alias: str, settings: ExpressSettings) -> dict[str, Column]:
    """Return the same; raise the database's own error, which those above know, for no table."""
    columns = columns_of(alias, settings)
    if not columns:
        with connections[alias].cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM {quoted_table(alias, settings)}")  # noqa: S608 - quoted names
    return columns


_POSTGRES_COLUMNS = """
    SELECT a.attname,
           CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod)
                          ELSE format_type(a.atttypid, a.atttypmod) END,
           NOT a.attnotnull AND NOT t.typnotnull,
           a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
           a.attgenerated <> '' OR a.attidentity = 'a',
           c.collname,
           COALESCE(c.collisdeterministic, true)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_collation c ON c.oid = a.attcollation
    WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""
_SQLITE_COLUMNS = (
    'SELECT name, lower(type), NOT "notnull", dflt_value IS NOT NULL, hidden > 1 '
    "FROM pragma_table_xinfo(%s{})"
)
_MYSQL_MISSING = {1049, 1146}  # no such database, no such table
# Exact too is what folds neither case nor accents.
_MYSQL_EXACT = ("_bin", "_as_cs", "_cs", "binary")


def _mysql_column(row: tuple[object, ...]) -> Column:
    """Read a line of SHOW FULL COLUMNS, which finds what the statements find."""
    _, kind, collation, is_nullable, _, default, extra, *_ = row
    told = str(extra).lower()
    return Column(
        type=str(kind).lower(),
        is_nullable=is_nullable == "YES",
        has_default=default is not None or bool(told),
        is_generated="generated" in told.replace("default_generated", ""),
        collation=None if collation is None else str(collation),
        is_exact=collation is None or str(collation).endswith(_MYSQL_EXACT),
    )


# {live} and {unchanged} are conditions, {at} is a placeholder of a time in the column's own type.
_TEXTS = {
    "fetch": "SELECT {shown}, {stored}, {seconds} FROM {table} WHERE {live} AND {expires} >= {at}",
    "insert": "INSERT INTO {table} ({sid}, {data}, {expires}) VALUES (%s, %s, {at})",
    "update": "UPDATE {table} SET {data} = %s, {expires} = {at} WHERE {unchanged} "
    "AND {expires} >= {at}",
    "rename": "UPDATE {table} SET {sid} = %s, {data} = %s, {expires} = {at} WHERE {unchanged} "
    "AND {expires} >= {at}",
    "touch": "UPDATE {table} SET {expires} = {at} WHERE {unchanged} "
    "AND {expires} < {at} AND {expires} >= {at}",
    "expired": "SELECT {shown} FROM {table} WHERE {expires} < {at} LIMIT %s",
    "count_expired": "SELECT COUNT(*) FROM {table} WHERE {expires} < {at}",
    "delete": "DELETE FROM {table} WHERE {sid} IN",
    # The + 0 keeps the optimizer on the primary key: the order of locks stays the same.
    "delete_expired": "DELETE FROM {table} WHERE {seconds} + 0 < %s AND {sid} IN",
    "count": "SELECT COUNT(*) FROM {table} WHERE {unmarked} AND {expires} >= {at} AND {mine}",
    "page": "SELECT {shown}, {stored} FROM {table} WHERE {unmarked} AND {expires} >= {at} "
    "AND {mine} AND {sid} > %s ORDER BY {sid} LIMIT %s",
    "ids": "SELECT {shown} FROM {table} WHERE {unmarked} AND {expires} >= {at} "
    "AND {mine} AND {sid} > %s ORDER BY {sid} LIMIT %s",
}
_REMOVE = "DELETE FROM {table} WHERE {sid} = %s"
_REMOVE_BY_MARK = (
    "UPDATE {table} SET {mark} = %s, {data} = %s, "
    "{expires} = CASE WHEN {expires} < {at} THEN {at} ELSE {expires} END WHERE {live}"
)
_LEAVE_MARK = "INSERT INTO {table} ({sid}, {data}, {expires}, {mark}) VALUES (%s, %s, {at}, %s)"
_IS_MARKED = "SELECT 1 FROM {table} WHERE {sid} = %s AND {mark} IS NOT NULL"
# SQLite locks by writing, whatever mode its transaction began in.
_SQLITE_LOCK = "UPDATE {table} SET {data} = {data} WHERE {sid} = %s"


def compose(alias: str, settings: ExpressSettings) -> ExpressStatements:
    """Return the statements; looks once what the columns are, and whether one is for marks."""
    columns = columns_there(alias, settings)
    has_mark, vendor = settings.mark in columns, connections[alias].vendor
    words, pattern = words_of(alias, settings, columns), _pattern(vendor, settings.prefix)
    texts = {name: text.format(**words) for name, text in _TEXTS.items()}
    return ExpressStatements(
        has_mark=has_mark,
        keeps_text=settings.data not in columns or columns[settings.data].keeps_text(vendor),
        last=_last(columns.get(settings.expires)),
        mine=(pattern,) if settings.prefix else (),
        lock=texts["fetch"] if vendor == "sqlite" else f"{texts['fetch']} FOR UPDATE",
        before_lock=_SQLITE_LOCK.format(**words) if vendor == "sqlite" else None,
        remove=(_REMOVE_BY_MARK if has_mark else _REMOVE).format(**words),
        leave_mark=_LEAVE_MARK.format(**words),
        is_marked=_IS_MARKED.format(**words),
        **texts,
    )


def for_each(sql: str, ids: Sequence[object]) -> str:
    """Return a text that ends with IN, and a placeholder for each id behind it."""
    return f"{sql} ({', '.join(['%s'] * len(ids))})"


def words_of(alias: str, settings: ExpressSettings, columns: dict[str, Column]) -> dict[str, str]:
    """Return what stands for the braces in the texts."""
    has_mark = settings.mark in columns
    names = bound(names_of(alias, settings))
    sid, unmarked = names["sid"], f"{names['mark']} IS NULL" if has_mark else "1 = 1"
    live = f"{sid} = %s AND {unmarked}" if has_mark else f"{sid} = %s"
    typed = _typed(alias, settings, columns, names)
    is_sqlite = connections[alias].vendor == "sqlite"
    is_mine = "substr({}, 1, {}) = %s" if is_sqlite else "{} LIKE %s ESCAPE '!'"
    return {
        **names,
        **typed,
        "unmarked": unmarked,
        "live": live,
        "unchanged": f"{live} AND {typed['same']}",
        "mine": is_mine.format(sid, len(settings.prefix)) if settings.prefix else "1 = 1",
    }


def _typed(
    alias: str, settings: ExpressSettings, columns: dict[str, Column], names: dict[str, str]
) -> dict[str, str]:
    """Return the expressions that depend on the types of the columns.

    `shown` is the id, `stored` the data as text and `same` their comparison with text; `at` is a
    placeholder of seconds in the type of the expiry, and `seconds` the way back.
    """
    sid, data, expires = names["sid"], names["data"], names["expires"]
    kind = {name: column.kind for name, column in columns.items()}
    shown, stored, same, at, seconds = sid, data, f"{data} = %s", "%s", expires
    vendor = connections[alias].vendor
    if vendor == "postgresql":
        # A `char` comes with blanks at its end.
        shown = f"{sid}::text" if kind.get(settings.id) == "character" else sid
        stored = f"{data}::text"
        # What is kept as a value is compared as one.
        same = f"{data} = %s::jsonb" if kind.get(settings.data) == "jsonb" else f"{stored} = %s"
        at, seconds = _postgres_times(alias, settings, columns.get(settings.expires), expires)
    elif vendor == "mysql":
        if kind.get(settings.id, "").endswith("binary"):
            shown = f"CONVERT({sid} USING utf8mb4)"
        if kind.get(settings.data) == "json":
            stored, same = f"CAST({data} AS CHAR)", f"{data} = CAST(%s AS JSON)"
        elif settings.data in columns and not columns[settings.data].is_exact:
            same = f"CAST({data} AS BINARY) = CAST(%s AS BINARY)"
    else:
        # A bare column of a date type would be read as a date.
        seconds = f"CAST({expires} AS integer)"
    return {"shown": shown, "stored": stored, "same": same, "at": at, "seconds": seconds}


def _postgres_times(
    alias: str, settings: ExpressSettings, column: Column | None, expires: str
) -> tuple[str, str]:
    """Return a moment in the type of the column, and the column in seconds."""
    if column is None or not column.type.startswith("timestamp"):
        return "%s", expires
    if not column.is_local_time:
        return "to_timestamp(%s)", f"CAST(EXTRACT(EPOCH FROM {expires}) AS bigint)"
    # The column has no zone: Node writes and compares in the zone of its own connections.
    zone = "'" + zone_of(alias, settings).replace("'", "''").replace("%", "%%") + "'"
    at = f"(to_timestamp(%s) AT TIME ZONE {zone})"
    return at, f"CAST(EXTRACT(EPOCH FROM {expires} AT TIME ZONE {zone}) AS bigint)"


def zone_of(alias: str, settings: ExpressSettings) -> str:
    """Return the zone of Express's connections to PostgreSQL: the server's, unless configured."""
    if settings.time_zone is not None:
        return settings.time_zone
    with connections[alias].cursor() as cursor:
        # Django sets a zone for its own connections; this is what they began with.
        cursor.execute("SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'")
        return str(cursor.fetchone()[0])


def _pattern(vendor: str, prefix: str) -> str:
    """Return what the ids of this application are compared with; SQLite's LIKE ignores case."""
    if vendor == "sqlite":
        return prefix
    return "".join(f"!{sign}" if sign in "!%_" else sign for sign in prefix) + "%"


def _last(column: Column | None) -> int:
    """Return the last second that a column for the expiry can hold."""
    if column is None or column.kind not in ("int", "integer"):
        return LAST_DATE_MS // 1000
    return LAST_UNSIGNED if "unsigned" in column.type else LAST_UNSIGNED // 2
