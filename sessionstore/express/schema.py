"""The table itself: made as Express makes it, given its mark column, and compared with both.

Names were validated when the settings were parsed and are quoted here.
"""

from dataclasses import dataclass
from typing import Any

from django.db import connections

from sessionstore.conf.express import ExpressSettings
from sessionstore.express.statements import quoted_table


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be; ``breaks`` when sessions cannot be shared so."""

    text: str
    breaks: bool = False


@dataclass(frozen=True, slots=True)
class ExpressTable:
    """The table of SESSIONSTORE_EXPRESS on one database alias."""

    alias: str
    settings: ExpressSettings

    # --- SQL that an operator can read first

    def create_sql(self) -> list[str]:
        """Return what express-mysql-session or connect-pg-simple would run."""
        names = {"table": self._table, "id": self._quote(self.settings.id)}
        names |= {
            "data": self._quote(self.settings.data),
            "expires": self._quote(self.settings.expires),
            "index": self._index_name,
        }
        if self.settings.is_postgres_layout:
            return [text.format(**names) for text in _PG_SIMPLE]
        return [_MYSQL_SESSION[self._vendor].format(**names)]

    def add_mark_sql(self) -> list[str]:
        """Return what adds the mark column and the index on the expiry, where they are missing."""
        statements = []
        if self.settings.mark not in self.columns():
            kind = "int unsigned" if self._vendor == "mysql" else "bigint"
            statements.append(f"ALTER TABLE {self._table} ADD COLUMN {self._mark} {kind} NULL")
        if not self.has_index():
            # A plain CREATE INDEX would keep every login waiting.
            how = " CONCURRENTLY" if self._vendor == "postgresql" else ""
            column = self._quote(self.settings.expires)
            statements.append(f"CREATE INDEX{how} {self._index_name} ON {self._table} ({column})")
        return statements

    def add_guard_sql(self) -> list[str]:
        """Return what makes the database keep a mark against Express's upsert.

        Express writes without looking: a request that was under way at the logout would bring the
        session back for Express itself, while Django goes on refusing it.
        """
        if self.has_guard():
            return []
        names = {"table": self._table, "mark": self._mark, "name": self._quote(self._guard)}
        names |= {"data": self._quote(self.settings.data)}
        names |= {"expires": self._quote(self.settings.expires)}
        return [text.format(**names) for text in _GUARD[self._vendor]]

    # --- what there is

    def columns(self) -> dict[str, dict[str, Any]]:
        """Return each column's type and collation by its name; {} when there is no table."""
        rows = self._ask(_COLUMNS[self._vendor], self._schema_and_name())
        return {row[0]: {"type": str(row[1]).lower(), "collation": row[2]} for row in rows}

    def has_index(self) -> bool:
        """Tell whether an index begins with the expiry."""
        return bool(self._ask(_INDEX[self._vendor], [*self._where(), self.settings.expires]))

    def has_guard(self) -> bool:
        """Tell whether our trigger is there."""
        return bool(self._ask(_TRIGGER[self._vendor], [*self._where(), self._guard]))

    def differences(self) -> list[Difference]:
        """Return what differs from what both sides need, the worst first."""
        columns, settings = self.columns(), self.settings
        if not columns:
            return [Difference(f"the table {self.name} does not exist (--create)", breaks=True)]
        wanted = (settings.id, settings.data, settings.expires)
        missing = [name for name in wanted if name not in columns]
        if missing:
            return [Difference(f"the column {name} is missing", breaks=True) for name in missing]
        found = self._text_columns(columns)
        if not self.has_index():
            found.append(
                Difference(f"{settings.expires} has no index (--add-mark): clean-up scans")
            )
        if settings.mark not in columns:
            found.append(
                Difference(
                    f"there is no mark column {settings.mark} (--add-mark): a request of Express "
                    f"that is under way can bring back a session that was logged out"
                )
            )
        elif not self.has_guard():
            found.append(
                Difference(
                    "there is no guard (--add-guard): a logout is final for Django, and not for "
                    "a request of Express that is under way"
                )
            )
        return found

    @property
    def name(self) -> str:
        return ".".join(self.settings.table)

    # --- below

    def _text_columns(self, columns: dict[str, dict[str, Any]]) -> list[Difference]:
        """Return what MySQL would change or confuse in the ids and the data."""
        if self._vendor != "mysql":
            return []
        found = []
        for name in (self.settings.id, self.settings.data):
            collation = str(columns[name]["collation"])
            if columns[name]["type"] == "json":
                text = f"{name} has the type json, which rewrites its text: make it mediumtext"
                found.append(Difference(text, breaks=True))
            elif not collation.startswith("utf8mb4"):
                text = f"{name} has the collation {collation}: it cannot hold every character"
                found.append(Difference(text, breaks=True))
            elif not collation.endswith("_bin"):
                found.append(Difference(f"{name} has the collation {collation}: a is A to it"))
        return found

    @property
    def _vendor(self) -> str:
        return connections[self.alias].vendor

    @property
    def _table(self) -> str:
        return quoted_table(self.alias, self.settings)

    @property
    def _mark(self) -> str:
        return self._quote(self.settings.mark)

    @property
    def _index_name(self) -> str:
        return self._quote(f"IDX_{self.settings.table[-1]}_{self.settings.expires}"[:63])

    @property
    def _guard(self) -> str:
        return f"{self.settings.table[-1]}_keep_mark"[:63]

    def _quote(self, name: str) -> str:
        return connections[self.alias].ops.quote_name(name)

    def _schema_and_name(self) -> list[str | None]:
        *schema, name = self.settings.table
        return [schema[0] if schema else None, name]

    def _where(self) -> list[str | None]:
        return [self._table] if self._vendor == "postgresql" else self._schema_and_name()

    def _ask(self, sql: str, values: list[str | None]) -> list[Any]:
        with connections[self.alias].cursor() as cursor:
            if self._vendor == "sqlite":
                values = values[1:]
            cursor.execute(sql, values)
            return list(cursor.fetchall())


