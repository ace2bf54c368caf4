"""The engine that sessions are moved in from: Django's own ones, django-qsessions, and the like."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from importlib import import_module
from typing import Any

from django.core import signing
from django.db import models, router
from django.utils import timezone

from sessionstore.conf.zones import aware
from sessionstore.core import expiry
from sessionstore.core.crypto import HiddenText
from sessionstore.session.sealed import data_by
from sessionstore.table.retry import READ, WRITE, attempt

logger = logging.getLogger("sessionstore")


@dataclass(frozen=True, slots=True)
class OldSession:
    """What the old engine knows of a session; None is what it does not know. Times are in ms."""

    key: str
    data: dict[str, Any]
    expires_at: int | None = None
    created_at: int | None = None
    last_seen_at: int | None = None
    ip: str | None = None
    user_agent: str | None = None

    def __repr__(self) -> str:
        return "<OldSession>"  # Security: the key still opens a session.


@dataclass(frozen=True, slots=True, repr=False)
class OldRow:
    """A row of the old table. Security: that of Django shows its key in its repr."""

    row: Any

    @property
    def pk(self) -> HiddenText:
        return HiddenText(self.row.pk)


class OldEngine:
    """Reads, finds and removes sessions of the engine whose dotted path is given.

    Where it has a table, the table is asked, whatever cache stands in front: a cache can hold what
    was deleted.
    """

    def __init__(self, path: str) -> None:
        module = import_module(path)
        self.path = path
        self.store: Any = module.SessionStore
        self.model = _model_of(self.store, module)

    def read(self, key: str) -> OldSession | None:
        """Return the live session of an old cookie, or None; raises as ``session_of`` does."""
        if self.model is None:
            store = self.store(key)
            data = store.load()
            return OldSession(key, data) if data and store.session_key else None
        found = attempt(self.alias, READ, lambda: list(map(OldRow, self._live.filter(pk=key))))
        return self.session_of(found[0]) if found else None

    def session_of(self, old: OldRow) -> OldSession | None:
        """Return what a row of the old table holds; None when its data are damaged or empty.

        Raises SessionUnreadable when the old engine has signed them, and they cannot be read here.
        """
        data = self._decoded(old.row.session_data)
        if not data:
            return None
        seen = getattr(old.row, "updated_at", None) or getattr(old.row, "last_activity", None)
        return OldSession(
            key=old.pk,
            data=data,
            expires_at=_ms(old.row.expire_date),
            created_at=_ms(getattr(old.row, "created_at", None)),
            last_seen_at=_ms(seen),
            ip=getattr(old.row, "ip", None),
            user_agent=getattr(old.row, "user_agent", None),
        )

    def _decoded(self, text: str) -> dict[str, Any]:
        store = self.store()
        data = store.decode(text)
        return data_by(lambda: data or _read_signed(store, text))

    def holds(self, key: str) -> bool:
        """Tell whether the old engine still has a session, live or not."""
        if self.model is None:
            return bool(self.store().exists(key))
        return bool(attempt(self.alias, READ, self._rows.filter(pk=key).exists))

    def remove(self, keys: Iterable[str]) -> None:
        """Remove sessions, from a table and from the cache in front of it."""
        keys = sorted(keys)
        store = self.store()
        if self.model is None:
            for key in keys:
                store.delete(key)
            return
        rows = self._rows.filter(pk__in=keys)
        attempt(self.alias, WRITE, lambda: rows._raw_delete(self.alias))
        prefix = getattr(store, "cache_key_prefix", None)
        if prefix is not None:
            self._forget(store._cache, [prefix + key for key in keys])

    def live_after(self, key: str, limit: int) -> list[OldRow]:
        """Return the next rows of the table in the order of their keys."""
        rows = self._live.filter(pk__gt=key).order_by("pk")[:limit]
        return attempt(self.alias, READ, lambda: list(map(OldRow, rows)))

    def maybe_live_after(self, key: str, limit: int) -> list[str]:
        """Return the next keys of those that are live by somebody's clock, in order."""
        keys = self._maybe_live.filter(pk__gt=key).order_by("pk").values_list("pk", flat=True)
        return attempt(self.alias, READ, lambda: list(map(HiddenText, keys[:limit])))

    def count_live(self) -> int:
        return int(attempt(self.alias, READ, self._live.count))

    def count_maybe_live(self) -> int:
        return int(attempt(self.alias, READ, self._maybe_live.count))

    def lock(self, keys: Iterable[str]) -> set[str]:
        """Return which of these rows are still there, and keep others away from them.

        Inside a transaction. SQLite has no row locks; there the transaction has written before and
        is alone.
        """
        rows = self._rows.filter(pk__in=sorted(keys)).order_by("pk")
        return set(rows.select_for_update().values_list("pk", flat=True))

    def _forget(self, cache: Any, names: list[str]) -> None:
        """Empty the cache in front of the table; one that is down must not hold up a move.

        The rows are gone by now, and nobody who moves asks the cache.
        """
        try:
            cache.delete_many(names)
        except Exception as error:  # noqa: BLE001 - each library has its own errors
            # Security: a message of the library may hold the password in its address.
            logger.warning(
                "The cache of %s fails (%s); it keeps %d sessions that have moved until they end",
                self.path,
                type(error).__name__,
                len(names),
            )

    @property
    def alias(self) -> str:
        return router.db_for_write(self.table)

    @property
    def table(self) -> type[models.Model]:
        """The model of its table. Raises LookupError when it has none."""
        if self.model is None:
            message = f"{self.path} has no table"
            raise LookupError(message)
        return self.model

    @property
    def _rows(self) -> Any:
        return self.table._default_manager.using(self.alias)

    @property
    def _live(self) -> Any:
        return self._rows.filter(expire_date__gt=timezone.now())

    @property
    def _maybe_live(self) -> Any:
        apart = timedelta(milliseconds=expiry.CLOCKS_DIFFER_MS)
        return self._rows.filter(expire_date__gt=timezone.now() - apart)


@lru_cache(maxsize=8)
def old_engine(path: str) -> OldEngine:
    return OldEngine(path)


def _read_signed(store: Any, text: str) -> Any:
    """Return what Django's ``decode()`` reads, which answers {} whatever goes wrong.

    {} for what nobody of this site has signed; all else that fails is raised.
    """
    try:
        return signing.loads(text, salt=store.key_salt, serializer=store.serializer)
    except signing.BadSignature:
        return {}


def _model_of(store: Any, module: Any) -> type[models.Model] | None:
    find = getattr(store, "get_model_class", None)
    # Compat: django-user-sessions has no get_model_class(), only the name in its module.
    model = find() if find else getattr(module, "Session", None)
    is_model = isinstance(model, type) and issubclass(model, models.Model)
    return model if is_model else None


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else expiry.to_ms(aware(moment))
