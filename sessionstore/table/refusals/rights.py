"""The right that a database's user lacks, and the statement that gives it."""

import re
from typing import Final

from django.db import DatabaseError, InterfaceError, connections

from sessionstore.table.statements import quoted

_DATA_RIGHTS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_denied = re.compile(r"([A-Z, ]+) command denied to user ('[^']*'@'[^']*')").match
_object = re.compile(r"permission denied for (\w+) (.+)").search
_OWNER: Final = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass(%s)"


def way_to_right(alias: str, table: tuple[str, ...], words: str) -> str:
    """Return who can do what the user may not, or the statement that gives the right.

    ``table`` is its name, after its schema where that is given, and ``words`` are the server's.
    """
    if words.startswith("must be owner"):
        row = _row(alias, _OWNER, [_quoted_table(alias, table)])
        return f"Let its owner{f', {row[0]},' if row else ''} run this command."
    is_mysql = connections[alias].vendor == "mysql"
    statement = _grant_in_mysql if is_mysql else _grant_in_postgresql
    return f"Let an administrator run {statement(alias, table, words)}"


def _grant_in_mysql(alias: str, table: tuple[str, ...], words: str) -> str:
    denied, settings = _denied(words), connections[alias].settings_dict
    rights = denied[1] if denied else ", ".join(_DATA_RIGHTS)
    *schema, name = table
    database = schema[0] if schema else settings["NAME"]
    # The message has the host that the client is on; the account may be that of another, such as %.
    row = _row(alias, "SELECT CURRENT_USER()", [])
    account = f"{row[0]}" if row else f"{settings['USER']}@%"
    user, _, host = account.rpartition("@")
    target = f"{_plain(alias, database)}.{_plain(alias, name)}"
    return f"GRANT {rights} ON {target} TO '{user}'@'{host}';"


def _grant_in_postgresql(alias: str, table: tuple[str, ...], words: str) -> str:
    found, row = _object(words), _row(alias, "SELECT current_user", [])
    user = quoted(alias, row[0] if row else connections[alias].settings_dict["USER"])
    name = _quoted_table(alias, table)
    kind, named = (found[1], found[2]) if found else ("", "")
    if kind == "database":
        return f"GRANT CONNECT ON DATABASE {named} TO {user};"
    if kind == "schema":
        usage = _row(alias, "SELECT has_schema_privilege(%s, 'USAGE')", [named])
        right = "USAGE" if usage and not usage[0] else "CREATE"
        return f"GRANT {right} ON SCHEMA {quoted(alias, named)} TO {user};"
    may = _row(
        alias,
        f"SELECT {', '.join(['has_table_privilege(%s, %s)'] * len(_DATA_RIGHTS))}",
        [value for right in _DATA_RIGHTS for value in (name, right)],
    )
    lacking = [one for one, has in zip(_DATA_RIGHTS, may or [False] * 4, strict=True) if not has]
    return f"GRANT {', '.join(lacking) or 'TRIGGER'} ON {name} TO {user};"


def _plain(alias: str, name: str) -> str:
    """Return a name, quoted where it has to be: backquotes are commands to a shell."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else quoted(alias, name)


def _quoted_table(alias: str, table: tuple[str, ...]) -> str:
    return ".".join(quoted(alias, name) for name in table)


def _row(alias: str, sql: str, values: list[str]) -> tuple[str, ...] | None:
    """Return the first row of a further question; None where it cannot be asked."""
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute(sql, values)
            row: tuple[str, ...] | None = cursor.fetchone()
            return row
    except (DatabaseError, InterfaceError):
        return None