# express-mysql-session 3.0: schema.sql; elsewhere the same columns.
_MYSQL_SESSION = {
    "mysql": "CREATE TABLE IF NOT EXISTS {table} (\n"
    "  {id} varchar(128) COLLATE utf8mb4_bin NOT NULL,\n"
    "  {expires} int(11) unsigned NOT NULL,\n"
    "  {data} mediumtext COLLATE utf8mb4_bin,\n"
    "  PRIMARY KEY ({id})\n"
    ") ENGINE=InnoDB",
    "postgresql": "CREATE TABLE IF NOT EXISTS {table} "
    "({id} varchar(128) PRIMARY KEY, {expires} bigint NOT NULL, {data} text)",
    "sqlite": "CREATE TABLE IF NOT EXISTS {table} "
    "({id} varchar(128) NOT NULL PRIMARY KEY, {expires} integer NOT NULL, {data} text)",
}
# connect-pg-simple 10.0: table.sql.
_PG_SIMPLE = [
    (
        'CREATE TABLE IF NOT EXISTS {table} ({id} varchar NOT NULL COLLATE "default" PRIMARY KEY, '
        "{data} json NOT NULL, {expires} timestamp(6) NOT NULL)"
    ),
    "CREATE INDEX IF NOT EXISTS {index} ON {table} ({expires})",
]
_GUARD = {
    "mysql": [
        (
            "CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW SET "
            "NEW.{data} = IF(OLD.{mark} IS NULL, NEW.{data}, OLD.{data}), "
            "NEW.{expires} = IF(OLD.{mark} IS NULL, NEW.{expires}, OLD.{expires})"
        )
    ],
    "postgresql": [
        (
            "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RETURN OLD; END $$"
        ),
        (
            "CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW "
            "WHEN (OLD.{mark} IS NOT NULL) EXECUTE FUNCTION {name}()"
        ),
    ],
    "sqlite": [
        (
            "CREATE TRIGGER {name} BEFORE UPDATE ON {table} WHEN OLD.{mark} IS NOT NULL "
            "BEGIN SELECT RAISE(IGNORE); END"
        )
    ],
}
_COLUMNS = {
    "mysql": "SELECT column_name, data_type, collation_name FROM information_schema.columns "
    "WHERE table_schema = COALESCE(%s, DATABASE()) AND table_name = %s",
    "postgresql": "SELECT column_name, data_type, collation_name FROM information_schema.columns "
    "WHERE table_schema = COALESCE(%s, CURRENT_SCHEMA()) AND table_name = %s",
    "sqlite": "SELECT name, type, NULL FROM pragma_table_info(%s)",
}
_INDEX = {
    "mysql": "SELECT 1 FROM information_schema.statistics WHERE table_schema = "
    "COALESCE(%s, DATABASE()) AND table_name = %s AND column_name = %s AND seq_in_index = 1",
    "postgresql": "SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid "
    "AND a.attnum = i.indkey[0] WHERE i.indrelid = to_regclass(%s) AND a.attname = %s",
    "sqlite": "SELECT 1 FROM pragma_index_list(%s) l, pragma_index_info(l.name) i "
    "WHERE i.seqno = 0 AND i.name = %s",
}
_TRIGGER = {
    "mysql": "SELECT 1 FROM information_schema.triggers WHERE event_object_schema = "
    "COALESCE(%s, DATABASE()) AND event_object_table = %s AND trigger_name = %s",
    "postgresql": "SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND tgname = %s",
    "sqlite": "SELECT 1 FROM sqlite_master WHERE tbl_name = %s AND name = %s",
}
