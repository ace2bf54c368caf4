"""What the database's catalogue, and some rows, are asked about the table.

Everything is looked at as the statements find it: by the search path, in the connection's own
database, among the attached files. Nothing is written.
"""

import re
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, connections, transaction

from sessionstore.conf.express import ExpressSettings
from sessionstore.core import expiry
from sessionstore.core.express_format import MAX_SID_LENGTH
from sessionstore.core.text import printable
from sessionstore.express.fitness.inspection import Facts, Index, Inspection, Reference, Sample
from sessionstore.express.fitness.rights import held_by
from sessionstore.express.fitness.zones import shift_of
from sessionstore.express.statements import (
    bound,
    columns_of,
    names_of,
    quoted_table,
    zone_of,
)
from sessionstore.table.faults import code_of
from sessionstore.table.statements import quoted

_SAMPLE = 200
_DENIED = {1142, 1143, "42501"}
# No id of base64url or hexadecimal digits has one of these.
_until_separator = re.compile(r"[A-Za-z0-9_-]{1,20}[:./|~#@]").match


def inspect(alias: str, settings: ExpressSettings) -> Inspection:
    """Look at the table and at some of its rows."""
    vendor, columns = connections[alias].vendor, columns_of(alias, settings)
    if not {settings.id, settings.data, settings.expires} <= columns.keys():
        return Inspection(vendor, columns)
    catalogue = Catalogue(alias, settings)
    denied, is_local = catalogue.denied(), columns[settings.expires].is_local_time
    return Inspection(
        vendor,
        columns,
        indexes=catalogue.indexes(),
        facts=catalogue.facts(),
        triggers=catalogue.triggers(),
        references=catalogue.references(),
        denied=denied,
        user=catalogue.user(),
        zone=zone_of(alias, settings) if is_local else "",
        other_zones=catalogue.other_zones() if is_local else (),
        sample=Sample() if "SELECT" in denied else catalogue.sample(has_times=is_local),
    )


