"""Moves the sessions of the engine that SESSIONSTORE_ADOPT_FROM names, each on its first use.

The new key is derived from the old one under SECRET_KEY, so all requests of a page reach the same
row, whichever of them moves it. Its INSERT decides: whoever holds the new row's digest,
not yet committed, looks whether the old row is still there, or else takes the INSERT back.
Whoever answers a browser has removed the old row before, so a logout under the new key leaves
nothing that an old cookie could bring back.
"""

import logging
import re
from collections.abc import Callable, Container
from dataclasses import replace
from functools import partial
from typing import Any, TypeGuard, TypeVar

from django.db import transaction

from sessionstore.conf import conf
from sessionstore.core import expiry, journal
from sessionstore.core.keys import Key
from sessionstore.core.merge import USER_KEY
from sessionstore.core.record import IMPORTED, Data, Record
from sessionstore.exceptions import (
    SessionNotSerializable,
    SessionUnreadable,
    TakenId,
    UserIdTooLong,
)
from sessionstore.session.ending import (
    delete_for_good,
    delete_when_moved,
    remove_replaced,
    tell_revoked,
)
from sessionstore.session.engine import Marks
from sessionstore.session.saving import in_round
from sessionstore.session.sealed import dumps, refuse_what_cannot_be_read, tell_unreadable
from sessionstore.signals import Reason
from sessionstore.table.rows import SqlTable
from sessionstore.table.verbs import Table

from .old_engine import OldEngine, OldSession, old_engine

T = TypeVar("T")
logger = logging.getLogger("sessionstore")

# How long the requests of a page that is loading may still come with the old cookie.
OLD_COOKIE_MS = 60_000
# Keys of Django and of the engines built on it: 32 characters, 40 at most.
_well_formed = re.compile(r"[0-9a-z]{32,40}").fullmatch


class _MovedMeanwhileError(Exception):
    """The old row is gone, so somebody else has moved the session; nothing may be inserted."""


class Adoption:
    """Takes over what an old cookie opens. It has no state: each call is handed the session."""

    def takes(self, text: str | None) -> bool:
        return conf.adopt_from is not None and is_old_key(text)

    def may_hold(self, table: Table, text: str) -> bool:
        """Tell whether the cookie may stand for a session of the old engine.

        Looks it up only where the answer decides whether a row is made for it.
        """
        if not conf.save_every_request:
            return True
        now = expiry.now_ms()
        return _engine().holds(text) or any(
            table.fetch(key.digest, now) for key in derived_keys(text)
        )

    def adopt(self, session: Any, text: str) -> tuple[Key, Record] | None:
        engine, table = _engine(), session.table
        old = _read(engine, text)
        if old is None:
            return _moved_before(table, text)
        key = derived_keys(text)[0]
        try:
            record = _in_transaction(table, partial(_move, session, engine, old, key))
        except TakenId:
            # Both rows are there: another request is at it, or died half way, however long ago.
            found = _moved_before(table, text, finished=False)
        except _MovedMeanwhileError:
            return _moved_before(table, text)
        except (SessionNotSerializable, UserIdTooLong) as error:
            logger.warning("A session of %s cannot move, and stays there: %s", engine.path, error)
            return None
        else:
            found = None if record is None else (key, record)
        remove_old = partial(self.remove_old, text)
        delete_when_moved(remove_old, *self.aliases, to=table.alias)
        return found

    def finish(self, table: Table, text: str) -> None:
        """Remove the old row once more where no middleware of ours will.

        The site's transaction may have been rolled back, and with it what was removed there.
        """
        if journal.current() is None and not table.in_transaction():
            self.remove_old(text)

    def end(self, session: Any, text: str, reason: Reason) -> None:
        """End the session of an old cookie, moved or not."""
        table: SqlTable = session.table
        for key in derived_keys(text):
            remove = partial(self._remove, table, key, text)
            if delete_for_good(remove, table.alias, *self.aliases):
                tell_revoked(session, handle=None, user_id=None, reason=reason)

    def _remove(self, table: SqlTable, key: Key, text: str) -> int:
        removed = table.remove_key(key.digest) or remove_replaced(table, key)
        self.remove_old(text)
        return removed

    def remove_old(self, text: str) -> None:
        _engine().remove([text])

    @property
    def aliases(self) -> list[str]:
        engine = _engine()
        return [] if engine.model is None else [engine.alias]


