"""What a look at the table says: what breaks, what costs and what works. Pure, without a database.

"Breaks" is what loses a session, on either side, at some request; all else works.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from sessionstore.conf.express import ExpressSettings
from sessionstore.core.express_format import MAX_SID_LENGTH, SID_LENGTH
from sessionstore.core.text import printable
from sessionstore.express.fitness.inspection import Inspection, Reference
from sessionstore.express.statements import Column


class Level(enum.Enum):
    """How grave a finding is."""

    BREAKS = "breaks"
    COSTS = "costs"
    WORKS = "works"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about the table, with the SQL that mends it where that can be said."""

    level: Level
    text: str
    mend: str = ""

    @property
    def breaks(self) -> bool:
        return self.level is Level.BREAKS


@dataclass(frozen=True, slots=True)
class Assessment:
    """The judgement of a table by the settings and its inspection; names are as SQL has them."""

    settings: ExpressSettings
    seen: Inspection
    table: str
    quoted: dict[str, str]

    def findings(self) -> Iterator[Finding]:
        """Yield all that is to be said."""
        return chain(
            self._rights(),
            self._relation(),
            self._id(),
            self._data(),
            self._expires(),
            self._key(),
            self._others(),
            self._references(),
            self._zone(),
            self._ids_in_use(),
        )

    # --- the table

    def _rights(self) -> Iterator[Finding]:
        if self.seen.denied:
            verbs = ", ".join(self.seen.denied)
            mend = f"GRANT {verbs} ON {self.table} TO {self.seen.user}"
            yield _breaks(f"{self.seen.user} may not {verbs}", mend)

    def _relation(self) -> Iterator[Finding]:
        facts, kind = self.seen.facts, self.seen.facts.kind
        if kind in ("temporary table", "materialized view"):
            yield _breaks(f"it is a {kind}, which nobody else can write")
        elif kind == "unlogged table":
            mend = f"ALTER TABLE {self.table} SET LOGGED"
            yield _costs("it is an unlogged table: a crash of the server empties it", mend)
        elif kind != "table":
            yield _costs(f"it is a {kind}")
        if not facts.is_transactional:
            mend = f"ALTER TABLE {self.table} ENGINE=InnoDB"
            text = f"{facts.engine} has no transactions: a crash damages it, a write locks it"
            yield _costs(text, mend)
        if facts.is_row_secured:
            yield _costs("row-level security is on: its policies must let both halves see all rows")

    def _key(self) -> Iterator[Finding]:
        """Judge the keys: Express's upsert needs one on the id, and no other in its way."""
        seen, name = self.seen, self.settings.id
        if seen.facts.kind in ("view", "foreign table"):
            return
        if not any(one.is_unique and one.columns == (name,) for one in seen.indexes):
            result = "an error" if seen.vendor == "postgresql" else "another row"
            text = f"{printable(name)} has no key of its own: each save of Express is {result}"
            yield _breaks(text, self._key_added(name))
        for one in seen.indexes:
            if one.is_unique and not self._can_differ(one.columns):
                columns = ", ".join(printable(column or "an expression") for column in one.columns)
                yield _breaks(f"{columns} must be unique: one session takes the other's place")
        if not seen.has_index(self.settings.expires):
            shown = printable(self.settings.expires)
            yield _costs(f"{shown} has no index (--add-mark): clean-up scans")

    def _key_added(self, name: str) -> str:
        column = self.quoted[name]
        if self.seen.vendor == "sqlite":
            return f"CREATE UNIQUE INDEX session_ids ON {self.table} ({column})"
        if self.seen.vendor == "mysql" and "text" in self.seen.columns[name].type:
            column += f"({MAX_SID_LENGTH})"
        has_primary = any(one.is_primary for one in self.seen.indexes)
        return (
            f"ALTER TABLE {self.table} ADD {'UNIQUE' if has_primary else 'PRIMARY KEY'} ({column})"
        )

    def _can_differ(self, columns: tuple[str | None, ...]) -> bool:
        """Tell whether two sessions of Express can stand beside each other under a unique key."""
        if None in columns or self.settings.id in columns:
            return True
        extra = set(columns) - {self.settings.data, self.settings.expires}
        found = [self.seen.columns[name] for name in extra if name is not None]
        # NULLs do not collide, and a default may be a sequence: who knows better is the trial.
        return any(column.has_default or column.is_nullable for column in found)

    def _others(self) -> Iterator[Finding]:
        own = {self.settings.id, self.settings.data, self.settings.expires}
        for name, column in self.seen.columns.items():
            if name in own:
                if column.is_generated:
                    yield _breaks(f"{printable(name)} is generated: nobody can write it")
            elif not (column.is_nullable or column.has_default or column.is_generated):
                text = f"{printable(name)} is NOT NULL without a default; Express has no value"
                yield _breaks(text, self._altered(name, column.type, null="NULL"))

    def _references(self) -> Iterator[Finding]:
        """Judge foreign keys: ends delete a row, and a new key gives it another id."""
        for one in self.seen.references:
            rules = {"ON DELETE": one.on_delete}
            if self.settings.id in one.to:
                rules["ON UPDATE"] = one.on_update
            lacking = [event for event, rule in rules.items() if rule not in _FOLLOWS]
            if lacking:
                text = (
                    f"{printable(one.table)} refers to it with {' and '.join(lacking)} "
                    f"{' and '.join(dict.fromkeys(rules[event] for event in lacking))}: what it "
                    f"refers to cannot end or get a new key"
                )
                yield _breaks(text, self._followed(one))

    def _followed(self, reference: Reference) -> str:
        if self.seen.vendor == "sqlite":
            return ""
        is_mysql = self.seen.vendor == "mysql"
        quote = "`" if is_mysql else '"'
        name = quote + reference.name.replace(quote, quote * 2) + quote
        to = ", ".join(self.quoted[column] for column in reference.to)
        return (
            f"ALTER TABLE {reference.table} DROP {'FOREIGN KEY' if is_mysql else 'CONSTRAINT'} "
            f"{name}, ADD FOREIGN KEY ({reference.columns}) REFERENCES {self.table} ({to}) "
            f"ON DELETE CASCADE ON UPDATE CASCADE"
        )

    # --- the columns

    def _id(self) -> Iterator[Finding]:
        name, column = self.settings.id, self.seen.columns[self.settings.id]
        wanted = SID_LENGTH + len(self.settings.prefix)
        if self.seen.vendor == "sqlite":
            return
        shown, collation = printable(name), column.collation
        mend = self._altered(name, "varchar(128)", null="NOT NULL")
        if column.kind not in _IDS[self.seen.vendor]:
            yield _breaks(f"{shown} is {column.type}, which is not the type of an id", mend)
        elif column.length is not None and column.length < wanted:
            yield _breaks(f"{shown} holds {column.length} characters, an id has {wanted}", mend)
        elif not column.is_exact:
            text = f"{shown} has the collation {collation}: two ids may be one, for a is A to it"
            yield _breaks(text, mend)
        elif self.seen.vendor == "mysql" and not _is_utf8(column):
            yield _costs(f"{shown} has the collation {collation}: ids have to be within it", mend)

    def _data(self) -> Iterator[Finding]:
        name, column = self.settings.data, self.seen.columns[self.settings.data]
        if self.seen.vendor == "sqlite":
            return
        is_mysql, shown = self.seen.vendor == "mysql", printable(self.settings.data)
        mend = self._altered(name, "mediumtext" if is_mysql else "json")
        if column.kind not in _DATA[self.seen.vendor]:
            size = _SMALL.get(column.kind)
            why = f"holds {size}: more is cut or an error" if size else "is not a type for JSON"
            yield _breaks(f"{shown} is {column.type}, which {why}", mend)
        elif column.length is not None:
            yield _breaks(f"{shown} is {column.type}: what is longer is an error", mend)
        elif is_mysql and column.collation is not None and not _is_utf8(column):
            text = f"{shown} has the collation {column.collation}: it cannot hold every character"
            yield _breaks(text, mend)
        elif is_mysql and not column.is_exact:
            text = f"{shown} has the collation {column.collation}: each save compares it bytewise"
            yield _costs(text, mend)
        elif column.kind in _VALUES[self.seen.vendor]:
            limits = _VALUES[self.seen.vendor][column.kind]
            text = f"{shown} is {column.type}, which stores the value and not the text: {limits}"
            yield _costs(f"{text} is an error")
        else:
            yield _works(f"{shown} is {column.type}")

    def _expires(self) -> Iterator[Finding]:
        name, column = self.settings.expires, self.seen.columns[self.settings.expires]
        if self.seen.vendor == "sqlite":
            return
        shown, is_postgres = printable(name), self.seen.vendor == "postgresql"
        if self.settings.is_postgres_layout:
            if not column.type.startswith("timestamp"):
                mend = self._altered(name, "timestamp(6)")
                yield _breaks(f"{shown} is {column.type}: Express writes a timestamp", mend)
            elif self.seen.zone:
                yield _works(f"{shown} is {column.type}, taken as {printable(self.seen.zone)}")
            else:
                yield _works(f"{shown} is {column.type}, a moment in any zone")
            return
        mend = self._altered(name, "bigint" if is_postgres else "int unsigned", null="NOT NULL")
        if column.kind in ("int", "integer") and "unsigned" not in column.type:
            yield _costs(f"{shown} is {column.type}: nothing can live beyond 2038-01-19", mend)
        elif column.kind in _SECONDS_AS_TEXT and not is_postgres and (column.length or 0) >= 10:
            yield _costs(f"{shown} is {column.type}: no index helps to find what has expired", mend)
        elif column.kind in ("decimal", "numeric") and column.whole_digits < 10:
            yield _breaks(f"{shown} is {column.type}, and seconds have ten digits", mend)
        elif column.kind not in _SECONDS:
            yield _breaks(f"{shown} is {column.type}: Express writes seconds since 1970", mend)
        else:
            yield _works(f"{shown} is {column.type}")

    # --- what only rows and roles tell

    def _zone(self) -> Iterator[Finding]:
        seen, shown = self.seen, printable(self.settings.expires)
        shift, zone = seen.sample.shift_s, printable(seen.zone)
        if not zone:
            return
        if shift:
            text = (
                f"{shown} is about {shift / 3600:+g} h off what Express wrote beside it: its "
                f'connections have another zone than {zone}, set "time_zone"'
            )
            yield _breaks(text, self._altered(self.settings.expires, "timestamptz"))
        elif shift is None and self.settings.time_zone is None:
            roles = "; ".join(map(printable, seen.other_zones))
            own = f"; roles have zones of their own ({roles})" if roles else ""
            text = (
                f"{shown}: not verified, for no row of Express tells whether its connections have "
                f'the zone {zone}, as the server has{own}: set "time_zone" to theirs'
            )
            yield _costs(text)

    def _ids_in_use(self) -> Iterator[Finding]:
        sample, own = self.seen.sample, self.settings.prefix
        if sample.longest > MAX_SID_LENGTH:
            yield _breaks(
                f"ids of {sample.longest} characters are in use, and Django takes {MAX_SID_LENGTH} "
                f"at most: let genid make shorter ones"
            )
        others = sorted(sample.prefixes - {own})
        if own and others:
            shown = ", ".join(repr(one) if one else "none" for one in others)
            yield _works(f"ids begin with {own!r}; those of others ({shown}) are left alone")
        elif others:
            shown = ", ".join(map(repr, others))
            if len(others) > 1:
                yield _costs(
                    f"ids begin differently ({shown}): several applications; without "
                    f'"prefix" Django takes the sessions of all of them for its own'
                )
            else:
                yield _costs(f'ids begin with {shown}: set "prefix", or Django makes others')

    def _altered(self, name: str, kind: str, *, null: str = "") -> str:
        """Return the statement that gives a column another type."""
        column = self.quoted[name]
        if self.seen.vendor == "sqlite":
            return ""
        if self.seen.vendor == "mysql":
            collation = self.seen.columns[name].collation
            if null == "NULL":  # Nothing else of a column of theirs changes.
                text = f"COLLATE {collation}" if collation else ""
            else:
                is_text = kind.startswith(("varchar", "mediumtext"))
                text = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if is_text else ""
            words = [kind, text, null]
            return f"ALTER TABLE {self.table} MODIFY {column} {' '.join(filter(None, words))}"
        if null == "NULL":
            return f"ALTER TABLE {self.table} ALTER COLUMN {column} DROP NOT NULL"
        value = f"{column}::{kind}"
        if self.seen.columns[name].kind == "bytea":
            value = f"convert_from({column}, 'UTF8')::{kind}"
        if kind.startswith("timestamp") and self.seen.columns[name].kind in _SECONDS:
            value = f"to_timestamp({column})"
        return f"ALTER TABLE {self.table} ALTER COLUMN {column} TYPE {kind} USING {value}"


