"""The table itself: made as Express makes it, given its mark column, and judged."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from django.db import connections

from sessionstore.conf.express import ExpressSettings
from sessionstore.core.text import printable
from sessionstore.express.fitness.catalogue import Catalogue, inspect, seen_elsewhere
from sessionstore.express.fitness.findings import Assessment, Finding, Level
from sessionstore.express.fitness.inspection import Inspection
from sessionstore.express.fitness.trial import try_session
from sessionstore.express.rows import SharedTable
from sessionstore.express.statements import (
    Column,
    columns_of,
    fitting,
    quoted_table,
)
from sessionstore.express.table.indexes import index_name, index_sql
from sessionstore.express.table.user_columns import UserColumns
from sessionstore.table.refusals import missing, where
from sessionstore.table.statements import quoted

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
        return [*statements, *index_sql(self.alias, self.settings, self.settings.expires)]

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

    def absence(self) -> str:
        """Return the sentence for an operator about a table that is not there."""
        shared = SharedTable().using(self.alias)
        if places := self.elsewhere():
            return f"There is no table {where(shared)}; {_where_seen(places)}."
        return missing(shared)

    def has_guard(self) -> bool:
        """Tell whether our trigger is there."""
        return self._guard in self.inspection.triggers

    def findings(self, *, tries: bool = False) -> list[Finding]:
        """Return what is to be said of the table, the worst first.

        With ``tries`` a session is stored and taken back, where that leaves nothing behind, and the
        columns of the user are judged too; of those the system checks tell otherwise (W050).
        """
        seen, settings = self.inspection, self.settings
        if not seen.columns:
            return [Finding(Level.BREAKS, self.absence().removesuffix("."))]
        wanted = (settings.id, settings.data, settings.expires)
        missing = [printable(name) for name in wanted if name not in seen.columns]
        if missing:
            return [Finding(Level.BREAKS, f"the column {name} is missing") for name in missing]
        names = {name: quoted(self.alias, name) for name in seen.columns}
        assessment = Assessment(settings, seen, quoted_table(self.alias, settings), names)
        found = [*assessment.findings(), *self._marks()]
        if tries:
            why = UserColumns(self.alias, settings).why_unsure()
            found += [] if why is None else [Finding(Level.COSTS, f"{why} (--add-user)")]
            found[:0] = [] if any(one.breaks for one in found) else self._tried()
        levels = list(Level)
        return sorted(found, key=lambda one: levels.index(one.level))

    @property
    def name(self) -> str:
        return self.settings.name

    # --- below

    def _tried(self) -> Iterator[Finding]:
        """Yield how a session fared that was stored and taken back, or why none was."""
        facts = self.inspection.facts
        for one in self._triggers_of_others():
            untried = ", so no session was tried in it" if facts.is_transactional else ""
            yield replace(one, text=f"{one.text}{untried}")
            # A copy has no triggers.
            if facts.is_transactional:
                return
        wrong = try_session(self.alias, self.settings, facts)
        if wrong is not None:
            yield Finding(Level.BREAKS, f"a session that was tried in it: {wrong}")
        else:
            yield Finding(Level.WORKS, "a session was stored, changed and ended, and taken back")

    def _triggers_of_others(self) -> Iterator[Finding]:
        """Yield what would fire, as far as this user is shown it: what that does is theirs."""
        seen = self.inspection
        ours = {self._guard, *UserColumns(self.alias, self.settings).trigger_names}
        if not seen.sees_triggers:
            text = f"{seen.user} is shown neither triggers of others nor the guard"
            yield Finding(Level.COSTS, text, self._grant("TRIGGER"))
        elif others := sorted(set(seen.triggers) - ours):
            names = ", ".join(map(printable, others))
            yield Finding(Level.COSTS, f"it has triggers of its own ({names})")

    def _marks(self) -> list[Finding]:
        """Return what a logout lacks to be final, and the rights that adding it takes."""
        mark, seen = printable(self.settings.mark), self.inspection
        if self.settings.mark not in seen.columns:
            text = (
                f"there is no mark column {mark} (--add-mark): a request of Express "
                f"that is under way can bring back a session that was logged out"
            )
            is_indexed = seen.has_index(self.settings.expires)
            return [self._lacking(text, "ALTER", *([] if is_indexed else ["INDEX"]))]
        column = seen.columns[self.settings.mark]
        is_empty = column.is_nullable and not (column.has_default or column.is_generated)
        if column.kind not in _COUNTS or not is_empty:
            text = (
                f"the mark column {mark} is {column.type}: a mark is a number of seconds, and NULL "
                f'in all other rows; name another in "columns"'
            )
            return [Finding(Level.BREAKS, text)]
        if seen.sees_triggers and not self.has_guard():
            text = (
                "there is no guard (--add-guard): a logout is final for Django, and not for "
                "a request of Express that is under way"
            )
            return [self._lacking(text, "TRIGGER")]
        return []

    def _lacking(self, text: str, *rights: str) -> Finding:
        """Return what is not there, and what is needed for whoever may not add it."""
        missing = [one for one in rights if one not in self.inspection.facts.rights]
        if "ALTER" in missing and self._vendor == "postgresql":
            # No grant gives it.
            return Finding(Level.COSTS, f"{text}; only the owner of {self.name} can add it")
        return Finding(Level.COSTS, text, self._grant(*missing) if missing else "")

    def _grant(self, *rights: str) -> str:
        table = quoted_table(self.alias, self.settings)
        return f"GRANT {', '.join(rights)} ON {table} TO {self.inspection.user}"

    @property
    def _vendor(self) -> str:
        return connections[self.alias].vendor

    @property
    def _guard(self) -> str:
        return fitting(self.settings.table[-1], "_keep_mark")

    @property
    def _words(self) -> dict[str, str]:
        """Return what stands for the braces in the texts, quoted."""
        return {
            **Catalogue(self.alias, self.settings).words,
            "index": quoted(self.alias, index_name(self.settings, self.settings.expires)),
            "guard": quoted(self.alias, self._guard),
        }


def refusal(table: ExpressTable) -> str | None:
    """Return why a table must not be made: one that is seen elsewhere would be hidden by it."""
    places = table.elsewhere()
    return None if not places else f"The table {table.name} is not made, for {_where_seen(places)}."


def _where_seen(places: list[str]) -> str:
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
            # The one that somebody has disabled fires again.
            "CREATE OR REPLACE TRIGGER {guard} BEFORE UPDATE ON {table} FOR EACH ROW "
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
