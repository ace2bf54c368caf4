"""Whose the rows of a shared table are: two columns that the database keeps from the JSON.

Express's upsert names three columns, so only a trigger can fill others, whoever writes. One column
is for Django's login and one for passport's: which of them counts, no trigger can know. What they
hold is a candidate, and Python reads the row and decides, as it does at a load. A candidate may
stand for several users, but no session of a user may be without one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Any, Final

from django.db import connections

from sessionstore.cleaning import Cleaned, Clearable, Pace, in_batches
from sessionstore.conf.express import ExpressSettings, passport_user
from sessionstore.conf.zones import shown
from sessionstore.core import expiry
from sessionstore.core.crypto import HiddenText
from sessionstore.core.express_format import TOMBSTONE
from sessionstore.core.merge import USER_KEY
from sessionstore.core.text import printable
from sessionstore.express.fitness.inspection import Look
from sessionstore.express.keys import handle_of_sid
from sessionstore.express.record import contents_of, record_of
from sessionstore.express.statements import (
    Column,
    bound,
    columns_of,
    fitting,
    for_each,
    names_of,
    quoted,
    quoted_table,
    words_of,
)
from sessionstore.table.retry import READ, WRITE, attempt
from sessionstore.table.verbs import Knows

# InnoDB's old row formats take 767 bytes in an index: 128 characters always fit.
_LENGTH: Final = 128
_OWN_TYPES: Final = (f"varchar({_LENGTH})", f"character varying({_LENGTH})")
_PADDED: Final = ("char", "character", "bpchar", "binary", "varbinary")
# An index of ours whose making was broken off: it is there, and serves nobody.
_BROKEN_OFF: Final = (
    "SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "WHERE i.indrelid = to_regclass(%s) AND c.relname = %s AND NOT i.indisvalid"
)


@dataclass(frozen=True, slots=True)
class PeopleStatements:
    """The SQL text for the rows of a user, with its parameters; `mine` as ExpressStatements has."""

    ids: str  # user id, now, *mine, and all of them once more
    rows: str  # sids, by for_each


# Security: no repr, for the row's id is the secret of a cookie.
@dataclass(frozen=True, slots=True, repr=False)
class OwnedRow:
    """A row of a user, under the names that a model's instance has for the same."""

    pk: bytes
    user_id: str
    signed_in_by: str
    authenticated_at: datetime | None
    created_at: datetime | None
    last_seen_at: datetime | None
    expires_at: datetime | None
    is_live: bool
    # Neither half keeps them.
    ip: None = None
    user_agent: None = None
    device_name: None = None
    bound_at: None = None

    @property
    def handle(self) -> str:
        return handle_of_sid(self.pk)

    @property
    def digest(self) -> bytes:
        return self.pk


def owned_row(row_id: bytes, text: str | None, expires_at: int) -> OwnedRow | None:
    """Return a row with its owner; None for a mark, for damaged JSON, and for nobody's.

    A row that a deadline of Django's has ended is one too: Express goes on with it.
    """
    if text in (None, TOMBSTONE):
        return None
    now = expiry.now_ms()
    record = record_of(row_id, text, expires_at, now)
    is_over = record is None
    if record is None:
        record = record_of(row_id, text, expires_at, 0)
    if record is None or record.user_id is None:
        return None
    contents = contents_of(record)
    return OwnedRow(
        pk=row_id,
        user_id=record.user_id,
        signed_in_by="Django" if USER_KEY in (contents.data or {}) else "Express",
        authenticated_at=_shown(record.authenticated_at),
        created_at=_shown(record.created_at) if contents.is_stamped else None,
        last_seen_at=None if is_over else _shown(record.last_seen_at),
        expires_at=_shown(expires_at),
        is_live=expires_at > now,
    )


def known_users(settings: ExpressSettings) -> Knows:
    """Return how many sign-ins two columns tell: a callable looks where no trigger can."""
    return Knows.ALL if settings.user in (None, passport_user) else Knows.SOME