def record_of(session: Any, old: OldSession, key: Key, *, version: int) -> Record:
    """Return the row of an old session: its data, user and end; young enough for our policy.

    When the user signed in is known only where the old engine kept the creation: a login cycles
    the key. Elsewhere it stays unknown, so that no recent login is made up, and the absolute
    timeout counts from the move. Raises SessionNotSerializable or UserIdTooLong.
    """
    has_user = USER_KEY in old.data
    signed_in = old.created_at if has_user else None
    marks = Marks(session.client, signed_in)
    # What is stored may be read, however large or deep: limits are for what a site writes. What
    # could not be read here is refused, for the old row goes.
    payload = _serialized(old.data)
    record: Record = session.draft(old.data, key, None, marks, payload=payload, inserts=True).record
    now = record.created_at
    return replace(
        record,
        version=version,
        last_seen_at=(old.last_seen_at or now) if version == IMPORTED else now,
        expires_at=min(record.expires_at, old.expires_at or record.expires_at),
        ip=record.ip or (old.ip if has_user else None),
        user_agent=record.user_agent or (old.user_agent if has_user else None),
    )


def _serialized(data: Data) -> bytes:
    try:
        payload = dumps(data)
    except (TypeError, ValueError) as error:
        message = f"SESSION_SERIALIZER cannot store it: {error}"
        raise SessionNotSerializable(message) from error
    refuse_what_cannot_be_read(payload)
    return payload


def is_old_key(text: str | None) -> TypeGuard[str]:
    """Tell whether a cookie can be one of an old engine, as far as its looks go."""
    return isinstance(text, str) and bool(_well_formed(text))


def is_imported(row: Record) -> bool:
    """Tell whether importsessions made this row and no cookie has opened it so far."""
    return bool(row.version == IMPORTED)


def opens_another(table: SqlTable, old_key: str, digests: Container[bytes]) -> bool:
    """Tell whether an old cookie opens a session, and not one that keys of ours open as well.

    Such a key is what the browser has got for it. Changes nothing.
    """
    keys = derived_keys(old_key)
    if any(key.digest in digests for key in keys):
        return False
    now = expiry.now_ms()
    rows = (table.fetch(key.digest, now) for key in keys)
    return _engine().read(old_key) is not None or any(
        row is not None and (is_imported(row) or now - table.moved_at(row) < OLD_COOKIE_MS)
        for row in rows
    )


def derived_keys(old_key: str) -> list[Key]:
    """Return the keys that an old one becomes, under SECRET_KEY first, then each fallback."""
    return [conf.keyring.derive_from(old_key, secret) for secret in conf.secrets]


def _read(engine: OldEngine, text: str) -> OldSession | None:
    try:
        return engine.read(text)
    except SessionUnreadable as error:
        tell_unreadable(None, error, engine=engine.path)
        raise


def _move(session: Any, engine: OldEngine, old: OldSession, key: Key) -> Record | None:
    record = record_of(session, old, key, version=session.table.first_version)
    if record.expires_at <= expiry.now_ms():
        return None
    session.table.insert(record)
    if not engine.holds(old.key):
        raise _MovedMeanwhileError
    return record


def _moved_before(
    table: SqlTable, old_key: str, *, finished: bool = True
) -> tuple[Key, Record] | None:
    """Return the session that was moved less than a minute ago, or imported and never used."""
    for key in derived_keys(old_key):
        now = expiry.now_ms()
        row = table.fetch(key.digest, now)
        if row is not None and is_imported(row):
            table.start_imported(row.id, now)
            row = table.fetch(key.digest, now)
        if row is None or is_imported(row):
            continue
        if not finished or now - table.moved_at(row) < OLD_COOKIE_MS:
            return key, row
    return None


def _in_transaction(table: SqlTable, block: Callable[[], T]) -> T:
    if not table.in_transaction():
        return in_round(table, block, lock=True)
    with transaction.atomic(using=table.alias):
        return block()


def _engine() -> OldEngine:
    """Return the engine of SESSIONSTORE_ADOPT_FROM; only where that is set."""
    return old_engine(conf.adopt_from or "")
