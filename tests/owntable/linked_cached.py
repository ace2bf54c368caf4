"""The same with a cache in front: SESSION_ENGINE = "tests.owntable.linked_cached"."""

from sessionstore.cache.rows import CachedTable

from .linked import SessionStore as LinkedSessionStore


class SessionStore(LinkedSessionStore):
    """What backends/cached_sql.py does, on the table that others refer to."""

    @classmethod
    def get_table(cls):
        return CachedTable(cls.get_model_class(), tuple(cls.extra_columns({})))
