"""Moves the sessions of another engine's table here in bulk, before their cookies come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.apps import apps
from django.db import IntegrityError, transaction

from sessionstore.cleaning import Cleaned, Pace, in_batches
from sessionstore.core import expiry
from sessionstore.core.record import IMPORTED, Record
from sessionstore.exceptions import (
    SessionNotSerializable,
    SessionUnreadable,
    TakenId,
    UserIdTooLong,
)
from sessionstore.moving.adoption import derived_keys, record_of
from sessionstore.moving.old_engine import OldEngine, OldSession
from sessionstore.session.drafts import table_of
from sessionstore.session.store import SessionBackend
from sessionstore.users.limits import keep_limit

_SIGNED_COOKIES = "django.contrib.sessions.backends.signed_cookies"


def why_unusable(path: str) -> str | None:
    """Return why no session can be moved from the engine of that dotted path."""
    try:
        old = OldEngine(path)
    except (ImportError, AttributeError, ValueError, RuntimeError) as error:
        return f"it cannot be used ({error})"
    if old.model is not None and old.model._meta.app_label not in apps.app_configs:
        return f"the app {old.model._meta.app_label!r} is not in INSTALLED_APPS"
    if issubclass(old.store, SessionBackend):
        return "that is an engine of sessionstore itself"
    if path == _SIGNED_COOKIES:
        return "those sessions live in the browser, there is nothing to look up"
    return None


@dataclass(slots=True)
class Imported:
    """What an import did. Refused sessions stay where they are: why, and how many.

    ``here_already`` were inserted before, by a run that was killed or by a request.
    """

    moved: int = 0
    here_already: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    def refuse(self, why: str) -> None:
        self.refused[why] = self.refused.get(why, 0) + 1


class Importer:
    """Moves from ``engine`` into the table of ``store``, a batch per transaction.

    A row gets the key that its old cookie will be turned into, and version 0: its life begins, and
    the old cookie's last minute, when the cookie first comes. The old row is locked when the new
    one is inserted, so a request that moves the same session meanwhile loses nothing.
    """

    def __init__(self, engine: OldEngine, store: type[SessionBackend]) -> None:
        self.engine = engine
        self.store = store
        self.table = table_of(store)

    def run(
        self,
        *,
        pace: Pace,
        dry_run: bool = False,
        stop: Callable[[], bool] = lambda: False,
        on_batch: Callable[[int], object] = lambda _: None,
    ) -> tuple[Imported, Cleaned]:
        """Move everything that is live, in the order of the old keys; nothing with ``dry_run``.

        Can be ended at any moment and run again: what was moved is not there any more. The second
        answer tells how that went: it counts all but those that are refused, as the limit does, so
        that a run that is limited gets past them.
        """
        done, last = Imported(), ""

        def move(size: int) -> tuple[int, int]:
            nonlocal last
            batch = self.engine.live_after(last, size)
            counted = 0
            if batch:
                last = batch[-1].pk
                counted = self._import(batch, done, dry_run=dry_run)
            return len(batch), counted

        return done, in_batches(move, self.table, pace=pace, stop=stop, on_batch=on_batch)

    def _import(self, batch: Sequence[Any], done: Imported, *, dry_run: bool) -> int:
        """Move what can be moved; return how many are here now."""
        records: dict[str, Record] = {}
        for row in batch:
            try:
                old = self.engine.session_of(row)
            except SessionUnreadable:
                done.refuse("cannot be read here")
                continue
            if old is None:
                done.refuse("damaged or empty")
                continue
            record = self._record(old, done)
            if record is not None:
                records[old.key] = record
        if dry_run:
            done.moved += len(records)
        elif records:
            moved = self._move(records)
            done.moved += moved
            done.here_already += len(records) - moved
            for user_id in {one.user_id for one in records.values() if one.user_id is not None}:
                keep_limit(self.store(), user_id)
        return len(records)

    def _record(self, old: OldSession, done: Imported) -> Record | None:
        now = expiry.now_ms()
        taker = self.store()
        try:
            record = record_of(taker, old, derived_keys(old.key)[0], version=IMPORTED)
        except SessionNotSerializable:
            done.refuse("not for SESSION_SERIALIZER")
            return None
        except UserIdTooLong:
            done.refuse("the user's key is too long")
            return None
        if record.expires_at <= now:
            done.refuse("past SESSIONSTORE_ABSOLUTE_TIMEOUT")
            return None
        return record

    def _move(self, records: dict[str, Record]) -> int:
        """Insert here and remove there; return how many were inserted."""
        insert = partial(self._insert, records)
        if self.engine.alias == self.table.alias:

            def both() -> int:
                moved = insert()
                self.engine.remove(records)
                return moved

            return int(self.table.under_lock(both))
        # Ours commits first: a crash in between leaves a session twice, never nowhere.
        with transaction.atomic(using=self.engine.alias):
            moved = int(self.table.under_lock(insert))
            self.engine.remove(records)
        return moved

    def _insert(self, records: dict[str, Record]) -> int:
        known = self.table.known(record.digest for record in records.values())
        fresh = {key: one for key, one in records.items() if one.digest not in known}
        try:
            with transaction.atomic(using=self.table.alias):
                self.table.insert_many(fresh.values())
        except IntegrityError:
            # A request moves one of them at this moment.
            fresh = {key: one for key, one in fresh.items() if self._insert_one(one)}
        # Only now: whoever holds the new ids, and the old rows, is the only one to move them.
        gone = set(fresh) - self.engine.lock(fresh)
        if gone:
            self.table.remove_many(fresh[key].id for key in gone)
        return len(fresh) - len(gone)

    def _insert_one(self, record: Record) -> bool:
        try:
            self.table.insert(record)
        except TakenId:
            return False
        return True
