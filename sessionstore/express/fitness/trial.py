"""A session that is tried in the table, by the statements of both halves, and taken back."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from django.db import DatabaseError, connections, transaction

from sessionstore.conf.express import ExpressSettings
from sessionstore.core.text import printable
from sessionstore.express.fitness.catalogue import Catalogue
from sessionstore.express.fitness.inspection import Facts
from sessionstore.express.statements import (
    ExpressStatements,
    bound,
    compose,
    fitting,
    names_of,
    quoted_table,
    zone_of,
)
from sessionstore.table.faults import Fault, classify
from sessionstore.table.refusals import lacks_right

# More than a `text` of MySQL holds, and a sign of four bytes.
_LONG = "\N{COOKIE}\N{GRINNING FACE}" + "x" * 70_000


def try_session(alias: str, settings: ExpressSettings, facts: Facts) -> str | None:
    """Store, read, change, rename and end a session as both halves do; return what goes wrong.

    It stands in a transaction that is rolled back, under ids that nobody else has: nothing
    remains, and nobody waits. Where there are no transactions it stands in a copy of the table.
    """
    try:
        if facts.is_transactional:
            # What is below a view of MySQL may have no transactions.
            is_sure = facts.kind != "view" or connections[alias].vendor != "mysql"
            with _rolled_back(alias, settings, is_sure=is_sure) as trial:
                trial.run()
        else:
            with _in_copy(alias, settings) as trial:
                trial.run()
    except _WentWrongError as error:
        return str(error)
    except DatabaseError as error:
        if classify(error) is not Fault.PERMANENT:
            raise
        # Security: the values are of our own making, so the message holds nobody's data.
        return f"the database answers: {printable(str(error).partition(chr(10))[0][:200])}"
    return None


@contextmanager
def _rolled_back(alias: str, settings: ExpressSettings, *, is_sure: bool) -> Iterator["_Trial"]:
    trial = _Trial(alias, settings)
    try:
        with transaction.atomic(using=alias):
            try:
                yield trial
            finally:
                transaction.set_rollback(True, using=alias)
    finally:
        if not is_sure:
            trial.clear()


@contextmanager
def _in_copy(alias: str, settings: ExpressSettings) -> Iterator["_Trial"]:
    """Yield a trial in a table that this connection alone sees; triggers are not copied."""
    *schema, name = settings.table
    copied = replace(settings, table=(*schema, fitting(name, "_trial")))
    words = {"copy": quoted_table(alias, copied), "table": quoted_table(alias, settings)}
    with connections[alias].cursor() as cursor:
        try:
            cursor.execute("CREATE TEMPORARY TABLE {copy} LIKE {table}".format(**words))
        except DatabaseError as error:
            if not lacks_right(error):
                raise
            message = "none could be, for that needs the right CREATE TEMPORARY TABLES"
            raise _WentWrongError(message) from error
        try:
            yield _Trial(alias, copied)
        finally:
            cursor.execute("DROP TEMPORARY TABLE IF EXISTS {copy}".format(**words))


class _WentWrongError(Exception):
    """A step of a trial had another outcome than it must have; the message says which."""


@dataclass(frozen=True, slots=True)
class _Trial:
    alias: str
    settings: ExpressSettings
    token: str = field(default_factory=partial(secrets.token_urlsafe, 23))

    @property
    def ids(self) -> list[str]:
        """The ids that it uses: two that differ in case, and one for a new key."""
        return [f"{self.settings.prefix}{self.token}{end}" for end in "aAb"]

    def clear(self) -> None:
        """Delete what may have remained."""
        for sid in self.ids:
            self._do(self._sql(_DELETE), [sid])

    def run(self) -> None:
        """Raise _WentWrongError, or the database's error, at the first thing that goes wrong."""
        sql, now = compose(self.alias, self.settings), int(time.time())
        (sid, other, renamed), ends = self.ids, now + 3600
        if connections[self.alias].vendor == "postgresql":
            zone = zone_of(self.alias, self.settings)
            self._do("SELECT set_config('TimeZone', %s, true)", [zone])
        long, short = ({"cookie": {}, "text": text} for text in (_LONG, "short"))
        self._express_sets(sid, ends, short)
        self._express_sets(sid, ends, long)
        self._express_sets(other, ends, short)
        are_two = all(self._rows(self._sql(_COUNT), [one]) == [(1,)] for one in (sid, other))
        self._must(are_two, "of two whose ids differ in case one is lost")
        text = self._stored(sql, sid, ends, long)
        self._must(not self._rows(sql.fetch, [sid, ends + 1]), "a session outlives its end")
        written = json.dumps({"cookie": {}, "text": "Django"})
        self._changes(sql.update, [written, ends, sid, text, now], "Django's save")
        text = self._stored(sql, sid, ends, json.loads(written))
        self._changes(sql.touch, [ends + 60, sid, text, ends + 60, now], "Django's touch")
        self._changes(sql.rename, [renamed, written, ends, sid, text, now], "a new key")
        self._do(sql.insert, [sid, written, ends])
        self._changes(self._sql(_DELETE), [sid], "a logout")
        self._must(not self._rows(sql.fetch, [sid, now]), "a session outlives its logout")

    def _sql(self, text: str) -> str:
        at = "to_timestamp(%s)" if self.settings.is_postgres_layout else "%s"
        return text.format(**bound(names_of(self.alias, self.settings)), at=at)

    def _express_sets(self, sid: str, ends: int, session: dict[str, Any]) -> None:
        text = json.dumps(session, ensure_ascii=False, separators=(",", ":"))
        vendor = connections[self.alias].vendor
        self._do(self._sql(_UPSERT + _ON_CONFLICT[vendor]), [sid, text, ends])

    def _stored(self, sql: ExpressStatements, sid: str, ends: int, session: dict[str, Any]) -> str:
        """Return the text that Django reads; it must be the session, until the right second."""
        found = self._rows(sql.fetch, [sid, ends])
        self._must(bool(found), "a session is not found until its end")
        [(read, text, seconds)] = found
        self._must(read == sid, "an id comes back as another one")
        self._must(json.loads(text) == session, "a session comes back as another one")
        self._must(int(seconds) == ends, "a session ends at another second than it should")
        return str(text)

    def _changes(self, sql: str, values: list[Any], what: str) -> None:
        self._must(self._do(sql, values) == 1, f"{what} finds no row")

    def _must(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            raise _WentWrongError(otherwise)

    def _do(self, sql: str, values: list[Any]) -> int:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(sql, values)
            return int(cursor.rowcount)

    def _rows(self, sql: str, values: list[Any]) -> list[Any]:
        return Catalogue(self.alias, self.settings).ask(sql, values)


# What the stores of Node run.
_UPSERT = "INSERT INTO {table} ({sid}, {data}, {expires}) VALUES (%s, %s, {at}) "
_EXCLUDED = (
    "ON CONFLICT ({sid}) DO UPDATE SET {data} = EXCLUDED.{data}, {expires} = EXCLUDED.{expires}"
)
_ON_CONFLICT = {
    "mysql": "ON DUPLICATE KEY UPDATE {data} = VALUES({data}), {expires} = VALUES({expires})",
    "postgresql": _EXCLUDED,
    "sqlite": _EXCLUDED,
}
_DELETE = "DELETE FROM {table} WHERE {sid} = %s"
_COUNT = "SELECT COUNT(*) FROM {table} WHERE {sid} = %s"
