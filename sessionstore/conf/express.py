"""SESSIONSTORE_EXPRESS, parsed: how to find and read the table and the cookies of Express."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sessionstore.conf.values import (
    Callback,
    dotted,
    duration_ms,
    mapping,
    names,
    one_of,
    optional,
    text,
)
from sessionstore.core.crypto import HiddenText
from sessionstore.core.express_format import (
    LAST_DATE_MS,
    LAST_UNSIGNED,
    rounded_half_up,
    rounded_up,
)

MARK: Final = "revoked_at"
# A table may be qualified by its schema (PostgreSQL) or its database (MySQL).
_is_name = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,63}").fullmatch
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Layout:
    """What a Node store's table looks like when nothing is configured."""

    table: str
    id: str
    data: str
    expires: str
    seconds: Callable[[int], int]
    """How the store rounds milliseconds, both when it writes and when it compares."""
    last: int
    """The last second that the column can hold: a later one is cut to it."""


LAYOUTS: Final[Mapping[str, Layout]] = {
    "express-mysql-session": Layout(
        *("sessions", "session_id", "data", "expires"), seconds=rounded_half_up, last=LAST_UNSIGNED
    ),
    "connect-pg-simple": Layout(
        *("session", "sid", "sess", "expire"), seconds=rounded_up, last=LAST_DATE_MS // 1000
    ),
}


@dataclass(frozen=True, slots=True)
class ExpressSettings:
    """The table, its columns, and what both sides agree on."""

    secrets: tuple[str, ...]
    layout: str
    table: tuple[str, ...]
    id: str
    data: str
    expires: str
    mark: str
    expiration_ms: int
    user: Callback | None
    time_zone: str | None
    genid: str | None = None

    def seconds(self, milliseconds: int) -> int:
        """Round as the store of this layout rounds, to what its column takes."""
        layout = LAYOUTS[self.layout]
        return max(0, min(layout.seconds(milliseconds), layout.last))

    @property
    def is_postgres_layout(self) -> bool:
        """Tell whether the columns are those of connect-pg-simple: json and timestamp."""
        return self.layout == "connect-pg-simple"

    # Security: error reporters record local variables by their repr.
    def __repr__(self) -> str:
        return f"<ExpressSettings of {'.'.join(self.table)}>"


def express(value: Any) -> ExpressSettings:
    """Parse the dict; ValueError completes the sentence "SESSIONSTORE_EXPRESS must be ..."."""
    given = dict(mapping(value))
    name = _item(given, "layout", one_of(*LAYOUTS), "express-mysql-session")
    layout = LAYOUTS[name]
    columns = dict(_item(given, "columns", mapping, {}))
    parsed = ExpressSettings(
        secrets=_item(given, "secrets", _secrets, None),
        layout=name,
        table=_item(given, "table", _table, layout.table),
        id=_item(columns, layout.id, _name, layout.id),
        data=_item(columns, layout.data, _name, layout.data),
        expires=_item(columns, layout.expires, _name, layout.expires),
        mark=_item(columns, MARK, _name, MARK),
        expiration_ms=_item(given, "expiration", optional(duration_ms), None) or _DAY_MS,
        user=_item(given, "user", _user, None),
        time_zone=_item(given, "time_zone", optional(text), None),
        genid=_item(given, "genid", optional(one_of("unique", "reused")), None),
    )
    if unknown := [*given, *(f"columns[{column!r}]" for column in columns)]:
        message = f"a dict without {unknown[0]!r}, which is not known"
        raise ValueError(message)
    return parsed


def passport_user(data: Mapping[str, Any]) -> Any:
    """Return the user's primary key that passport keeps; None when nobody is signed in there."""
    passport = data.get("passport")
    return passport.get("user") if isinstance(passport, dict) else None


def _user(value: Any) -> Callback | None:
    """True means passport's user. The default is None, because nothing seals the JSON."""
    return passport_user if value is True else optional(dotted)(value)


def _item(given: dict[str, Any], key: str, parse: Callable[[Any], Any], default: Any) -> Any:
    try:
        return parse(given.pop(key, default))
    except ValueError as error:
        message = f"a dict whose {key!r} is {error}"
        raise ValueError(message) from None


def _secrets(value: Any) -> tuple[str, ...]:
    try:
        return tuple(map(HiddenText, names(value) or names(None)))
    except ValueError:
        message = "a list of one or more strings, the first of which signs"
        raise ValueError(message) from None


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _is_name(value):
        message = "a name of letters, digits, _ and $, at most 64 long"
        raise ValueError(message)
    return value


def _table(value: Any) -> tuple[str, ...]:
    parts = value.split(".") if isinstance(value, str) else [value]
    if len(parts) > 2:
        message = "a table name with at most one dot"
        raise ValueError(message)
    return tuple(map(_name, parts))
