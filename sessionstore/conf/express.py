"""SESSIONSTORE_EXPRESS, parsed: how to find and read the table and the cookies of Express."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sessionstore.conf.values import (
    Callback,
    dotted,
    duration_ms,
    mapping,
    one_of,
    optional,
    text,
)
from sessionstore.core.crypto import HiddenBytes, HiddenText
from sessionstore.core.express_format import (
    MAX_SID_LENGTH,
    SID_LENGTH,
    rounded_half_up,
    rounded_up,
)
from sessionstore.core.text import printable

MARK: Final = "revoked_at"
# Who signed in by Django, and by passport, as `expresstable --add-user` keeps them.
USERS: Final = ("user_id", "passport_user")
# MySQL's limit, in characters. PostgreSQL's is 63 bytes; `expresstable --check` tells that.
_LONGEST_NAME: Final = 64
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


LAYOUTS: Final[Mapping[str, Layout]] = {
    "express-mysql-session": Layout(
        *("sessions", "session_id", "data", "expires"), seconds=rounded_half_up
    ),
    "connect-pg-simple": Layout(*("session", "sid", "sess", "expire"), seconds=rounded_up),
}


@dataclass(frozen=True, slots=True)
class ExpressSettings:
    """The table, its columns, and what both sides agree on."""

    secrets: tuple[str | bytes, ...]
    layout: str
    table: tuple[str, ...]
    id: str
    data: str
    expires: str
    mark: str
    users: tuple[str, ...]
    expiration_ms: int
    user: Callback | None
    time_zone: str | None
    prefix: str
    genid: str | None

    def seconds(self, milliseconds: int) -> int:
        """Round as the store of this layout rounds; its statements know what the column takes."""
        return max(0, LAYOUTS[self.layout].seconds(milliseconds))

    @property
    def is_postgres_layout(self) -> bool:
        """Tell whether the columns are those of connect-pg-simple: json and timestamp."""
        return self.layout == "connect-pg-simple"

    @property
    def looks_beside_passport(self) -> bool:
        """Tell whether the site's own callable says who is signed in by Express."""
        return self.user not in (None, passport_user)

    @property
    def name(self) -> str:
        """The table's name for people, with its schema when it is given."""
        return printable(".".join(self.table))

    # Security: error reporters record local variables by their repr.
    def __repr__(self) -> str:
        return f"<ExpressSettings of {self.name}>"


def express(value: Any) -> ExpressSettings:
    """Parse the dict; ValueError completes the sentence "SESSIONSTORE_EXPRESS must be ..."."""
    given = dict(mapping(value))
    name = _item(given, "layout", one_of(*LAYOUTS), "express-mysql-session")
    layout = LAYOUTS[name]
    columns = dict(_item(given, "columns", mapping, {}))
    schema = _item(given, "schema", optional(_name), None)
    parsed = ExpressSettings(
        secrets=_item(given, "secrets", _secrets, None),
        layout=name,
        table=_item(given, "table", _table_in(schema), layout.table),
        id=_item(columns, layout.id, _name, layout.id),
        data=_item(columns, layout.data, _name, layout.data),
        expires=_item(columns, layout.expires, _name, layout.expires),
        mark=_item(columns, MARK, _name, MARK),
        users=tuple(_item(columns, name, _name, name) for name in USERS),
        expiration_ms=_item(given, "expiration", optional(duration_ms), None) or _DAY_MS,
        user=_item(given, "user", _user, None),
        time_zone=_item(given, "time_zone", optional(text), None),
        prefix=_item(given, "prefix", _prefix, ""),
        genid=_item(given, "genid", optional(one_of("unique", "reused")), None),
    )
    if unknown := [*given, *(f"columns[{column!r}]" for column in columns)]:
        message = f"a dict without {unknown[0]!r}, which is not known"
        raise ValueError(message)
    _refuse_doubled(parsed)
    return parsed


def _refuse_doubled(parsed: ExpressSettings) -> None:
    """Raise ValueError where one column has two meanings: what is kept in the one is lost."""
    names = [parsed.id, parsed.data, parsed.expires, parsed.mark, *parsed.users]
    # MySQL and SQLite tell no letter case.
    doubled = [name for name, count in Counter(map(str.casefold, names)).items() if count > 1]
    if doubled:
        message = (
            f"a dict whose 'columns' are six different ones, and {doubled[0]!r} is two of them"
        )
        raise ValueError(message)


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


def _secrets(value: Any) -> tuple[str | bytes, ...]:
    """Return what signs; one alone is taken as Express takes it, bytes as Node's Buffer."""
    given = value if isinstance(value, list | tuple) else [value]
    if not given or not all(isinstance(one, str | bytes) and one for one in given):
        message = "a list of one or more strings or bytes, none of them empty, the first signs"
        raise ValueError(message)
    return tuple(HiddenBytes(one) if isinstance(one, bytes) else HiddenText(one) for one in given)


def _name(value: Any) -> str:
    """Accept whatever a database can hold: names are quoted wherever they are used."""
    is_name = isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and _is_storable(value)
    if not is_name:
        message = f"a name of 1 to {_LONGEST_NAME} characters without NUL"
        raise ValueError(message)
    return str(value)


def _table_in(schema: str | None) -> Callable[[Any], tuple[str, ...]]:
    """Return what parses a table: with a schema one name, dots included, as in Node's stores."""

    def parse(value: Any) -> tuple[str, ...]:
        if schema is not None:
            return schema, _name(value)
        parts = value.split(".") if isinstance(value, str) else [value]
        if len(parts) > 2:
            message = "a table name with at most one dot; with 'schema' it may have more"
            raise ValueError(message)
        return tuple(map(_name, parts))

    return parse


def _prefix(value: Any) -> str:
    """Accept what the ids of one application begin with; the rest of an id has to fit."""
    longest = MAX_SID_LENGTH - SID_LENGTH
    if not isinstance(value, str) or len(value) > longest or not _is_storable(value):
        message = f"a text of at most {longest} characters without NUL"
        raise ValueError(message)
    return value


def _is_storable(value: str) -> bool:
    """Tell whether a database takes the text: no NUL, and nothing that UTF-8 does not have."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False
