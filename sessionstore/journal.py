"""What one request did to sessions that a rollback could take back, and what failed in it.

It lives in a context variable and on the request, not on the session: other apps replace
``request.session`` in mid-request.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

Deletion = Callable[[], object]


@dataclass(slots=True)
class Journal:
    """``deletions`` are those whose transaction has not committed; each can be run again.

    ``failure`` makes a 503 of an error page; ``gave_up`` also ends all further tries.
    """

    deletions: list[Deletion] = field(default_factory=list)
    flushed: bool = False
    failure: Exception | None = None
    gave_up: Exception | None = None

    def add(self, deletion: Deletion) -> None:
        self.deletions.append(deletion)

    def forget(self, deletion: Deletion) -> None:
        if deletion in self.deletions:
            self.deletions.remove(deletion)


_current: ContextVar[Journal | None] = ContextVar("sessionstore_journal", default=None)


def current() -> Journal | None:
    """Answer the journal of the request that runs here; None outside our middleware."""
    return _current.get()


def begin() -> Journal:
    journal = Journal()
    _current.set(journal)
    return journal


def end() -> None:
    _current.set(None)