def seen_elsewhere(alias: str, settings: ExpressSettings) -> list[str]:
    """Return the schemas or databases in which this user sees a table of this name and columns."""
    catalogue, wanted = Catalogue(alias, settings), [settings.id, settings.data, settings.expires]
    name = settings.table[-1]
    if catalogue.vendor == "sqlite":
        files = [row[1] for row in catalogue.ask("PRAGMA database_list") if row[1] != "main"]
        columns = {one: catalogue.ask(_SQLITE_NAMES, [name, one]) for one in files}
        return [one for one in files if {row[0] for row in columns[one]}.issuperset(wanted)]
    return [str(row[0]) for row in catalogue.ask(_ELSEWHERE[catalogue.vendor], [name, *wanted])]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The questions, in the words of each database."""

    alias: str
    settings: ExpressSettings

    @property
    def vendor(self) -> str:
        return connections[self.alias].vendor

    @property
    def words(self) -> dict[str, str]:
        """What stands for the braces in the texts, quoted."""
        words = names_of(self.alias, self.settings) | {"sample": str(_SAMPLE)}
        if self.vendor == "sqlite" and self.schema() != "main":
            # What belongs to a table of an attached file has to be made in that file.
            words["schema"] = f"{quoted(self.alias, self.schema())}."
        return words

    def ask(self, sql: str, values: list[Any] | None = None) -> list[Any]:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    def place(self) -> list[str | None]:
        """Return what names the table in a catalogue."""
        *schema, name = self.settings.table
        if self.vendor == "postgresql":
            return [quoted_table(self.alias, self.settings)]
        return [name, *schema] if self.vendor == "sqlite" else [schema[0] if schema else None, name]

    def indexes(self) -> tuple[Index, ...]:
        if self.vendor == "postgresql":
            rows = self.ask(_POSTGRES_INDEXES, self.place())
            return tuple(Index(tuple(names), *is_key) for names, *is_key in rows)
        if self.vendor == "sqlite":
            return self._sqlite_indexes()
        parts: dict[str, list[Any]] = {}
        for row in self.ask("SHOW INDEX FROM {table}".format(**self.words)):
            parts.setdefault(row[2], []).append(row)
        return tuple(
            # A column that is indexed in part is no key: ids that begin alike are one to it.
            Index(
                tuple(row[4] if _is_whole(row[7]) else None for row in rows),
                is_unique=not rows[0][1],
                is_primary=name == "PRIMARY",
            )
            for name, rows in parts.items()
        )

    def _sqlite_indexes(self) -> tuple[Index, ...]:
        name, *schema = self.place()
        more = ", %s" if schema else ""
        found = []
        for index, is_unique in self.ask(_SQLITE_INDEXES.format(more), [name, *schema]):
            rows = self.ask(_SQLITE_PARTS.format(more), [index, *schema])
            # One that ignores case makes one id of two.
            is_exact = all(collation == "BINARY" for _, collation in rows)
            found.append(Index(tuple(row[0] for row in rows), bool(is_unique) and is_exact))
        return tuple(found)

    def facts(self) -> Facts:
        if self.vendor == "sqlite":
            return Facts()
        rows = self.ask(_FACTS[self.vendor], self.place())
        if self.vendor == "postgresql":
            [(kind, is_secured, rights)] = rows
            return Facts(kind=kind, is_row_secured=is_secured, rights=frozenset(rights))
        # MySQL lists no temporary table.
        kind, engine, is_transactional = rows[0] if rows else ("TEMPORARY", "", None)
        kinds = {"VIEW": "view", "TEMPORARY": "temporary table"}
        return Facts(
            kind=kinds.get(kind, "table"),
            engine=engine or "",
            is_transactional=is_transactional != "NO",
            rights=self._rights_in_mysql(),
        )

    def _rights_in_mysql(self) -> frozenset[str]:
        [(database,)] = self.ask("SELECT DATABASE()")
        *schema, name = self.settings.table
        grants = [row[0] for row in self.ask("SHOW GRANTS")]
        return held_by(grants, schema[0] if schema else database or "", name)

    def references(self) -> tuple[Reference, ...]:
        """Return the foreign keys to the table, of the tables that this user sees."""
        values = self.place()
        if self.vendor == "sqlite":
            where = quoted(self.alias, self.schema()).replace("%", "%%")
            rows = self.ask(_SQLITE_REFERENCES.format(where), [values[0]])
        else:
            rows = self.ask(_REFERENCES[self.vendor], values)
        found: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        for *place, name, column, to, on_delete, on_update in rows:
            table = ".".join(quoted(self.alias, part) for part in place)
            key = (table, name, on_delete, on_update)
            found.setdefault(key, []).append((quoted(self.alias, column), to or self.settings.id))
        return tuple(
            Reference(
                name=str(name),
                table=table,
                columns=", ".join(column for column, _ in pairs),
                to=tuple(to for _, to in pairs),
                on_delete=on_delete,
                on_update=on_update,
            )
            for (table, name, on_delete, on_update), pairs in found.items()
        )

    def schema(self) -> str:
        """Return the schema of SQLite in which the table is found: the first that has it."""
        *schema, name = self.settings.table
        if schema:
            return schema[0]
        return next((row[0] for row in self.ask(_SQLITE_SCHEMA, [name])), "main")

    def triggers(self) -> tuple[str, ...]:
        """Return the names of the triggers that fire, as far as this user is shown them."""
        if self.vendor == "sqlite":
            where = quoted(self.alias, self.schema()).replace("%", "%%")
            name = self.settings.table[-1]
            return tuple(row[0] for row in self.ask(_SQLITE_TRIGGERS.format(where), [name]))
        return tuple(row[0] for row in self.ask(_TRIGGERS[self.vendor], self.place()))

    def user(self) -> str:
        """Return this user as a GRANT names one."""
        if self.vendor == "sqlite":
            return ""
        [(name,)] = self.ask("SELECT CURRENT_USER")
        if self.vendor == "postgresql":
            return quoted(self.alias, name)
        user, _, host = name.rpartition("@")
        return "@".join("'" + part.replace("'", "''") + "'" for part in (user, host))

    def denied(self) -> tuple[str, ...]:
        """Return what this user may not do with rows: EXPLAIN needs the right, and does nothing."""
        if self.vendor == "sqlite":
            return ()
        texts = {verb: sql.format(**self.words) for verb, sql in _VERBS.items()}
        return tuple(verb for verb, sql in texts.items() if self._is_denied(f"EXPLAIN {sql}"))

    def _is_denied(self, sql: str) -> bool:
        try:
            with transaction.atomic(using=self.alias):
                self.ask(sql)
        except DatabaseError as error:
            return code_of(error) in _DENIED
        return False

    def other_zones(self) -> tuple[str, ...]:
        """Return which other roles of PostgreSQL have a time zone of their own."""
        return tuple(f"{role}: {zone}" for role, zone in self.ask(_POSTGRES_ZONES))

    def sample(self, *, has_times: bool) -> Sample:
        """Look at some rows, whichever the database finds first."""
        found = [row[0] for row in self.ask(_SOME_IDS.format(**self.words))]
        ids = [
            one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in found
        ]
        return Sample(
            frozenset(_prefix_of(sid, self.settings.prefix) for sid in ids),
            max(map(len, ids), default=0),
            self._shift_s() if has_times else None,
        )

    def _shift_s(self) -> int | None:
        zone = zone_of(self.alias, self.settings)
        rows = self.ask(_SOME_TIMES.format(**bound(self.words)), [zone])
        return shift_of(((int(seconds), text) for seconds, text in rows), expiry.now_ms())


def _is_whole(indexed: int | None) -> bool:
    return indexed is None or indexed >= MAX_SID_LENGTH


def _prefix_of(sid: str, own: str) -> str:
    """Return what tells an application by its ids: up to the first sign that no random id has."""
    if own and sid.startswith(own):
        return own
    start = _until_separator(sid)
    return printable(start[0]) if start else ""


# --- the words of each database

_VERBS = {
    "SELECT": "SELECT {sid}, {data}, {expires} FROM {table} WHERE {sid} = ''",
    "INSERT": "INSERT INTO {table} ({sid}, {data}, {expires}) VALUES (NULL, NULL, NULL)",
    "UPDATE": "UPDATE {table} SET {sid} = {sid}, {data} = {data}, {expires} = {expires}",
    "DELETE": "DELETE FROM {table}",
}
_SOME_IDS = "SELECT {sid} FROM {table} LIMIT {sample}"
# Few are large, and many of those would take much memory.
_SOME_TIMES = (
    "SELECT EXTRACT(EPOCH FROM {expires} AT TIME ZONE %s), {data}::text "
    "FROM {table} WHERE isfinite({expires}) AND length({data}::text) < 65536 LIMIT {sample}"
)
_SQLITE_INDEXES = 'SELECT name, "unique" AND NOT partial FROM pragma_index_list(%s{})'
_SQLITE_PARTS = "SELECT name, coll FROM pragma_index_xinfo(%s{}) WHERE key ORDER BY seqno"
_SQLITE_TRIGGERS = "SELECT name FROM {}.sqlite_master WHERE type = 'trigger' AND tbl_name = %s"
# A temporary table comes before all, as it does for a statement.
_SQLITE_SCHEMA = (
    "SELECT d.name FROM pragma_database_list d WHERE EXISTS "
    "(SELECT 1 FROM pragma_table_xinfo(%s, d.name)) ORDER BY d.name <> 'temp', d.seq"
)
_SQLITE_REFERENCES = """
    SELECT m.name, f.id, f."from", f."to", f.on_delete, f.on_update
    FROM {}.sqlite_master m, pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table' AND lower(f."table") = lower(%s) ORDER BY m.name, f.id, f.seq
