"""The SQL text for a table of a Node store, composed once for each database alias."""

from dataclasses import dataclass

from django.db import connections

from sessionstore.conf.express import ExpressSettings


@dataclass(frozen=True, slots=True)
class ExpressStatements:
    """Each text with its parameters in order; `now` and `expires` are whole seconds."""

    has_mark: bool
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
    delete: str  # {sids} in the text stands for a placeholder for each
    delete_expired: str  # the same, before
    count: str  # now
    page: str  # now, after sid, limit
    ids: str  # the same


def quoted_table(alias: str, settings: ExpressSettings) -> str:
    """Return the table's name, quoted, with its schema when it has one."""
    return ".".join(map(connections[alias].ops.quote_name, settings.table))


def columns_of(alias: str, settings: ExpressSettings) -> list[str]:
    """Return the names of the table's columns as they are."""
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT * FROM {quoted_table(alias, settings)} WHERE 1 = 0")  # noqa: S608 - quoted names
        return [column[0] for column in cursor.description]


# {live} and {unchanged} are conditions, {at} is a placeholder of a time in the column's own type.
_TEXTS = {
    "fetch": "SELECT {sid}, {stored}, {seconds} FROM {table} WHERE {live} AND {expires} >= {at}",
    "insert": "INSERT INTO {table} ({sid}, {data}, {expires}) VALUES (%s, %s, {at})",
    "update": "UPDATE {table} SET {data} = %s, {expires} = {at} WHERE {unchanged} "
    "AND {expires} >= {at}",
    "rename": "UPDATE {table} SET {sid} = %s, {data} = %s, {expires} = {at} WHERE {unchanged} "
    "AND {expires} >= {at}",
    "touch": "UPDATE {table} SET {expires} = {at} WHERE {unchanged} "
    "AND {expires} < {at} AND {expires} >= {at}",
    "expired": "SELECT {sid} FROM {table} WHERE {expires} < {at} LIMIT %s",
    "count_expired": "SELECT COUNT(*) FROM {table} WHERE {expires} < {at}",
    "delete": "DELETE FROM {table} WHERE {sid} IN ({{sids}})",
    # The + 0 keeps the optimizer on the primary key: the order of locks stays the same.
    "delete_expired": "DELETE FROM {table} WHERE {sid} IN ({{sids}}) AND {seconds} + 0 < %s",
    "count": "SELECT COUNT(*) FROM {table} WHERE {unmarked} AND {expires} >= {at}",
    "page": "SELECT {sid}, {stored} FROM {table} WHERE {unmarked} AND {expires} >= {at} "
    "AND {sid} > %s ORDER BY {sid} LIMIT %s",
    "ids": "SELECT {sid} FROM {table} WHERE {unmarked} AND {expires} >= {at} "
    "AND {sid} > %s ORDER BY {sid} LIMIT %s",
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
    """Return the statements; looks once whether the table has the mark column."""
    has_mark = settings.mark in columns_of(alias, settings)
    words = words_of(alias, settings, has_mark=has_mark)
    vendor = connections[alias].vendor
    texts = {name: text.format(**words) for name, text in _TEXTS.items()}
    return ExpressStatements(
        has_mark=has_mark,
        lock=texts["fetch"] if vendor == "sqlite" else f"{texts['fetch']} FOR UPDATE",
        before_lock=_SQLITE_LOCK.format(**words) if vendor == "sqlite" else None,
        remove=(_REMOVE_BY_MARK if has_mark else _REMOVE).format(**words),
        leave_mark=_LEAVE_MARK.format(**words),
        is_marked=_IS_MARKED.format(**words),
        **texts,
    )


def words_of(alias: str, settings: ExpressSettings, *, has_mark: bool) -> dict[str, str]:
    """Return what stands for the braces in the texts."""
    quote = connections[alias].ops.quote_name
    sid, data, expires = map(quote, (settings.id, settings.data, settings.expires))
    mark = quote(settings.mark)
    stored, at, seconds = data, "%s", expires
    if settings.is_postgres_layout:
        zone = _time_zone(alias, settings)
        # The column has no zone: Node writes and compares in the zone of its own connections.
        stored, at = f"{data}::text", f"(to_timestamp(%s) AT TIME ZONE {zone})"
        seconds = f"CAST(EXTRACT(EPOCH FROM {expires} AT TIME ZONE {zone}) AS bigint)"
    unmarked = f"{mark} IS NULL" if has_mark else "1 = 1"
    live = f"{sid} = %s AND {unmarked}" if has_mark else f"{sid} = %s"
    return {
        "table": quoted_table(alias, settings),
        "sid": sid,
        "data": data,
        "expires": expires,
        "mark": mark,
        "stored": stored,
        "at": at,
        "seconds": seconds,
        "unmarked": unmarked,
        "live": live,
        "unchanged": f"{live} AND {stored} = %s",
    }


def _time_zone(alias: str, settings: ExpressSettings) -> str:
    """Return the zone of Express's connections as a literal: the server's, unless configured."""
    zone = settings.time_zone
    if zone is None:
        with connections[alias].cursor() as cursor:
            # Django sets a zone for its own connections; this is what they began with.
            cursor.execute("SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'")
            zone = str(cursor.fetchone()[0])
    return "'" + zone.replace("'", "''") + "'"
