"""The table itself: made as Express makes it, given its mark column, and judged."""

from dataclasses import dataclass
from functools import cached_property

from django.db import connections

from sessionstore.conf.express import ExpressSettings
from sessionstore.core.text import printable
from sessionstore.express.fitness.findings import Finding, Judged, Level
from sessionstore.express.fitness.inspection import Inspection, inspect, seen_elsewhere
from sessionstore.express.fitness.trial import try_session
from sessionstore.express.people import UserColumns
from sessionstore.express.statements import (
    Column,
    columns_of,
    fitting,
    names_of,
    quoted,
    quoted_table,
)

# What can hold the moment of a logout.
_COUNTS = ("int", "integer", "bigint", "decimal", "numeric")


@dataclass(frozen=True)
class ExpressTable:
    """The table of SESSIONSTORE_EXPRESS on one database alias."""

    alias: str
    settings: ExpressSettings

    # --- SQL that an operator can read first

    def create_sql(self) -> list[str]:
        """Return what express-mysql-session or connect-pg-simple would run."""
        texts = _PG_SIMPLE if self.settings.is_postgres_layout else [_MYSQL_SESSION[self._vendor]]
        return [text.format(**self._words) for text in texts]

    def add_mark_sql(self) -> list[str]:
        """Return what adds the mark column and the index on the expiry, where they are missing."""
        statements, seen = [], self.inspection
        if self.settings.mark not in seen.columns:
            kind = "int unsigned" if self._vendor == "mysql" else "bigint"
            statements.append(
                "ALTER TABLE {table} ADD COLUMN {mark} {kind} NULL".format(**self._words, kind=kind)
            )
        if not self.has_index():
            # A plain CREATE INDEX would keep every login waiting.
            can_wait = self._vendor == "postgresql" and seen.facts.kind != "partitioned table"
            text = _CREATE_INDEX_BESIDE if can_wait else _CREATE_INDEX[self._vendor]
            statements.append(text.format(**self._words))
        return statements

    def add_guard_sql(self) -> list[str]:
        """Return what makes the database keep a mark against Express's upsert.

        Express writes without looking: a request that was under way at the logout would bring the
        session back for Express itself, while Django goes on refusing it.
        """
        return (
            [] if self.has_guard() else [one.format(**self._words) for one in _GUARD[self._vendor]]
        )

    # --- what there is

    @cached_property
    def inspection(self) -> Inspection:
        """One look at the table, kept."""
        return inspect(self.alias, self.settings)

    def columns(self) -> dict[str, Column]:
        """Return the columns as they are by now; {} when there is no table."""
        return columns_of(self.alias, self.settings)

    def elsewhere(self) -> list[str]:
        """Return the schemas that have such a table; none when the schema is given by name."""
        is_named = len(self.settings.table) > 1
        return [] if is_named else seen_elsewhere(self.alias, self.settings)

    def has_index(self) -> bool:
        """Tell whether an index begins with the expiry."""
        return any(one.columns[0] == self.settings.expires for one in self.inspection.indexes)

    def has_guard(self) -> bool:
        """Tell whether our trigger is there."""
        return self._guard in self.inspection.triggers

    def findings(self, *, tries: bool = False) -> list[Finding]:
        """Return what is to be said of the table, the worst first.

        With ``tries`` a session is stored and taken back, where that leaves nothing behind.
        """
        seen, settings = self.inspection, self.settings
        if not seen.columns:
            text = f"the table {self.name} does not exist (--create)"
            if places := self.elsewhere():
                text = f"the table {self.name} is not found here; {_told(places)}"
            return [Finding(Level.BREAKS, text)]
        wanted = (settings.id, settings.data, settings.expires)
        missing = [printable(name) for name in wanted if name not in seen.columns]
        if missing:
            return [Finding(Level.BREAKS, f"the column {name} is missing") for name in missing]
        names = {name: quoted(self.alias, name) for name in seen.columns}
        found = list(Judged(settings, seen, quoted_table(self.alias, settings), names).findings())
        if tries and not any(one.breaks for one in found):
            found.insert(0, self._tried())
        levels = list(Level)
        return sorted([*found, *self._marks()], key=lambda one: levels.index(one.level))

    @property
    def name(self) -> str:
        return self.settings.name

    # --- below

    def _tried(self) -> Finding:
        """Return how a session fared that was stored and taken back, or why none was."""
        seen = self.inspection
        ours = {self._guard, *UserColumns(self.alias, self.settings).trigger_names}
        if others := sorted(set(seen.triggers) - ours):
            names = ", ".join(map(printable, others))
            text = f"it has triggers of its own ({names}), so no session was tried in it"
            return Finding(Level.COSTS, text)
        if not seen.facts.is_transactional:
            return Finding(Level.COSTS, "no session was tried in it, for that would remain")
        wrong = try_session(self.alias, self.settings)
        if wrong is not None:
            return Finding(Level.BREAKS, f"a session that was tried in it: {wrong}")
        return Finding(Level.WORKS, "a session was stored, changed and ended, and taken back")

    def _marks(self) -> list[Finding]:
        """Return what a logout lacks to be final, and the rights that adding it takes."""
        mark, facts = printable(self.settings.mark), self.inspection.facts
        who = "" if facts.is_owner else f"; only the owner of {self.name} can"
        if self.settings.mark not in self.inspection.columns:
            text = (
                f"there is no mark column {mark} (--add-mark{who}): a request of Express "
                f"that is under way can bring back a session that was logged out"
            )
            return [Finding(Level.COSTS, text)]
        column = self.inspection.columns[self.settings.mark]
        is_empty = column.is_nullable and not (column.has_default or column.is_generated)
        if column.kind not in _COUNTS or not is_empty:
            text = (
                f"the mark column {mark} is {column.type}: a mark is a number of seconds, and NULL "
                f'in all other rows; name another in "columns"'
            )
            return [Finding(Level.BREAKS, text)]
        if not self.has_guard():
            text = (
                f"there is no guard (--add-guard{who}): a logout is final for Django, and not for "
                f"a request of Express that is under way"
            )
            return [Finding(Level.COSTS, text)]
        return []

    @property
    def _vendor(self) -> str:
        return connections[self.alias].vendor

    @property
    def _guard(self) -> str:
        return fitting(self.settings.table[-1], "_keep_mark")

    @property
    def _words(self) -> dict[str, str]:
        """Return what stands for the braces in the texts, quoted."""
        index = fitting(f"IDX_{self.settings.table[-1]}_{self.settings.expires}")
        return {
            **names_of(self.alias, self.settings),
            "index": quoted(self.alias, index),
            "guard": quoted(self.alias, self._guard),
        }