"""
_REFERENCES = {
    "postgresql": """
        SELECT n.nspname, t.relname, c.conname, a.attname, b.attname,
               rules.words[strpos('acrnd', c.confdeltype::text)],
               rules.words[strpos('acrnd', c.confupdtype::text)]
        FROM pg_constraint c
        JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
        CROSS JOIN unnest(c.conkey, c.confkey) WITH ORDINALITY k(child, parent, place)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.child
        JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.parent
        CROSS JOIN (VALUES (ARRAY['NO ACTION', 'CASCADE', 'RESTRICT', 'SET NULL', 'SET DEFAULT']))
            rules(words)
        WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid = to_regclass(%s)
        ORDER BY c.oid, k.place
    """,
    "mysql": """
        SELECT k.table_schema, k.table_name, k.constraint_name, k.column_name,
               k.referenced_column_name, r.delete_rule, r.update_rule
        FROM information_schema.referential_constraints r
        JOIN information_schema.key_column_usage k
          ON k.constraint_schema = r.constraint_schema AND k.constraint_name = r.constraint_name
          AND k.table_name = r.table_name
        WHERE r.unique_constraint_schema = COALESCE(%s, DATABASE())
          AND r.referenced_table_name = %s
        ORDER BY k.table_schema, k.table_name, k.constraint_name, k.ordinal_position
    """,
}
_SQLITE_NAMES = "SELECT name FROM pragma_table_xinfo(%s, %s)"
_POSTGRES_INDEXES = """
    SELECT ARRAY(SELECT a.attname::text
                 FROM unnest(i.indkey) WITH ORDINALITY k(number, place)
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                 WHERE k.place <= i.indnkeyatts ORDER BY k.place),
           i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL,
           i.indisprimary, i.indisvalid
    FROM pg_index i WHERE i.indrelid = to_regclass(%s)