_IDS = {
    "mysql": {"varchar", "char", "varbinary", "tinytext", "text", "mediumtext", "longtext"},
    "postgresql": {"character varying", "text", "character"},
}
_DATA = {
    "mysql": {"mediumtext", "longtext", "json"},
    "postgresql": {"json", "jsonb", "text", "character varying"},
}
# Types that keep a value and no text, and what they refuse of what Express may write.
_VALUES = {
    "mysql": {"json": "half a surrogate pair, or more than 100 levels,"},
    "postgresql": {"jsonb": "a NUL, or half a surrogate pair,"},
}
_SMALL = {"tinytext": "255 bytes", "text": "64 KB", "varchar": "64 KB at most", "char": "255 signs"}
_SECONDS = {"int", "integer", "bigint", "decimal", "numeric", "double", "double precision"}
# What a foreign key does so that the row that it refers to can go.
_FOLLOWS = {"CASCADE", "SET NULL", "SET DEFAULT"}
_SECONDS_AS_TEXT = {"varchar", "char"}


def _breaks(text: str, mend: str = "") -> Finding:
    return Finding(Level.BREAKS, text, mend)


def _costs(text: str, mend: str = "") -> Finding:
    return Finding(Level.COSTS, text, mend)


def _works(text: str) -> Finding:
    return Finding(Level.WORKS, text)


def _is_utf8(column: Column) -> bool:
    return column.collation is None or column.collation.startswith("utf8mb4")
