"""The engine with a cache in front: ``SESSION_ENGINE = "sessionstore.backends.cached_sql"``."""

from sessionstore.cache.rows import CachedTable

from .sql import SessionStore as SqlSessionStore


class SessionStore(SqlSessionStore):
    """The same sessions in the same table; ``SESSION_CACHE_ALIAS`` names the cache.

    Sites can change between ``sql`` and this one at any time, and subclass it alike.
    """

    @classmethod
    def get_table(cls) -> CachedTable:
        return CachedTable(cls.get_model_class(), tuple(cls.extra_columns({})))
