"""What one engine decides, and what crosses between it and the rest."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from inspect import isasyncgen, iscoroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, Self, TypeVar

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import SessionBase

from sessionstore.core.headers.set_cookie import CookieOptions
from sessionstore.core.keys import Key
from sessionstore.core.record import Client, Data, Record
from sessionstore.signals import Reason
from sessionstore.table.verbs import Table

from .known import UNSET, Answer, Known, Stamp, Wish
from .sealed import Opened

P = ParamSpec("P")
S = TypeVar("S", bound="DjangoSession")
T = TypeVar("T")

# The types of a method and of its async name: the same arguments.
Method = Callable[Concatenate[S, P], T]
AsyncMethod = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


@dataclass(slots=True)
class Marks:
    """What a save writes beside the data: who asks, when they logged in, and whether it slides.

    ``signed_in_id`` is whom Django has just signed in, where a stamp may come of another proof too.
    """

    client: Client | None = None
    stamp: Stamp = UNSET
    slides: bool = True
    signed_in_id: str | None = None


@dataclass(slots=True)
class Draft:
    """Data on their way into a row, in each of their three forms."""

    record: Record
    payload: bytes
    data: Data


class Keys(Protocol):
    """Makes and opens the keys in cookies."""

    def mint(self) -> Key:
        """Return a new random key."""

    def open(self, text: str | None) -> Key | None:
        """Return the key that a cookie spells, or None. Never raises."""

    def renew(self, key: Key) -> Key:
        """Return the same key, signed under the first secret."""


class Adoption(Protocol):
    """Takes over what the cookies of another engine open."""

    def takes(self, text: str | None) -> bool:
        """Tell whether a cookie can be one of the other engine, as far as its looks go."""

    def may_hold(self, table: Table, text: str) -> bool:
        """Tell whether the cookie may stand for a session; looks only where that decides."""

    def adopt(self, engine: "Engine", text: str) -> tuple[Key, Record] | None:
        """Return the key and the row that the cookie's session has here; None for no session."""

    def finish(self, table: Table, text: str) -> None:
        """Do what a rollback has taken back of the move; the session is saved here."""

    def end(self, engine: "Engine", text: str, reason: Reason) -> None:
        """End the session of an old cookie, moved or not."""

    def remove_old(self, text: str) -> None:
        """Remove the row there once more: a rollback may have brought it back."""

    @property
    def aliases(self) -> list[str]:
        """The database aliases of the rows there."""


class NoAdoption:
    """Of an engine that adopts nothing."""

    def takes(self, text: str | None) -> bool:  # noqa: ARG002
        return False

    def may_hold(self, table: Table, text: str) -> bool:  # noqa: ARG002
        return False

    def adopt(self, engine: "Engine", text: str) -> tuple[Key, Record] | None:  # noqa: ARG002
        return None

    def finish(self, table: Table, text: str) -> None:
        """Finish nothing."""

    def end(self, engine: "Engine", text: str, reason: Reason) -> None:
        """End nothing."""

    def remove_old(self, text: str) -> None:
        """Remove nothing."""

    @property
    def aliases(self) -> list[str]:
        return []


