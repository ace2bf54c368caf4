"""The engine with a cache in front: ``SESSION_ENGINE = "sessionstore.backends.cached_sql"``."""

from sessionstore.backends.sql import SessionStore as SqlSessionStore
from sessionstore.cache.rows import CachedRows


class SessionStore(SqlSessionStore):
    """The same sessions in the same table; ``SESSION_CACHE_ALIAS`` names the cache.

    Sites can change between ``sql`` and this one at any time, and subclass it alike.
    """

    @classmethod
    def get_rows(cls) -> CachedRows:
        return CachedRows(cls.get_model_class(), tuple(cls.extra_columns({})))
