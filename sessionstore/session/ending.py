"""How a session ends, and what is told of it; deletions that no rollback takes back."""

from collections.abc import Callable
from typing import TypeVar

from sessionstore.core import journal
from sessionstore.core.record import Data
from sessionstore.signals import Reason, session_interrupted, session_revoked
from sessionstore.table.verbs import Table

from .drafts import user_id_in
from .engine import Engine
from .known import Known, Standing

T = TypeVar("T")


def delete_for_good(table: Table, deletion: Callable[[], T]) -> T:
    """Run ``deletion`` and return what it returns.

    Inside a transaction a rollback takes the DELETE back; then the middleware repeats it after
    the response.
    """
    answer = deletion()
    events = journal.current()
    if events is not None and table.in_transaction():
        events.add(deletion)
        table.on_commit(lambda: events.forget(deletion))
    return answer


def end(engine: Engine, known: Known, reason: Reason) -> None:
    """End the session that is known, whatever is known of it, and tell of that."""
    if known.key is None and known.text is not None and engine.adoption.takes(known.text):
        engine.adoption.end(engine, known.text, reason)
        return

    def remove() -> int:
        removed = _remove(engine.table, known)
        if known.adopted_from is not None:
            engine.adoption.remove_old(known.adopted_from)
        return removed

    if delete_for_good(engine.table, remove):
        row = known.record
        handle = None if row is None else engine.table.handle_of(row.id)
        user_id = None if row is None else row.user_id
        session_revoked.send(type(engine), handle=handle, user_id=user_id, reason=reason)


def _remove(table: Table, known: Known) -> int:
    """Delete by id; by the key where nothing was read, also when that has been replaced since."""
    if known.record is not None and known.standing is Standing.STORED:
        return table.remove(known.record.id, digest=known.record.digest)
    if known.missed is not None:
        return table.remove_replaced(known.missed.digest)
    if known.key is not None and known.standing is Standing.UNREAD:
        return table.remove_key(known.key.digest) or table.remove_replaced(known.key.digest)
    return 0


def tell_interrupted(engine: Engine, known: Known, data: Data | None) -> None:
    """Tell that a request wanted to save a session that had ended meanwhile."""
    handle = None if known.record is None else engine.table.handle_of(known.record.id)
    user_id = user_id_in(data or {})
    session_interrupted.send(type(engine), handle=handle, user_id=user_id)
