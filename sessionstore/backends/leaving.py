"""The way out: ``SESSION_ENGINE = "sessionstore.backends.leaving"``.

Django's own engine on Django's own table, to which each session of ours moves back when its cookie
comes. A bulk export cannot be: the table of ours knows no keys.

The key in Django's table is derived from ours, so all requests of a page reach the same row. Our
row stays for a minute as a signpost: an UPDATE that expects its version decides who moves the
session, and a logout in that minute is final, because nobody moves a signpost.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore as DjangoSessionStore
from django.db import IntegrityError, router, transaction

from sessionstore.backends.sql import SessionStore as SqlSessionStore
from sessionstore.cleaning import clear_expired
from sessionstore.conf import conf
from sessionstore.conf.zones import shown
from sessionstore.core import expiry
from sessionstore.core.crypto import HiddenText
from sessionstore.core.keys import Key
from sessionstore.core.record import Record
from sessionstore.moving.adoption import OLD_COOKIE_MS, derived_keys, is_imported, is_old_key
from sessionstore.session.drafts import table_of
from sessionstore.session.ending import delete_for_good, delete_when_moved
from sessionstore.session.expiring import EXPIRY_KEY
from sessionstore.session.sealed import dumps, open_row
from sessionstore.table.retry import in_transaction, jitter, unavailable
from sessionstore.table.rows import SqlTable

_LEFT = "_sessionstore_left"
_TRIES = 5


class SessionStore(DjangoSessionStore):
    """Django's engine, which also opens cookies of ours. For a table of your own, subclass it."""

    # The engine whose sessions leave.
    ours: type[SqlSessionStore] = SqlSessionStore
    # The key of the row that this request has moved, and the key that its copy has got.
    _moved: tuple[Key, str] | None = None

    @classmethod
    def get_table(cls) -> SqlTable:
        """Return the table that sessions leave; the same object for every request."""
        table: SqlTable = table_of(cls.ours)
        return table

    def load(self) -> dict[str, Any]:
        # Security: frames are recorded when the database fails.
        text = self.session_key and HiddenText(self.session_key)
        key = conf.keyring.open(text)
        if key is None:
            data: dict[str, Any] = super().load()
            if data or not is_old_key(text) or not self._bring_back(text):
                return data
            self._session_key = text
        else:
            self._session_key = self._leave(key, conf.keyring.key_for_django(key))
            self.modified = True  # The answer has to carry the new cookie.
        return super().load() if self._session_key else {}

    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)()

    def delete(self, session_key: str | None = None) -> None:
        text: str = HiddenText(session_key or self.session_key or "")
        del session_key
        key = conf.keyring.open(text)
        if key is not None:
            text = conf.keyring.key_for_django(key)
        if text:
            deletion = partial(self._delete_both, text, key)
            delete_for_good(deletion, router.db_for_write(self.model), self.get_table().alias)

    def _delete_both(self, text: str, key: Key | None) -> None:
        # The signpost goes last: until then nobody can move the session back.
        if key is not None:
            self._mark(key)
        super().delete(text)
        if key is not None:
            self.get_table().remove_key(key.digest)

    async def adelete(self, session_key: str | None = None) -> None:
        await sync_to_async(self.delete)(session_key)

    def save(self, must_create: bool = False) -> None:
        if self._moved is not None:
            # A rollback may have taken the move back, or the half of it that stands in one table.
            key, to = self._moved
            if self.session_key == to:
                self._leave(key, to)
            else:
                self._mark(key)
        super().save(must_create)

    async def asave(self, must_create: bool = False) -> None:
        await sync_to_async(self.save)(must_create)

    @classmethod
    def clear_expired(cls) -> None:
        """Clear both tables."""
        super().clear_expired()
        clear_expired(cls.get_table())

    def _bring_back(self, old_key: str) -> bool:
        """Move a session back that importsessions took, and whose cookie has not come since."""
        return any(
            self._leave(key, old_key, only=is_imported) is not None for key in derived_keys(old_key)
        )

    def _leave(
        self, key: Key, to: str, *, only: Callable[[Record], bool] = lambda _: True
    ) -> str | None:
        """Move a session of ours to the key ``to``, if nobody has; return that key.

        None for one that opens nothing here, also by a timeout that was tightened.
        """
        for tried in range(1, _TRIES + 1):
            table = self.get_table()
            row = table.fetch(key.digest, expiry.now_ms())
            opened = None if row is None else open_row(row, key, handle_of=table.handle_of)
            if row is None or opened is None:
                return None
            data = opened.data
            if _LEFT in data:
                return to
            if not only(row) or self.ours().has_ended(row, opened):
                return None
            if self._move(key, row, data, to):
                self._moved = key, to
                return to
            time.sleep(jitter(tried))
        message = "Too many requests move this session at once."
        raise unavailable(message)

    def _move(self, key: Key, row: Record, data: dict[str, Any], to: str) -> bool:
        """Insert there and leave a signpost here; False when the row has changed meanwhile."""
        table, alias = self.get_table(), router.db_for_write(self.model)
        signpost = self._signpost(key, row)

        def leave_signpost() -> bool:
            return table.update(signpost, row.version, expiry.now_ms())

        def both() -> bool:
            if not leave_signpost():
                return False
            self._insert(to, row, data, alias)
            return True

        if not table.in_transaction() and not in_transaction(alias):
            return bool(table.under_lock(both, row=row.id))
        if alias == table.alias:
            with transaction.atomic(using=alias):
                return both()
        # What a rollback takes back there must not be gone here.
        self._insert(to, row, data, alias)
        delete_when_moved(leave_signpost, table.alias, to=alias)
        return True

    def _insert(self, to: str, row: Record, data: dict[str, Any], alias: str) -> None:
        # By the row or by today's policy, whichever comes first.
        end = self.ours().end_of(data, seen=row.last_seen_at, started=row.started_at)
        session = self.model(
            session_key=to,
            session_data=self.encode(_for_django(data)),
            expire_date=shown(expiry.to_datetime(min(end, row.expires_at))),
        )
        try:
            with transaction.atomic(using=alias):
                session.save(force_insert=True, using=alias)
        except IntegrityError:
            # Somebody died between the two tables, when they are in two databases.
            return

    def _signpost(self, key: Key, row: Record) -> Record:
        signpost = replace(
            row,
            version=row.version + 1,
            user_id=None,
            expires_at=min(expiry.now_ms() + OLD_COOKIE_MS, row.expires_at),
            ip=None,
            user_agent=None,
            extra=self.ours.extra_columns({}),
        )
        signpost.data = conf.codec.encode(dumps({_LEFT: True}), signpost.bound, key)
        return signpost

    def _mark(self, key: Key) -> None:
        """Make our row a signpost, so that nobody moves the session any more."""
        table = self.get_table()
        for _ in range(_TRIES):
            row = table.fetch(key.digest, expiry.now_ms())
            now = expiry.now_ms()
            if row is None or table.update(self._signpost(key, row), row.version, now):
                return


def _for_django(data: dict[str, Any]) -> dict[str, Any]:
    """Return data whose own end is naive where Django compares it with naive moments."""
    own = data.get(EXPIRY_KEY)
    if not isinstance(own, str):
        return data
    return {**data, EXPIRY_KEY: shown(datetime.fromisoformat(own)).isoformat()}
