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
    begin_lock: str | None
    insert: str  # sid, data, expires
    update: str  # data, expires, sid, expected data
    rename: str  # new sid, data, expires, old sid, expected data
    touch: str  # expires, sid, expected data, expires, now
    remove: str  # sid; with the mark column: now, data, least expires twice, sid
    leave_mark: str  # sid, data, expires, now
    is_marked: str  # sid
    expired: str  # before, limit
    delete: str  # {sids} in the text stands for a placeholder for each
    delete_expired: str  # the same, before
    count: str  # now
    page: str  # now, after sid, limit


def quoted_table(alias: str, settings: ExpressSettings) -> str:
    """Answer the table's name, quoted, with its schema when it has one."""
    return ".".join(map(connections[alias].ops.quote_name, settings.table))


def columns_of(alias: str, settings: ExpressSettings) -> list[str]:
    """Answer the names of the table's columns as they are."""
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT * FROM {quoted_table(alias, settings)} WHERE 1 = 0")  # noqa: S608 - quoted names
        return [column[0] for column in cursor.description]


def compose(alias: str, settings: ExpressSettings) -> ExpressStatements:
    """Answer the statements; looks once whether the table has the mark column."""
    connection = connections[alias]
    quote = connection.ops.quote_name
    table = quoted_table(alias, settings)
    sid, data, expires, mark = map(
        quote, (settings.id, settings.data, settings.expires, settings.mark)
    )
    has_mark = settings.mark in columns_of(alias, settings)
    stored, at, seconds = data, "%s", expires
    if settings.is_postgres_layout:
        zone = _time_zone(alias, settings)
        # The column has no zone: Node writes and compares in the zone of its own connections.
        stored, at = f"{data}::text", f"(to_timestamp(%s) AT TIME ZONE {zone})"
        seconds = f"CAST(EXTRACT(EPOCH FROM {expires} AT TIME ZONE {zone}) AS bigint)"
    live = f"{sid} = %s AND {mark} IS NULL" if has_mark else f"{sid} = %s"
    unchanged = f"{live} AND {stored} = %s"
    fetch = f"SELECT {sid}, {stored}, {seconds} FROM {table} WHERE {live} AND {expires} >= {at}"  # noqa: S608 - quoted names
    changes = f"{data} = %s, {expires} = {at}"
    sqlite, postgres = connection.vendor == "sqlite", connection.vendor == "postgresql"
    marking = (
        f"UPDATE {table} SET {mark} = %s, {data} = %s, "  # noqa: S608 - quoted names
        f"{expires} = CASE WHEN {expires} < {at} THEN {at} ELSE {expires} END WHERE {live}"
    )
    delete = f"DELETE FROM {table} WHERE {sid} IN ({{sids}})"  # noqa: S608 - quoted names
    return ExpressStatements(
        has_mark=has_mark,
        fetch=fetch,
        lock=fetch if sqlite else f"{fetch} FOR UPDATE",
        # SQLite locks by writing, whatever mode its transaction began in.
        before_lock=f"UPDATE {table} SET {data} = {data} WHERE {sid} = %s" if sqlite else None,  # noqa: S608 - quoted names
        begin_lock="SET TRANSACTION ISOLATION LEVEL READ COMMITTED" if postgres else None,
        insert=f"INSERT INTO {table} ({sid}, {data}, {expires}) VALUES (%s, %s, {at})",  # noqa: S608 - quoted names
        update=f"UPDATE {table} SET {changes} WHERE {unchanged}",  # noqa: S608 - quoted names
        rename=f"UPDATE {table} SET {sid} = %s, {changes} WHERE {unchanged}",  # noqa: S608 - quoted names
        touch=f"UPDATE {table} SET {expires} = {at} WHERE {unchanged} "  # noqa: S608 - quoted names
        f"AND {expires} < {at} AND {expires} >= {at}",
        remove=marking if has_mark else f"DELETE FROM {table} WHERE {live}",  # noqa: S608 - quoted names
        leave_mark=f"INSERT INTO {table} ({sid}, {data}, {expires}, {mark}) "  # noqa: S608 - quoted names
        f"VALUES (%s, %s, {at}, %s)",
        is_marked=f"SELECT 1 FROM {table} WHERE {sid} = %s AND {mark} IS NOT NULL",  # noqa: S608 - quoted names
        expired=f"SELECT {sid} FROM {table} WHERE {expires} < {at} LIMIT %s",  # noqa: S608 - quoted names
        delete=delete,
        # The + 0 keeps the optimizer on the primary key: the order of locks stays the same.
        delete_expired=f"{delete} AND {seconds} + 0 < %s",
        count=f"SELECT COUNT(*) FROM {table} WHERE {_readable(has_mark, mark)}{expires} >= {at}",  # noqa: S608 - quoted names
        page=f"SELECT {sid}, {stored} FROM {table} WHERE {_readable(has_mark, mark)}"  # noqa: S608 - quoted names
        f"{expires} >= {at} AND {sid} > %s ORDER BY {sid} LIMIT %s",
    )


def _readable(has_mark: bool, mark: str) -> str:
    return f"{mark} IS NULL AND " if has_mark else ""


def _time_zone(alias: str, settings: ExpressSettings) -> str:
    """Answer the zone of Express's connections as a literal: the server's, unless configured."""
    zone = settings.time_zone
    if zone is None:
        with connections[alias].cursor() as cursor:
            # Django sets a zone for its own connections; this is what they began with.
            cursor.execute("SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'")
            zone = str(cursor.fetchone()[0])
    return "'" + zone.replace("'", "''") + "'"
