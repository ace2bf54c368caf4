"""Which rights to change a table SHOW GRANTS of MySQL tells. Pure.

Its catalogue does not tell those that come by a role; SHOW GRANTS does for the roles in use.
"""

import re
from collections.abc import Iterable
from typing import Final

TO_CHANGE: Final = frozenset({"ALTER", "INDEX", "TRIGGER"})
_QUOTED: Final = r"""`(?:[^`]|``)+`|"(?:[^"]|"")+"|\*"""
_grant_in = re.compile(rf"GRANT (.+?) ON (?:TABLE )?({_QUOTED})\.({_QUOTED}) TO ").match
# In the name of a database % and _ are patterns, and \ takes that from them.
_PATTERNS: Final = {"%": ".*", "_": ".", r"\%": "%", r"\_": "_"}
_in_pattern = re.compile(r"\\?[%_]")


def held_by(grants: Iterable[str], database: str, table: str) -> frozenset[str]:
    """Return which of ``TO_CHANGE`` the lines give on a table."""
    held: set[str] = set()
    for line in grants:
        found = _grant_in(line)
        if found and _is_on(found[2], found[3], database, table):
            given = re.sub(r"\([^)]*\)", "", found[1]).split(", ")
            held.update(TO_CHANGE if "ALL PRIVILEGES" in given else TO_CHANGE.intersection(given))
    return frozenset(held)


def _is_on(quoted_database: str, quoted_table: str, database: str, table: str) -> bool:
    if quoted_database == "*":
        return True
    pattern = _unquoted(quoted_database)
    if quoted_table != "*":
        # Where the server folds the case of names, it does so here too.
        return (pattern.casefold(), _unquoted(quoted_table).casefold()) == (
            database.casefold(),
            table.casefold(),
        )
    at, parts = 0, []
    for found in _in_pattern.finditer(pattern):
        parts += [re.escape(pattern[at : found.start()]), _PATTERNS[found[0]]]
        at = found.end()
    parts.append(re.escape(pattern[at:]))
    return re.fullmatch("".join(parts), database, re.IGNORECASE) is not None


def _unquoted(name: str) -> str:
    return name[1:-1].replace(name[0] * 2, name[0])
