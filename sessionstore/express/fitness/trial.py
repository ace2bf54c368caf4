"""A session that is tried in the table, by the statements of both halves, and taken back."""

import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, connections, transaction

from sessionstore.conf.express import ExpressSettings
from sessionstore.core.text import printable
from sessionstore.express.fitness.inspection import Look
from sessionstore.express.statements import ExpressStatements, bound, compose, names_of, zone_of
from sessionstore.table.faults import Fault, classify

# More than a `text` of MySQL holds, and a sign of four bytes.
_LONG = "\N{COOKIE}\N{GRINNING FACE}" + "x" * 70_000


def try_session(alias: str, settings: ExpressSettings) -> str | None:
    """Store, read, change, rename and end a session as both halves do; return what goes wrong.

    It stands in a transaction that is rolled back, under ids that nobody else has: nothing
    remains, and nobody waits. So only where tables have transactions.
    """
    try:
        with transaction.atomic(using=alias):
            try:
                _Trial(alias, settings).run()
            finally:
                transaction.set_rollback(True, using=alias)
    except _WentWrongError as error:
        return str(error)
    except DatabaseError as error:
        if classify(error) is not Fault.PERMANENT:
            raise
        # Security: the values are of our own making, so the message holds nobody's data.
        return f"the database answers: {printable(str(error).partition(chr(10))[0][:200])}"
    return None


class _WentWrongError(Exception):
    """A step of a trial had another outcome than it must have; the message says which."""


@dataclass(frozen=True, slots=True)
class _Trial:
    alias: str
    settings: ExpressSettings

    def run(self) -> None:
        """Raise _WentWrongError, or the database's error, at the first thing that goes wrong."""
        sql, now = compose(self.alias, self.settings), int(time.time())
        token, ends = self.settings.prefix + secrets.token_urlsafe(23), now + 3600
        sid, other, renamed = f"{token}a", f"{token}A", f"{token}b"
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
        return Look(self.alias, self.settings).ask(sql, values)


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