def compose_people(alias: str, settings: ExpressSettings) -> PeopleStatements | None:
    """Return the statements; None while the table has not got all of ``UserColumns``."""
    columns = columns_of(alias, settings)
    people = UserColumns(alias, settings)
    if people.refusal(columns) is not None:
        return None
    if not set(settings.users) <= set(columns) or not people.is_filled():
        return None
    words = words_of(alias, settings, columns)
    words["key"] = people.key_of(_GIVEN[people.vendor])
    users = [people.quote(name).replace("%", "%%") for name in settings.users]
    halves = [_IDS.format(**words, user=user) for user in users]
    return PeopleStatements(
        ids=f"{' UNION '.join(halves)} ORDER BY 2 DESC", rows=_ROWS.format(**words)
    )


@dataclass(frozen=True)
class UserColumns:
    """The two columns with their triggers and indexes, on one database alias."""

    alias: str
    settings: ExpressSettings

    def refusal(self, there: Mapping[str, Column]) -> str | None:
        """Return why a table with the columns ``there`` cannot have these, or None.

        Security: ids of another kind come back otherwise than they are stored, so that a session
        would be in nobody's list. What the site itself keeps in a column would be lost.
        """
        sid = there.get(self.settings.id)
        if sid is not None and sid.kind in _PADDED:
            return f"its ids are {sid.type}: make them varchar"
        for name in self.settings.users:
            column = there.get(name)
            if column is not None and column.type not in _OWN_TYPES:
                return (
                    f"its column {printable(name)} is {column.type}, and not one that --add-user "
                    f'has made: name another in the "columns" of SESSIONSTORE_EXPRESS'
                )
        return None

    # --- SQL that an operator can read first

    def add_sql(self) -> list[str]:
        """Return what adds the columns and what keeps them, where they are missing."""
        there = columns_of(self.alias, self.settings)
        statements = [
            f"ALTER TABLE {self.table} ADD COLUMN {self.quote(name)} {_TYPES[self.vendor]}"
            for name in self.settings.users
            if name not in there
        ]
        if not self.has_triggers():
            statements += [text.format(**self._words) for text in _TRIGGERS[self.vendor]]
        return statements

    def fill_sql(self) -> str:
        """Return what lets the triggers fill rows that were there before; their ids follow."""
        user, sid = self.quote(self.settings.users[0]), self.quote(self.settings.id)
        return f"UPDATE {self.table} SET {user} = '' WHERE {sid} IN"  # noqa: S608 - quoted names

    def index_sql(self) -> list[str]:
        """Return what makes the missing indexes; the last step, by which the columns count."""
        statements, names = [], names_of(self.alias, self.settings)
        for name in self._without_index():
            alone = fitting(f"IDX_{self.settings.table[-1]}_{name}")
            index = self.quote(alone)
            target = f"{index} ON {self.table} ({self.quote(name)})"
            if self.vendor == "postgresql":
                if self._look.ask(_BROKEN_OFF, [self.table, alone]):
                    drop = f"DROP INDEX CONCURRENTLY IF EXISTS {names['schema']}{index}"
                    statements.append(drop)
                target = f"CONCURRENTLY {target}"
            statements.append(f"CREATE INDEX {target}")
        return statements

    # --- rows that were there before

    def fill(self, rows: Clearable, *, stop: Callable[[], bool]) -> Cleaned:
        """Let the triggers fill all rows, in batches by primary key, beside live traffic."""
        alias, last, update = self.alias, "", self.fill_sql().replace("%", "%%")
        page = _PAGE.format(**bound(names_of(alias, self.settings)))

        def fill_next(size: int) -> tuple[int, int]:
            nonlocal last
            found = attempt(alias, READ, partial(self._look.ask, page, [last, size]))
            ids = [HiddenText(held) for (held,) in found]
            if ids:
                attempt(alias, WRITE, partial(self._run, for_each(update, ids), ids))
                last = ids[-1]
            return len(ids), len(ids)

        return in_batches(fill_next, rows, pace=Pace(), stop=stop, on_batch=lambda _: None)

    # --- what there is

    def is_filled(self) -> bool:
        """Tell whether rows that were there before have been filled: the indexes came last."""
        return not self._without_index()

    def why_unsure(self) -> str | None:
        """Return why columns that are there may miss sessions; None when nothing is wrong.

        On MySQL only who may make triggers sees them.
        """
        if not set(self.settings.users) & set(columns_of(self.alias, self.settings)):
            return None
        if not self.has_triggers():
            return "the triggers that keep the columns of the user are missing, or not to be seen"
        return None if self.is_filled() else "the columns of the user are not filled yet"

    def has_triggers(self) -> bool:
        """Tell whether both triggers are there, and this user may see them."""
        return {*self.trigger_names} <= {*self._look.triggers()}

    def _without_index(self) -> list[str]:
        indexed = {one.columns[0] for one in self._look.indexes() if one.is_valid}
        return [name for name in self.settings.users if name not in indexed]

    @property
    def _look(self) -> Look:
        return Look(self.alias, self.settings)

    # --- names

    @property
    def vendor(self) -> str:
        return connections[self.alias].vendor

    @property
    def table(self) -> str:
        return quoted_table(self.alias, self.settings)

    def quote(self, name: str) -> str:
        return quoted(self.alias, name)

    def key_of(self, text: str) -> str:
        """Return the expression for what a column holds of the id that the expression ``text`` is.

        Other spellings of a key are one: letter case and dashes (a UUID), leading zeros, spaces.
        """
        return _KEYS[self.vendor].format(text=text, length=_LENGTH)

    @property
    def trigger_names(self) -> list[str]:
        """The names of the triggers that keep the columns."""
        name, events = self.settings.table[-1], _EVENTS[self.vendor]
        return [fitting(name, f"_keep_user_{event}") for event in events]

    @cached_property
    def _words(self) -> dict[str, str]:
        """Return what stands for the braces in the triggers."""
        names = names_of(self.alias, self.settings)
        user, passport = map(self.quote, self.settings.users)
        held = {name: text.format(**names) for name, text in _HELD[self.vendor].items()}
        return {
            **{name: self.key_of(text) for name, text in held.items()},
            **names,
            "first": self.quote(self.trigger_names[0]),
            "last": self.quote(self.trigger_names[-1]),
            "user": user,
            "passport": passport,
        }

    def _run(self, sql: str, values: Sequence[Any]) -> None:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(sql, values)


