"""How a session ends, and what is told of it; deletions that no rollback takes back."""

from collections.abc import Callable
from typing import TypeVar

from sessionstore.conf import conf
from sessionstore.core import expiry, journal
from sessionstore.core.keys import Key
from sessionstore.core.record import Data, Record
from sessionstore.signals import Reason, session_interrupted, session_revoked
from sessionstore.table.receipts import Fate, at_commit, receipt_for
from sessionstore.table.retry import in_transaction
from sessionstore.table.verbs import Table

from .drafts import user_id_in
from .engine import Engine
from .known import Known, Standing

T = TypeVar("T")
# So long a request may still be under way that was sent before the key changed.
REPLACED_MS = 60_000


def delete_for_good(deletion: Callable[[], T], *aliases: str) -> T:
    """Run ``deletion``, which writes on these database aliases, and return what it returns.

    Inside a transaction a rollback takes a DELETE back; then the middleware repeats it after the
    response. Running it twice must do no harm.
    """
    answer = deletion()
    events = journal.current()
    if events is not None:
        for alias in filter(in_transaction, set(aliases)):
            # Once for each alias: all of them have to commit.
            events.add(deletion)
            at_commit(alias, lambda: events.forget(deletion))
    return answer


def delete_when_moved(deletion: Callable[[], object], *aliases: str, to: str) -> None:
    """Run ``deletion`` for good, once what the caller's block has put in place on ``to`` is kept.

    A block that is rolled back leaves the session where it was, and nothing may be deleted there.
    """
    receipt = receipt_for(to)
    if receipt is None:
        delete_for_good(deletion, *aliases)
        return

    events = journal.current()

    def delete() -> None:
        if receipt.fate is Fate.COMMITTED:
            delete_for_good(deletion, *aliases)
            if events is not None:
                events.forget(delete)

    if events is not None:
        events.add(delete)
    at_commit(to, delete)


def end(engine: Engine, known: Known, reason: Reason) -> None:
    """End the session that is known, whatever is known of it, and tell of that."""
    if known.key is None and known.text is not None and engine.adoption.takes(known.text):
        engine.adoption.end(engine, known.text, reason)
        return

    events = journal.current()
    if events is not None and (known.standing is Standing.GONE or known.missed is not None):
        # It may have been ended in a block that was rolled back since.
        events.repeat()

    def remove() -> int:
        removed = _remove(engine.table, known)
        if known.adopted_from is not None:
            engine.adoption.remove_old(known.adopted_from)
        return removed

    aliases = [engine.table.alias]
    if known.adopted_from is not None:
        aliases += engine.adoption.aliases
    row = known.record or _unread(engine, known)
    if delete_for_good(remove, *aliases):
        handle = None if row is None else engine.table.handle_of(row.id)
        user_id = None if row is None else row.user_id
        tell_revoked(engine, handle=handle, user_id=user_id, reason=reason)


def _unread(engine: Engine, known: Known) -> Record | None:
    """Return the row that nobody has read, where the history has to know whose end it is."""
    if conf.history_ms is None or known.standing is not Standing.UNREAD or known.key is None:
        return None
    return engine.table.fetch(known.key.digest, expiry.now_ms())


def _remove(table: Table, known: Known) -> int:
    """Delete by id; by the key where nothing was read, also when that has been replaced since."""
    if known.record is not None and known.standing is Standing.STORED:
        removed = table.remove(known.record.id, digest=known.record.digest)
        # Express: a new key is another id, and a rollback of the block brings the former one back.
        return removed + sum(map(table.remove, known.former_ids))
    if known.missed is not None:
        return remove_replaced(table, known.missed)
    if known.key is not None and known.standing is Standing.UNREAD:
        return table.remove_key(known.key.digest) or remove_replaced(table, known.key)
    return 0


def remove_replaced(table: Table, key: Key) -> int:
    """Delete the row whose key this was until a moment ago.

    Security: not later, or a key that somebody has planted would sign the user out for ever.
    """
    return table.remove_replaced(key.digest) if was_replaced_lately(table, key) else 0


def was_replaced_lately(table: Table, key: Key) -> bool:
    """Tell whether a live row had this key, and a request may be under way that was sent then."""
    return table.was_replaced(key.digest, expiry.now_ms() - REPLACED_MS)


def tell_revoked(
    engine: Engine, *, handle: str | None, user_id: str | None, reason: Reason
) -> None:
    """Tell of a session that was ended.

    Security: what a receiver raises is logged by Django, and goes no further. It would keep the
    ends that are still to come from being made, or the view from making them.
    """
    session_revoked.send_robust(engine.sender, handle=handle, user_id=user_id, reason=reason)


def tell_interrupted(engine: Engine, known: Known, data: Data | None) -> None:
    """Tell that a request wanted to save a session that had ended meanwhile."""
    handle = None if known.record is None else engine.table.handle_of(known.record.id)
    user_id = user_id_in(data or {})
    session_interrupted.send(engine.sender, handle=handle, user_id=user_id)