def refusal(table: ExpressTable) -> str | None:
    """Return why a table must not be made: one that is seen elsewhere would be hidden by it."""
    places = table.elsewhere()
    return None if not places else f"The table {table.name} is not made, for {_told(places)}."


def _told(places: list[str]) -> str:
    names = ", ".join(map(printable, places))
    return f'one with its columns is in {names}: set "schema" in SESSIONSTORE_EXPRESS'


# express-mysql-session 3.0: schema.sql; elsewhere the same columns.
_MYSQL_SESSION = {
    "mysql": "CREATE TABLE IF NOT EXISTS {table} (\n"
    "  {sid} varchar(128) COLLATE utf8mb4_bin NOT NULL,\n"
    "  {expires} int(11) unsigned NOT NULL,\n"
    "  {data} mediumtext COLLATE utf8mb4_bin,\n"
    "  PRIMARY KEY ({sid})\n"
    ") ENGINE=InnoDB",
    "postgresql": "CREATE TABLE IF NOT EXISTS {table} "
    "({sid} varchar(128) PRIMARY KEY, {expires} bigint NOT NULL, {data} text)",
    "sqlite": "CREATE TABLE IF NOT EXISTS {table} "
    "({sid} varchar(128) NOT NULL PRIMARY KEY, {expires} integer NOT NULL, {data} text)",
}
# connect-pg-simple 10.0: table.sql.
_PG_SIMPLE = [
    (
        'CREATE TABLE IF NOT EXISTS {table} ({sid} varchar NOT NULL COLLATE "default" PRIMARY KEY, '
        "{data} json NOT NULL, {expires} timestamp(6) NOT NULL)"
    ),
    "CREATE INDEX IF NOT EXISTS {index} ON {table} ({expires})",
]
_CREATE_INDEX = {
    "mysql": "CREATE INDEX {index} ON {table} ({expires})",
    "postgresql": "CREATE INDEX {index} ON {table} ({expires})",
    "sqlite": "CREATE INDEX {schema}{index} ON {alone} ({expires})",
}
_CREATE_INDEX_BESIDE = "CREATE INDEX CONCURRENTLY {index} ON {table} ({expires})"
_GUARD = {
    "mysql": [
        (
            "CREATE TRIGGER {schema}{guard} BEFORE UPDATE ON {table} FOR EACH ROW SET "
            "NEW.{data} = IF(OLD.{mark} IS NULL, NEW.{data}, OLD.{data}), "
            "NEW.{expires} = IF(OLD.{mark} IS NULL, NEW.{expires}, OLD.{expires})"
        )
    ],
    "postgresql": [
        (
            "CREATE OR REPLACE FUNCTION {schema}{guard}() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RETURN OLD; END $$"
        ),
        (
            "CREATE TRIGGER {guard} BEFORE UPDATE ON {table} FOR EACH ROW "
            "WHEN (OLD.{mark} IS NOT NULL) EXECUTE FUNCTION {schema}{guard}()"
        ),
    ],
    "sqlite": [
        (
            "CREATE TRIGGER {schema}{guard} BEFORE UPDATE ON {alone} WHEN OLD.{mark} IS NOT NULL "
            "BEGIN SELECT RAISE(IGNORE); END"
        )
    ],
}