def _shown(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else shown(expiry.to_datetime(milliseconds))


_IDS = (
    "SELECT {sid}, {seconds} FROM {table} WHERE {user} IN ({key}, '?') "
    "AND {unmarked} AND {expires} >= {at} AND {mine}"
)
_PAGE = "SELECT {sid} FROM {table} WHERE {sid} > %s ORDER BY {sid} LIMIT %s"
_ROWS = "SELECT {sid}, {stored}, {seconds} FROM {table} WHERE {unmarked} AND {sid} IN"
_TYPES = {
    "mysql": f"varchar({_LENGTH}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL",
    "postgresql": f"varchar({_LENGTH}) NULL",
    "sqlite": f"varchar({_LENGTH}) NULL",
}
# The database folds both what a trigger finds and what is looked for, so they always agree.
_KEYS = {
    "mysql": "TRIM(LEADING '0' FROM LOWER(REPLACE(TRIM(LEFT({text}, {length})), '-', '')))",
    "postgresql": (
        "ltrim(lower(replace(btrim(left({text}, {length})), '-', '') COLLATE \"C\"), '0')"
    ),
    "sqlite": "ltrim(lower(replace(trim(substr({text}, 1, {length})), '-', '')), '0')",
}
_GIVEN = {
    "mysql": "CONVERT(%s USING utf8mb4) COLLATE utf8mb4_bin",
    "postgresql": "CAST(%s AS text)",
    "sqlite": "CAST(%s AS text)",
}
_HELD = {
    "mysql": {
        "user_held": "JSON_UNQUOTE(JSON_EXTRACT(held, '$._auth_user_id'))",
        "passport_held": "JSON_UNQUOTE(JSON_EXTRACT(held, '$.passport.user'))",
    },
    "postgresql": {
        "user_held": "held ->> '_auth_user_id'",
        "passport_held": "held #>> '{{passport,user}}'",
    },
    "sqlite": {
        "user_held": "json_extract(NEW.{data}, '$._auth_user_id')",
        "passport_held": "json_extract(NEW.{data}, '$.passport.user')",
    },
}
_EVENTS = {"mysql": ("insert", "update"), "postgresql": ("write",), "sqlite": ("insert", "update")}
# What the database cannot read as JSON (MariaDB nothing deeper than 32, none a lone surrogate, and
# PostgreSQL no \u0000) may yet be somebody's session: a "?" is a candidate for everybody. It never
# fails Express's statement.
_MYSQL = (
    " ON {table} FOR EACH ROW\nBEGIN\n"
    "  DECLARE held JSON;\n"
    "  DECLARE EXIT HANDLER FOR SQLEXCEPTION\n"
    "    SET NEW.{user} = IF(LOCATE('_auth_user_id', NEW.{data}) > 0, '?', NULL),\n"
    "      NEW.{passport} = IF(LOCATE('\"passport\"', NEW.{data}) > 0, '?', NULL);\n"
    "  IF CHANGED THEN\n"
    "    SET NEW.{user} = NULL, NEW.{passport} = NULL;\n"
    # A logout's mark is nobody's, whatever stands in the row before the guard has its turn.
    "    IF NEW.{mark} IS NULL THEN\n"
    "      SET held = NEW.{data};\n"
    "      IF JSON_VALID(held) = 0 THEN SIGNAL SQLSTATE '45000'; END IF;\n"
    "      SET NEW.{user} = {user_held},\n"
    "        NEW.{passport} = {passport_held};\n"
    "    END IF;\n"
    "  END IF;\n"
    "END"
)
# Optimization: a touch changes none of these, and the JSON is not parsed for it.
_MYSQL_CHANGED = (
    "NOT (NEW.{data} COLLATE utf8mb4_bin <=> OLD.{data} AND NEW.{mark} <=> OLD.{mark} "
    "AND NEW.{user} <=> OLD.{user} AND NEW.{passport} <=> OLD.{passport})"
)
_SQLITE = (
    " ON {table} WHEN NEW.{mark} IS NULL BEGIN UPDATE {table} SET "
    "{user} = CASE WHEN json_valid(NEW.{data}) THEN {user_held} "
    "WHEN instr(NEW.{data}, '_auth_user_id') THEN '?' END, "
    "{passport} = CASE WHEN json_valid(NEW.{data}) THEN {passport_held} "
    "WHEN instr(NEW.{data}, '\"passport\"') THEN '?' END WHERE {sid} = NEW.{sid}; END"
)
_TRIGGERS = {
    "mysql": [
        # What was broken off between the two is made anew.
        "DROP TRIGGER IF EXISTS {schema}{first}",
        "DROP TRIGGER IF EXISTS {schema}{last}",
        "CREATE TRIGGER {schema}{first} BEFORE INSERT" + _MYSQL.replace("CHANGED", "TRUE"),
        "CREATE TRIGGER {schema}{last} BEFORE UPDATE" + _MYSQL.replace("CHANGED", _MYSQL_CHANGED),
    ],
    "postgresql": [
        (
            "CREATE OR REPLACE FUNCTION {schema}{first}() RETURNS trigger LANGUAGE plpgsql AS "
            "$keep_user$\nDECLARE held json;\nBEGIN\n"
            "  NEW.{user} := NULL;\n  NEW.{passport} := NULL;\n"
            "  IF NEW.{mark} IS NOT NULL THEN RETURN NEW; END IF;\n"
            "  BEGIN\n"
            "    held := NEW.{data}::json;\n"
            "    NEW.{user} := {user_held};\n"
            "    NEW.{passport} := {passport_held};\n"
            "  EXCEPTION WHEN OTHERS THEN\n"
            "    IF strpos(NEW.{data}::text, '_auth_user_id') > 0 THEN NEW.{user} := '?'; END IF;\n"
            "    IF strpos(NEW.{data}::text, '\"passport\"') > 0 THEN\n"
            "      NEW.{passport} := '?';\n    END IF;\n"
            "  END;\n"
            "  RETURN NEW;\nEND $keep_user$"
        ),
        (
            "CREATE TRIGGER {first} BEFORE INSERT OR UPDATE OF {data}, {mark}, {user}, {passport} "
            "ON {table} FOR EACH ROW EXECUTE FUNCTION {schema}{first}()"
        ),
    ],
    "sqlite": [
        "DROP TRIGGER IF EXISTS {first}",
        "DROP TRIGGER IF EXISTS {last}",
        "CREATE TRIGGER {first} AFTER INSERT" + _SQLITE,
        "CREATE TRIGGER {last} AFTER UPDATE OF {data}, {user}, {passport}" + _SQLITE,
    ],
}
