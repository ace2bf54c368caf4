"""What one request did to sessions that a rollback could take back, and what failed in it.

It lives in a context variable and on the request, not on the session: other apps replace
``request.session`` in mid-request.
"""

import weakref
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sessionstore.core.headers.set_cookie import CookieOptions

Deletion = Callable[[], object]


@dataclass(slots=True)
class Journal:
    """``deletions`` are those whose transaction has not committed; each can be run again.

    ``left`` is where the browser holds the key of a session that was flushed. ``failure`` makes a
    503 of an error page; ``gave_up`` also ends all further tries. ``login`` is what the last
    sign-in wants done once it is there to stay. ``request`` is weak: the request holds the journal.
    """

    deletions: list[Deletion] = field(default_factory=list)
    left: CookieOptions | None = None
    failure: Exception | None = None
    gave_up: Exception | None = None
    login: Any = None
    request: weakref.ref[Any] | None = None

    def add(self, deletion: Deletion) -> None:
        self.deletions.append(deletion)

    def repeat(self) -> None:
        """Run them all again, since a rollback may have taken them back."""
        for deletion in tuple(self.deletions):
            deletion()

    def forget(self, deletion: Deletion) -> None:
        if deletion in self.deletions:
            self.deletions.remove(deletion)


_ON_REQUEST = "_sessionstore_journal"
_current: ContextVar[Journal | None] = ContextVar("sessionstore_journal", default=None)


def current() -> Journal | None:
    """Return the journal of the request that runs here; None outside our middleware."""
    return _current.get()


def begin(request: Any) -> None:
    """Begin the journal of a request, or go on with it: a site may have two middlewares."""
    _current.set(of(request))


def of(request: Any) -> Journal:
    """Return the journal of ``request``."""
    journal: Journal | None = getattr(request, _ON_REQUEST, None)
    if journal is None:
        journal = Journal(request=weakref.ref(request))
        setattr(request, _ON_REQUEST, journal)
    return journal


def end() -> None:
    _current.set(None)


# Under Django's own middleware nobody tells which session is the request's: it is the first one
# that was loaded since the request began.
_first_loaded: ContextVar["weakref.ref[Any] | None"] = ContextVar(
    "sessionstore_first_loaded", default=None
)


def note_loaded(session: Any) -> None:
    if _first_loaded.get() is None:
        _first_loaded.set(weakref.ref(session))


def forget_loaded(**_: Any) -> None:
    _first_loaded.set(None)


def session_at_work() -> Any:
    """Return the session of the request that runs here, as far as it is known, else None."""
    events = current()
    if events is not None and events.request is not None:
        return getattr(events.request(), "session", None)
    first = _first_loaded.get()
    return None if first is None else first()
