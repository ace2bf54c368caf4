"""How an event gets into the table: one INSERT, on the alias of the sessions.

It stands exactly when what it tells stands. A login that is rolled back takes its event along. An
end is repeated by the middleware after a rollback, and so is its event, under the same id.
Whatever the table of events does, it fails no request and spoils no transaction of the caller.
"""

import getpass
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any

from django.db import DatabaseError, IntegrityError, InterfaceError, router, transaction

from sessionstore.clients import client_of
from sessionstore.conf import conf
from sessionstore.core import journal
from sessionstore.core.record import Client
from sessionstore.models import SessionEvent, What
from sessionstore.session.ending import delete_for_good
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.table.faults import code_of
from sessionstore.table.retry import in_transaction

logger = logging.getLogger("sessionstore")
# In the data while a user of django-hijack or django-loginas is another one.
_MARKS = ("hijack_history", "loginas_from_user")
_gathered: ContextVar[list[SessionEvent] | None] = ContextVar("sessionstore_events", default=None)


def is_on() -> bool:
    """Tell whether anything is to be written down."""
    return conf.history_ms is not None


def event(what: What, user_id: str, *, handle: str | None = None, **columns: Any) -> SessionEvent:
    """Return an event of this moment, with who acts and where from.

    Security: the address is that of the user whose session it is. That of staff, who ends it, is
    not the user's to see.
    """
    actor_id, client = _acting()
    known = {"actor_id": actor_id, **columns}
    if known["actor_id"] == user_id:
        known = {"ip": client.ip, "user_agent": client.user_agent, **known}
    return SessionEvent(what=what, user_id=user_id, handle=handle, **known)


def ended(user_id: str, *, handle: str | None, reason: Reason) -> SessionEvent:
    """Return the event of an end; a command's has the name of who ran it on the server."""
    facts = {"ran_by": _os_user()} if reason is Reason.COMMAND else {}
    return event(What.ENDED, user_id, handle=handle, reason=str(reason), facts=facts)


def write(events: Sequence[SessionEvent]) -> None:
    """Write events as a part of the caller's transaction, if there is one."""
    if events:
        _insert(router.db_for_write(SessionEvent), events)


def write_for_good(events: Sequence[SessionEvent]) -> None:
    """Write events of what no rollback takes back."""
    waiting = _gathered.get()
    if waiting is not None:
        waiting.extend(events)
    elif events:
        alias = router.db_for_write(SessionEvent)
        delete_for_good(partial(_insert, alias, events), alias)


@contextmanager
def gathered() -> Iterator[None]:
    """Write what is told in this block by one statement: the ends of a batch."""
    if not is_on() or _gathered.get() is not None:
        yield
        return
    events: list[SessionEvent] = []
    token = _gathered.set(events)
    try:
        yield
    finally:
        _gathered.reset(token)
        write_for_good(events)


def _insert(alias: str, events: Sequence[SessionEvent]) -> None:
    """Insert events; those that are there already have been told.

    In a savepoint where there is a transaction: PostgreSQL would take all of it for broken.
    """
    try:
        with transaction.atomic(using=alias) if in_transaction(alias) else nullcontext():
            _insert_each(alias, events)
    except IntegrityError:
        return
    except (DatabaseError, InterfaceError) as error:
        # Security: a driver's message may hold what was to be written.
        name, code = type(error).__name__, code_of(error)
        logger.warning("%d event(s) of the history are lost: %s (%s)", len(events), name, code)


def _insert_each(alias: str, events: Sequence[SessionEvent]) -> None:
    if len(events) == 1:
        # Once more after a rollback: what is not there has not been inserted.
        events[0]._state.adding = True
        events[0].save(using=alias)
    else:
        SessionEvent.objects.using(alias).bulk_create(events)


def _acting() -> tuple[str | None, Client]:
    """Return who is at work in the session of the request that runs here, and its client."""
    session = journal.session_at_work()
    user_id = getattr(session, "user_id", None)
    if isinstance(session, SessionBackend) and (mark := acting_mark(session)):
        # Security: the user of the session is not who sits there.
        return str(mark[-1]) if isinstance(mark, list) else None, Client()
    client = getattr(session, "client", None)
    events = journal.current()
    request = None if events is None or events.request is None else events.request()
    if client is None and request is not None:
        client = client_of(request)
    return user_id, client or Client()


def acting_mark(session: SessionBackend) -> Any:
    """Return what tells that somebody is signed in as another user, from inside the own session.

    As the row has it, too: who takes the mark out of the data is about to go back.
    """
    if not session.is_loaded:
        return None
    stored = session.stored_data
    return next(filter(None, (session.get(one) or stored.get(one) for one in _MARKS)), None)


def _os_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may know no name
        return ""