class Engine(Protocol):
    """The hooks of an engine; a ``SessionStore`` is one, and ``drafts.SealedEngine`` has defaults.

    ``client`` is who asks, as far as that is known.
    """

    client: Client | None
    visitor_cookie: str | None
    adoption: Adoption

    @property
    def sender(self) -> Any:
        """The engine, as signals name it."""

    @property
    def table(self) -> Table:
        """Where the rows are."""

    @property
    def keyring(self) -> Keys:
        """How cookies and keys become one another."""

    def read_row(self, record: Record, key: Key) -> Opened | None:
        """Return what a row holds; None when it is damaged, which is told."""

    def has_ended(self, record: Record, opened: Opened) -> bool:
        """Tell whether today's policy ends a row: a timeout that was tightened counts at once."""

    def withholds(self, record: Record) -> bool:
        """Tell whether a row is bound to a device, and nobody has shown that it is this one."""

    def seal(self, payload: bytes, record: Record, key: Key) -> Any:
        """Return what stands in the row for serialised data."""

    def draft(
        self,
        data: Data,
        key: Key,
        row: Record | None,
        marks: Marks,
        *,
        payload: bytes | None = None,
        changes_key: bool = False,
        inserts: bool = False,
    ) -> Draft:
        """Return what ``data`` look like in the row that so far is ``row``, opened by ``key``."""

    def end_of(self, data: Data, *, seen: int, started: int) -> int:
        """Return when a session with these data ends, in milliseconds."""

    def is_behind(self, row: Record, data: Data) -> bool:
        """Tell whether the row was last seen a touch interval ago."""

    def cookie_options_of(self, row: Record | None) -> CookieOptions:
        """Return where and how a browser holds the key of a row; None is one to come."""

    @classmethod
    def extra_columns(cls, data: Data) -> Data:
        """Return the values of columns that a subclass adds, always all of them."""


if TYPE_CHECKING:

    class DjangoSession(SessionBase):
        """What the facets of ``store.SessionBackend`` see of it.

        Compat: django-stubs leaves out the protected members that every engine is built on.
        """

        client: Client | None
        device_cookies: Sequence[str]
        visitor_cookie: str | None
        adoption: Adoption
        slides: bool
        records_client: bool
        _session_cache: Data
        _session: Data
        _known: Known
        _wish: Wish
        _answer: Answer
        _failure: Exception | None
        _came_with: Any

        is_named: bool

        @property
        def table(self) -> Table: ...
        @property
        def is_loaded(self) -> bool: ...
        def _read(self) -> Opened | None: ...
        def _know_found(self, known: Known) -> None: ...
        def transact(self, change: Callable[[Self], T]) -> T: ...
        def reload(self) -> None: ...
        def _get_session(self, no_load: bool = False) -> Data: ...
        async def _aget_session(self, no_load: bool = False) -> Data: ...
        @property
        def keyring(self) -> Keys: ...
        def read_row(self, record: Record, key: Key) -> Opened | None: ...
        def has_ended(self, record: Record, opened: Opened) -> bool: ...
        def end_of(self, data: Data, *, seen: int, started: int) -> int: ...
        def age_of(self, data: Data) -> int | None: ...
        def is_behind(self, row: Record, data: Data) -> bool: ...
        def cookie_options_of(self, row: Record | None) -> CookieOptions: ...
        def _opened(self) -> Known: ...
        def _settled(self) -> Known: ...
        def _stamp_at(self, at: int) -> None: ...

else:
    DjangoSession = SessionBase


def answer_of(change: Callable[[Any], T], session: Any) -> T:
    """Return ``change(session)``. Raises TypeError when nothing of it has run yet."""
    answer = change(session)
    if iscoroutine(answer):
        answer.close()
    elif not isasyncgen(answer):
        return answer
    message = (
        f"transact() and atransact() take an ordinary function, and {change!r} is async: write it "
        f"with def, and await what it needs before the call."
    )
    raise TypeError(message)


def in_thread(method: Method[S, P, T]) -> AsyncMethod[S, P, T]:
    """Return the async name of a method: the same body in one thread hop cannot drift apart."""

    async def called(session: S, /, *args: P.args, **named: P.kwargs) -> T:
        # By its name: a subclass that overrides the method has overridden both.
        answer: T = await sync_to_async(getattr(session, method.__name__))(*args, **named)
        return answer

    return called


def after_load(method: Method[S, P, T]) -> AsyncMethod[S, P, T]:
    """Return the async name of a method that needs no thread once the data are there."""

    async def called(session: S, /, *args: P.args, **named: P.kwargs) -> T:
        await session._aget_session()
        answer: T = getattr(session, method.__name__)(*args, **named)
        return answer

    return called
