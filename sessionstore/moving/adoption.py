"""Moves the sessions of the engine that SESSIONSTORE_ADOPT_FROM names, each on its first use.

The new key is derived from the old one under SECRET_KEY, so all requests of a page reach the same
row, whichever of them moves it. Its INSERT decides: who holds the new row's id, not yet committed,
looks whether the old row is still there and takes the INSERT back when it is not. Whoever answers
a browser has removed the old row before, so a logout under the new key leaves nothing that an old
cookie could bring back.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeGuard, TypeVar

from django.db import transaction

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.keys import Key
from sessionstore.core.record import IMPORTED, Record
from sessionstore.exceptions import TakenId
from sessionstore.moving.old_engine import OldEngine, OldSession, old_engine
from sessionstore.session.conflicts import ConflictingSession
from sessionstore.session.writing import USER_KEY
from sessionstore.signals import Reason

T = TypeVar("T")

# How long the requests of a page that is loading may still come with the old cookie.
OLD_COOKIE_MS = 60_000
# Keys of Django and of the engines built on it: 32 characters, 40 at most.
_well_formed = re.compile(r"[0-9a-z]{32,40}").fullmatch


class _MovedMeanwhileError(Exception):
    """The old row is gone, so somebody else has moved the session; nothing may be inserted."""


class AdoptingSession(ConflictingSession):
    """Takes over what an old cookie opens."""

    # Set by the engines whose table can take sessions in.
    adopts = False
    # The cookie that this session was adopted from in this request.
    _adopted_from: str | None = None

    @property
    def _old_key(self) -> str | None:  # type: ignore[override]
        """The key in the cookie, when it can be one of the old engine and is none of ours."""
        text = self._session_key
        if conf.adopt_from is None or not self._is_old(text):
            return None
        return text if self.keyring.open(text) is None else None

    def _is_old(self, text: str | None) -> TypeGuard[str]:
        return self.adopts and is_old_key(text)

    def _can_be_adopted(self) -> bool:
        """Tell whether the cookie may stand for a session of the old engine.

        Looks it up only where the answer decides whether a row is made for it.
        """
        old_key = self._old_key
        if old_key is None:
            return False
        if not conf.save_every_request:
            return True
        now = expiry.now_ms()
        return _engine().holds(old_key) or any(
            self.rows.fetch(key.id, now) for key in derived_keys(old_key)
        )

    def _adopt(self, old_key: str) -> tuple[Key, Record] | None:
        engine = _engine()
        old = engine.read(old_key)
        if old is None:
            return self._moved_before(old_key)
        key = derived_keys(old_key)[0]
        try:
            record = self._in_transaction(partial(self._move, engine, old, key))
        except TakenId:
            # Both rows are there: another request is at it, or died half way, however long ago.
            found = self._moved_before(old_key, finished=False)
        except _MovedMeanwhileError:
            return self._moved_before(old_key)
        else:
            found = None if record is None else (key, record)
        self.rows.on_commit(partial(engine.remove, [old_key]))
        self._adopted_from = old_key
        return found

    def _move(self, engine: OldEngine, old: OldSession, key: Key) -> Record | None:
        now = expiry.now_ms()
        record = self.record_of(old, key, version=self.rows.first_version)
        if record.expires_at <= now:
            return None
        self.rows.insert(record)
        if not engine.holds(old.key):
            raise _MovedMeanwhileError
        return record

    def record_of(self, old: OldSession, key: Key, *, version: int) -> Record:
        """Answer the row of an old session: its data, user and end; young enough for our policy.

        When the user signed in is known only where the old engine kept the creation: a login
        cycles the key. Elsewhere it stays unknown, so that no recent login is made up, and the
        absolute timeout counts from the move.
        """
        record = self._writing(old.data, key, None, inserts=True).record
        now = record.created_at
        has_user = USER_KEY in old.data
        signed_in = old.created_at if has_user else None
        started = now if signed_in is None else signed_in
        ends = [self._expires_at(old.data, seen=now, started=started)]
        if old.expires_at is not None:
            ends.append(old.expires_at)
        return replace(
            record,
            version=version,
            authenticated_at=signed_in,
            last_seen_at=(old.last_seen_at or now) if version == IMPORTED else now,
            expires_at=min(ends),
            ip=record.ip or (old.ip if has_user else None),
            user_agent=record.user_agent or (old.user_agent if has_user else None),
        )

    def _moved_before(self, old_key: str, *, finished: bool = True) -> tuple[Key, Record] | None:
        """Answer the session that was moved less than a minute ago, or imported and never used."""
        for key in derived_keys(old_key):
            now = expiry.now_ms()
            row = self.rows.fetch(key.id, now)
            if row is not None and is_imported(row):
                self.rows.begin(key.id, now)
                row = self.rows.fetch(key.id, now)
            if row is None or is_imported(row):
                continue
            # A minute after the move exactly: created_at never changes once a row is in use.
            if not finished or now - row.created_at < OLD_COOKIE_MS:
                return key, row
        return None

    def _end_old(self, text: str | None, reason: Reason) -> None:
        """End the session of an old cookie, moved or not."""
        if conf.adopt_from is not None and self._is_old(text):
            self._adopted_from = text
            for key in derived_keys(text):
                self._end_row(key, None, reason)

    def _end_adopted(self) -> None:
        """Remove the old row once more: a rollback may have brought it back."""
        if self._adopted_from:
            _engine().remove([self._adopted_from])

    def _end_row(self, key: Key, row: Record | None, reason: Reason) -> None:
        raise NotImplementedError

    def _in_transaction(self, block: Callable[[], T]) -> T:
        if not self.rows.in_transaction():
            return self._in_round(block, lock=True)
        with transaction.atomic(using=self.rows.alias):
            return block()


def is_old_key(text: str | None) -> TypeGuard[str]:
    """Tell whether a cookie can be one of an old engine, as far as its looks go."""
    return isinstance(text, str) and bool(_well_formed(text))


def is_imported(row: Record) -> bool:
    """Tell whether importsessions made this row and no cookie has opened it so far."""
    return bool(row.version == IMPORTED)


def derived_keys(old_key: str) -> list[Key]:
    """Answer the keys that an old one becomes, under SECRET_KEY first, then each fallback."""
    return [conf.keyring.derive_from(old_key, secret) for secret in conf.secrets]


def _engine() -> OldEngine:
    """Answer the engine of SESSIONSTORE_ADOPT_FROM; only where that is set."""
    return old_engine(conf.adopt_from or "")