"""
_FACTS = {
    "postgresql": """
        SELECT CASE WHEN c.relpersistence = 't' THEN 'temporary table'
                    WHEN c.relkind = 'v' THEN 'view'
                    WHEN c.relkind = 'm' THEN 'materialized view'
                    WHEN c.relkind = 'f' THEN 'foreign table'
                    WHEN c.relkind = 'p' THEN 'partitioned table'
                    WHEN c.relpersistence = 'u' THEN 'unlogged table'
                    ELSE 'table' END,
               row_security_active(c.oid),
               CASE WHEN pg_has_role(c.relowner, 'USAGE') THEN ARRAY['ALTER', 'INDEX', 'TRIGGER']
                    WHEN has_table_privilege(c.oid, 'TRIGGER') THEN ARRAY['TRIGGER']
                    ELSE ARRAY[]::text[] END
        FROM pg_class c WHERE c.oid = to_regclass(%s)
    """,
    "mysql": """
        SELECT t.table_type, t.engine, e.transactions
        FROM information_schema.tables t
        LEFT JOIN information_schema.engines e ON e.engine = t.engine
        WHERE t.table_schema = COALESCE(%s, DATABASE()) AND t.table_name = %s
    """,
}
_TRIGGERS = {
    "mysql": "SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = "
    "COALESCE(%s, DATABASE()) AND event_object_table = %s",
    "postgresql": "SELECT tgname FROM pg_trigger "
    "WHERE tgrelid = to_regclass(%s) AND NOT tgisinternal AND tgenabled IN ('O', 'A')",
}
_POSTGRES_ZONES = """
    SELECT r.rolname, split_part(setting, '=', 2)
    FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) setting
    WHERE lower(split_part(setting, '=', 1)) = 'timezone' AND r.rolname <> CURRENT_USER
    ORDER BY 1
"""
_ELSEWHERE = {
    # The catalogue itself: it shows what is in no schema of the search path too.
    "postgresql": """
        SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'f') AND (
            SELECT COUNT(*) FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attname IN (%s, %s, %s)
        ) = 3 ORDER BY 1
    """,
    "mysql": """
        SELECT table_schema FROM information_schema.columns
        WHERE table_name = %s AND column_name IN (%s, %s, %s)
        GROUP BY table_schema HAVING COUNT(*) = 3 ORDER BY 1
    """,
}
