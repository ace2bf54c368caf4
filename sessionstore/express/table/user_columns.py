"""The two columns that tell whose a row is: added, filled beside live traffic, and indexed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, count
from typing import Any, Final

from django.db import connections

from sessionstore.cleaning import Cleaned, Clearable, Pace, in_batches
from sessionstore.conf.express import ExpressSettings
from sessionstore.core.crypto import HiddenText
from sessionstore.core.text import printable
from sessionstore.express.fitness.catalogue import Catalogue
from sessionstore.express.statements import (
    Column,
    bound,
    columns_of,
    fitting,
    for_each,
    names_of,
    quoted_table,
)
from sessionstore.express.table.indexes import index_sql
from sessionstore.express.table.user_triggers import EVENTS, HELD, LENGTH, TRIGGERS, TYPES, key_of
from sessionstore.table.retry import READ, WRITE, attempt
from sessionstore.table.statements import quoted

_OWN_TYPES: Final = (f"varchar({LENGTH})", f"character varying({LENGTH})")
_PADDED: Final = ("char", "character", "bpchar", "binary", "varbinary")
_PAGE = "SELECT {sid} FROM {table} WHERE {sid} > %s ORDER BY {sid} LIMIT %s"


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
            f"ALTER TABLE {self.table} ADD COLUMN {self.quote(name)} {TYPES[self.vendor]}"
            for name in self.settings.users
            if name not in there
        ]
        if not self.has_triggers():
            statements += [text.format(**self._words) for text in TRIGGERS[self.vendor]]
        return statements

    def fill_sql(self) -> str:
        """Return what lets the triggers fill rows that were there before; their ids follow."""
        user, sid = self.quote(self.settings.users[0]), self.quote(self.settings.id)
        return f"UPDATE {self.table} SET {user} = '' WHERE {sid} IN"  # noqa: S608 - quoted names

    def index_sql(self) -> list[str]:
        """Return what makes the missing indexes; the last step, by which the columns count."""
        return [
            sql
            for name in self.settings.users
            for sql in index_sql(self.alias, self.settings, name)
        ]

    # --- rows that were there before

    def fill(self, rows: Clearable, *, stop: Callable[[], bool]) -> Cleaned:
        """Let the triggers fill all rows, in batches by primary key, beside live traffic."""
        alias, last, update = self.alias, "", self.fill_sql().replace("%", "%%")
        page = _PAGE.format(**bound(names_of(alias, self.settings)))

        def fill_next(size: int) -> tuple[int, int]:
            nonlocal last
            found = attempt(alias, READ, partial(self._catalogue.ask, page, [last, size]))
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
        return {*self.trigger_names} <= {*self._catalogue.triggers()}

    def _without_index(self) -> list[str]:
        indexed = {one.columns[0] for one in self._catalogue.indexes() if one.is_valid}
        return [name for name in self.settings.users if name not in indexed]

    @property
    def _catalogue(self) -> Catalogue:
        return Catalogue(self.alias, self.settings)

    # --- names

    @property
    def vendor(self) -> str:
        return connections[self.alias].vendor

    @property
    def table(self) -> str:
        return quoted_table(self.alias, self.settings)

    def quote(self, name: str) -> str:
        return quoted(self.alias, name)

    @property
    def trigger_names(self) -> list[str]:
        """The names of the triggers that keep the columns."""
        name, events = self.settings.table[-1], EVENTS[self.vendor]
        return [fitting(name, f"_keep_user_{event}") for event in events]

    @cached_property
    def _words(self) -> dict[str, str]:
        """Return what stands for the braces in the triggers."""
        names = self._catalogue.words
        user, passport = map(self.quote, self.settings.users)
        held = {name: text.format(**names) for name, text in HELD[self.vendor].items()}
        return {
            **{name: key_of(self.vendor, text) for name, text in held.items()},
            **names,
            "first": self.quote(self.trigger_names[0]),
            "last": self.quote(self.trigger_names[-1]),
            "user": user,
            "passport": passport,
            "dollars": _dollars(names.values(), self.settings.users),
        }

    def _run(self, sql: str, values: Sequence[Any]) -> None:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(sql, values)


def _dollars(*names: Iterable[str]) -> str:
    """Return a quote of PostgreSQL's for a text with these names in it: none of them has it."""
    held = "".join(chain(*names))
    return next(tag for tag in map("$keep_user{}$".format, count()) if tag not in held)
