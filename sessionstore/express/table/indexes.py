"""The indexes that rows are found by: that of the expiry, and those of the user."""

from typing import Final

from sessionstore.conf.express import ExpressSettings
from sessionstore.express.fitness.catalogue import Catalogue
from sessionstore.express.statements import fitting
from sessionstore.table.statements import quoted

# One of ours whose making was broken off: it is there, and serves nobody.
_BROKEN_OFF: Final = (
    "SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "WHERE i.indrelid = to_regclass(%s) AND c.relname = %s AND NOT i.indisvalid"
)


def index_name(settings: ExpressSettings, column: str) -> str:
    """Return the name of our index on a column."""
    return fitting(f"IDX_{settings.table[-1]}_{column}")


def index_sql(alias: str, settings: ExpressSettings, column: str) -> list[str]:
    """Return what makes an index that begins with a column; nothing where there is one."""
    catalogue, name = Catalogue(alias, settings), index_name(settings, column)
    if any(one.columns[0] == column and one.is_valid for one in catalogue.indexes()):
        return []
    words = {**catalogue.words, "index": quoted(alias, name), "column": quoted(alias, column)}
    if catalogue.vendor != "postgresql":
        text = "CREATE INDEX {schema}{index} ON {alone} ({column})"
        return [(text if catalogue.vendor == "sqlite" else _PLAIN).format(**words)]
    # A plain CREATE INDEX keeps every login waiting, and is all that a partitioned table takes.
    words["beside"] = "" if catalogue.facts().kind == "partitioned table" else "CONCURRENTLY "
    is_broken_off = catalogue.ask(_BROKEN_OFF, [words["table"], name])
    texts = [*([_DROP] if is_broken_off else []), _BESIDE]
    return [text.format(**words) for text in texts]


_PLAIN = "CREATE INDEX {index} ON {table} ({column})"
_BESIDE = "CREATE INDEX {beside}{index} ON {table} ({column})"
_DROP = "DROP INDEX {beside}IF EXISTS {schema}{index}"
