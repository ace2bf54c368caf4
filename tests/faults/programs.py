"""Random programs of requests on one session, beside a model of what each should leave.

A program is a list of steps, each a word and a number. A step that does not apply is left out, so
every part of a program is a program: that is how a failing one is shrunk. The rules are written
here; the machine writes the examples.

Who acts: the **view**, a request under our middleware, whose blocks of transactions the steps open
and close; the **other**, a request of the same browser that has loaded the session too and saves or
signs in between the steps; a **late** request, which arrives with a key that was replaced; and
whoever revokes. The view writes ``a``, ``b``, ``n`` and ``cart["s"]``, the other ``x`` and
``cart["t"]``: a merge never has to choose.
"""

import contextlib
import copy
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse

from sessionstore.conf import conf
from sessionstore.core.sign_ins.facts import SIGN_INS_KEY

IDLE_S, REPLACED_S = 6000, 60
ADVANCES_S = (1, 1, 61, 7000)
NOT_MINE = ("x", "cart", SIGN_INS_KEY)
USER = {"_auth_user_id": "7", "_auth_user_backend": "b", "_auth_user_hash": "h"}
# How often each step is drawn.
WEIGHTS = {
    "set": 8,
    "nest": 5,
    "pop": 2,
    "save": 8,
    "begin": 10,
    "commit": 5,
    "rollback": 7,
    "cycle": 5,
    "login": 2,
    "delete": 1,
    "flush": 1,
    "reload": 2,
    "transact": 2,
    "refuse": 2,
    "other_loads": 3,
    "other_saves": 3,
    "other_cycles": 1,
    "other_flushes": 1,
    "late_write": 1,
    "late_flush": 1,
    "revoke": 1,
    "advance": 2,
    "answer": 3,
    "fail": 1,
}
LENGTHS = range(4, 19)
# Half of them begin with a browser that has a session.
VISIT = [("set", 1), ("answer", 0)]
Step = tuple[str, int]


def draw(seed: object) -> list[Step]:
    """Return the program of a seed, always the same."""
    chance = random.Random(str(seed))  # noqa: S311 - repeatable on purpose
    words = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=chance.choice(LENGTHS))
    program = [(word, chance.randrange(10)) for word in words]
    return VISIT + program if chance.random() < 0.5 else program


class DifferenceError(AssertionError):
    """The engine and the model do not agree."""


class TakenBackError(Exception):
    """Rolls a block back."""


class RefusedError(Exception):
    """Ends a change that is not to be made."""


@dataclass
class Row:
    """What the table holds: the life of a session, its key, and who wrote what."""

    life: int
    key: str
    mine: dict[str, Any]
    others: dict[str, Any]
    seen: float
    replaced: tuple[str, float] | None = None


@dataclass
class View:
    """What the request of the steps knows and means."""

    session: Any
    request: HttpRequest
    data: dict[str, Any] = field(default_factory=dict)
    # What is known to be stored of it.
    known: dict[str, Any] = field(default_factory=dict)
    # Whose row it means, and the depth of blocks in which that row was inserted.
    life: int | None = None
    depth: int = 0
    # Not read yet; read with a replaced key; deleted by itself; its key changed by the other.
    is_unread: bool = True
    is_replaced: bool = False
    has_deleted: bool = False
    is_overtaken: bool = False
    has_rolled_back: bool = False
    has_reloaded: bool = False
    # The dict that the view has got hold of.
    cart: dict[str, Any] | None = None


@dataclass
class Other:
    """A request of the same browser between its load and its answer."""

    session: Any
    life: int
    key: str
    data: dict[str, Any]


class Machine:
    """Runs one program on an engine and compares after each step."""

    def __init__(self, store: Any, middleware: Any, alias: str, clock: Any) -> None:
        self.store, self.middleware, self.alias, self.clock = store, middleware, alias, clock
        self.table = store.get_model_class()._meta.db_table
        self.now = 0.0
        self.row: Row | None = None
        self.lives = 0
        self.blocks: list[tuple[Any, Row | None]] = []
        self.same_block = transaction.atomic(using=alias)
        # Lives that the view's own code ended; what a rollback takes back of that is repeated.
        self.to_end: set[int] = set()
        self.keys: set[str] = set()
        self.cookie: str | None = None
        self.other: Other | None = None
        self.view = self.new_request()

    def run(self, program: list[Step]) -> None:
        """Take all steps and end the last request; raises DifferenceError."""
        try:
            for word, number in program:
                getattr(self, word)(number)
                self.see()
            self.answer(0)
        finally:
            while self.blocks:
                self.leave(rolls_back=True)
            with connections[self.alias].cursor() as cursor:
                cursor.execute(f"DELETE FROM {self.table}")  # noqa: S608 - a name of ours

    # --- what is asked of engine and model

    def is_live(self, life: int | None) -> bool:
        row = self.row
        return row is not None and row.life == life and self.now < row.seen + IDLE_S

    @property
    def is_ended(self) -> bool:
        """Tell whether the session that the view means is no more, or no more for its key."""
        view = self.view
        is_shut_out = conf.encrypt and view.is_overtaken
        return view.life is not None and (is_shut_out or not self.is_live(view.life))

    @property
    def is_late(self) -> bool:
        """Tell whether the view may not read what stands there since its key was replaced."""
        view = self.view
        is_overtaken = view.is_overtaken and view.life is not None
        return is_overtaken and not self.is_ended and not view.has_deleted

    @property
    def is_dirty(self) -> bool:
        return self.view.data != self.view.known

    @property
    def is_told_of_replacement(self) -> bool:
        """Tell whether a write of the view has to be refused: its key was replaced just now."""
        return self.view.is_replaced and self.view.life is None and self.was_replaced_lately

    @property
    def was_replaced_lately(self) -> bool:
        row = self.row
        return (
            row is not None
            and self.is_live(row.life)
            and row.replaced is not None
            and self.now < row.replaced[1] + REPLACED_S
        )

    def check(self, is_right: object, message: str) -> None:
        if not is_right:
            raise DifferenceError(message)

    def see(self) -> None:
        """Remember each key that anybody was shown."""
        key = self.view.session.session_key
        if key:
            self.keys.add(key)

    def count(self) -> int:
        """Count the live rows; one that has expired waits for the clean-up."""
        now = time.time_ns() // 1_000_000
        with connections[self.alias].cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {self.table} WHERE expires_at > %s", [now])  # noqa: S608 - a name of ours
            return int(cursor.fetchone()[0])

    def compare(self, key: str | None) -> None:
        """Compare what a key opens with the model's row."""
        row, found = self.row, self.store(key).load() if key else {}
        found.pop(SIGN_INS_KEY, None)  # how somebody has signed in
        if row is None or not self.is_live(row.life):
            self.check(not found, f"an ended session lives: {found}")
            return
        self.check(key == row.key, "the key has no row")
        self.check(found == joined(row.mine, row.others), f"{found} is stored, not {row}")

    def compare_all(self) -> None:
        """Compare what all keys open: at most one opens anything."""
        open_keys = {key for key in self.keys if self.store().exists(key)}
        live = self.row is not None and self.is_live(self.row.life)
        expected = {self.row.key} if self.row is not None and live else set()
        self.check(
            open_keys == expected, f"{len(open_keys)} keys are valid, {len(expected)} should be"
        )
        if self.row is not None and live:
            self.compare(self.row.key)

    def attempt(self, change: Callable[[], Any]) -> bool:
        """Make a change; True unless it was told that the session has ended."""
        try:
            change()
        except UpdateError:
            return False
        return True

    # --- requests

    def new_request(self) -> View:
        request = HttpRequest()
        request.META = {"REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "testserver"}
        request.COOKIES = {"sessionid": self.cookie} if self.cookie else {}
        self.middleware.process_request(request)
        return View(request.session, request)

    def read(self) -> View:
        """Let the view read its session, if it has not."""
        view = self.view
        if not view.is_unread:
            return view
        view.is_unread = False
        view.session.get("a")
        row = self.row
        is_its_own = row is not None and self.cookie == row.key and not view.is_overtaken
        if is_its_own and self.is_live(row.life):
            self.bind(row)
            return view
        view.is_replaced = view.is_overtaken
        self.check(view.session.session_key is None, "a key without a row is believed")
        return view

    def bind(self, row: Row) -> None:
        view = self.view
        view.life, view.depth = row.life, 0
        view.data, view.known = copy.deepcopy(row.mine), copy.deepcopy(row.mine)

    def answer(self, _: int, status: int = 200) -> None:
        """End the request as the middleware does; the browser sends what it then holds."""
        while self.blocks:
            self.leave(rolls_back=False)
        if self.row is not None and self.row.life in self.to_end:
            self.row = None
        view, response, told = self.view, HttpResponse(status=status), False
        is_ended = self.is_ended or view.has_deleted
        try:
            response = self.middleware.process_response(view.request, response)
        except SessionInterrupted:
            told = True
        self.see()
        self.check(not told or is_ended or self.is_told_of_replacement, "told of no end")
        may_drop = told or status != 200 or not view.data
        self.check(may_drop or not self.is_told_of_replacement, "a late write was dropped")
        if status == 200 and not told:
            self.store_answer(is_ended=is_ended)
        self.keep_cookie(response, is_ended=is_ended)
        if status != 200 and view.has_rolled_back and not self.cookie_of_view:
            self.leave_behind()
        self.compare_all()
        self.check(
            self.row is None or not self.is_live(self.row.life) or self.cookie == self.row.key,
            "the browser holds a key that does not open its session",
        )
        self.view = self.new_request()

    def store_answer(self, *, is_ended: bool) -> None:
        """Note what the middleware's save should have left."""
        view = self.view
        if is_ended:
            self.check(not self.is_dirty or view.has_deleted, "a change was dropped silently")
        elif not view.is_unread and (view.life or view.data or self.has_stored_nothing):
            self.stored()

    def leave_behind(self) -> None:
        """End a session whose only key a rollback and an error page have kept from the browser."""
        if self.row is not None and self.cookie != self.row.key:
            self.store().delete(self.row.key)
            self.row = None

    @property
    def has_stored_nothing(self) -> bool:
        """Tell whether a visitor who has nothing got a row: both are right."""
        key = self.view.session.session_key
        return bool(key) and self.store().exists(key)

    def fail(self, number: int) -> None:
        """End the request with an error page: changes are dropped, a stored key is not."""
        self.answer(number, status=500)

    def keep_cookie(self, response: Any, *, is_ended: bool) -> None:
        morsel = response.cookies.get("sessionid")
        if morsel is None:
            return
        if not morsel.value:
            self.check(self.row is None or not self.is_live(self.row.life), "the cookie was wiped")
            self.cookie = None
        else:
            row = self.row
            is_right = row is not None and self.is_live(row.life) and row.key == morsel.value
            self.check(is_right or is_ended, "a cookie without a row")
            self.cookie = morsel.value

    # --- the view's data

    def set(self, number: int) -> None:
        view = self.read()
        name = "ab"[number % 2]
        view.session[name] = view.data[name] = number

    def nest(self, number: int) -> None:
        """Change a dict, which the view keeps hold of."""
        view = self.read()
        if view.cart is None:
            view.cart = view.session.setdefault("cart", {})
        view.cart["s"] = number
        view.data["cart"] = {"s": number}

    def pop(self, number: int) -> None:
        view = self.read()
        name = "ab"[number % 2]
        view.session.pop(name, None)
        view.data.pop(name, None)

    def reload(self, _: int) -> None:
        view = self.view
        if view.is_overtaken or view.is_replaced:
            return
        if view.is_unread:
            self.read()
        view.session.reload()
        view.cart, view.has_reloaded = None, True
        if self.is_live(view.life):
            depth = view.depth
            self.bind(self.row)
            view.depth = depth
        else:
            view.life, view.data, view.known, view.has_deleted = None, {}, {}, False

    # --- the view's writes

    def save(self, _: int) -> None:
        view = self.read()
        self.settle(self.attempt(view.session.save))

    def transact(self, _: int) -> None:
        view = self.read()

        def count(session: Any) -> None:
            session["n"] = session.get("n", 0) + 1

        done = self.attempt(lambda: view.session.transact(count))
        if self.is_late:
            self.check(not done, "a change was made of what a late request may not read")
            # What it had changed before is merged in, as by any late save.
            self.settle(True)
            return
        if done:
            view.data["n"] = view.data.get("n", 0) + 1
        self.settle(done)

    def refuse(self, number: int) -> None:
        """A change that raises, after saves that are taken back: it is as a save before it."""
        view = self.read()

        def change(session: Any) -> None:
            session["n"], session["a"] = -1, -1
            if number % 2:
                with contextlib.suppress(TakenBackError), transaction.atomic(using=self.alias):
                    session.save()
                    raise TakenBackError
            raise RefusedError

        def refused() -> None:
            with contextlib.suppress(RefusedError):
                view.session.transact(change)

        done = self.attempt(refused)
        # Inside a block it would have to read; what the view had changed before is merged in.
        self.settle(done or self.is_late)
        self.check(view.session.get("n") != -1, "what was refused is there")

    def settle(self, done: bool) -> None:
        """Judge a write of the view, and note what it should have left."""
        view = self.view
        if view.has_deleted and self.row is not None and self.is_live(self.row.life):
            # Its delete was taken back, until it is repeated at the end of the request.
            self.resync()
        elif self.is_ended or view.has_deleted:
            self.check(not done or view.has_deleted or not self.is_dirty, "a change was dropped")
            self.check(self.row is not None or self.count() == 0, "an ended session lives")
            view.data = self.of_session()
        elif self.is_told_of_replacement:
            self.check(not done, "a write with a replaced key was not told")
            view.data = self.of_session()
        else:
            self.check(done, "told of an end that was none")
            self.stored()
            self.compare(self.row.key)

    def stored(self) -> None:
        """Note that the view's data are in the table, under the key that the row has or gets."""
        view, row = self.view, self.row
        mine = copy.deepcopy(view.data)
        if view.life is None:
            self.lives += 1
            view.life, view.depth = self.lives, len(self.blocks)
            # Who goes on after an end takes along what the other had written.
            others = parted(dict(view.session.items()))[1]
            row = Row(self.lives, view.session.session_key, mine, others, self.now)
        else:
            row = copy.deepcopy(row)
            if mine != row.mine:
                row.mine, row.seen = mine, self.now
            self.rekey(row)
        self.row, view.known = row, copy.deepcopy(mine)

    def rekey(self, row: Row) -> None:
        """Note the key that the view has taken for the row, unless the other has taken another."""
        key = self.view.session.session_key
        # A reload may forget the key that a rollback has taken back.
        is_free = self.view.has_reloaded and self.view.has_rolled_back
        if is_free and not self.store().exists(key):
            return
        if not self.view.is_overtaken and key != row.key:
            row.replaced, row.key = (row.key, self.now), key
            row.seen = self.now

    def resync(self) -> None:
        """Take the table as it is: here two answers are right."""
        view, row = self.view, copy.deepcopy(self.row)
        key = view.session.session_key
        if key and key != row.key and self.store().exists(key):
            self.rekey(row)
        row.mine, row.others = parted(self.store(row.key).load())
        row.seen = self.now
        self.row, view.data = row, self.of_session()

    def of_session(self) -> dict[str, Any]:
        """Return the view's own part of what the session shows."""
        return parted(dict(self.view.session.items()))[0]

    def cycle(self, _: int) -> None:
        view = self.read()
        if view.is_overtaken or view.is_replaced:
            return
        had_user = "_auth_user_id" in view.known
        was_expired = self.is_ended and self.row is not None and self.row.life == view.life
        before = view.session.session_key
        done = self.attempt(view.session.cycle_key)
        self.check(not done or view.session.session_key != before, "the key is the same")
        is_back = self.row is not None and self.is_live(self.row.life)
        if view.has_deleted and is_back and not was_expired:
            # Its delete was taken back, until it is repeated at the end of the request.
            self.go_on(done, must_end=had_user)
        elif self.is_ended or view.has_deleted:
            self.go_on(done, must_end=was_expired or (had_user and not view.has_rolled_back))
        else:
            self.check(done, "told of an end that was none")
            if view.life is not None:
                self.stored()
                self.compare(self.row.key)

    def go_on(self, done: bool, *, must_end: bool) -> None:
        """Judge a new key for an ended session: an anonymous one may go on as a new one."""
        view = self.view
        self.check(not (done and must_end), "a new key undid an end")
        if done:
            view.life, view.known, view.has_deleted = None, {}, False

    def login(self, number: int) -> None:
        """What Django's login() and our receiver of its signal do."""
        view = self.read()
        if view.is_overtaken or view.is_replaced:
            return
        view.session.update(USER)
        view.data.update(USER)
        self.cycle(number)
        view.session.mark_authenticated()

    # --- the view's ends

    def delete(self, _: int) -> None:
        view = self.view
        if view.life is None and not view.is_unread:
            return
        view.session.delete()
        self.ended_by_view()
        view.has_deleted = not view.is_unread
        # What was not read is forgotten with its key: a write after it begins a new session.
        view.is_unread, view.is_replaced = False, view.is_replaced or view.is_overtaken

    def flush(self, _: int) -> None:
        view = self.view
        view.session.flush()
        self.ended_by_view()
        view.is_unread, view.is_replaced, view.has_deleted = False, False, False
        view.life, view.data, view.known, view.cart = None, {}, {}, None

    def ended_by_view(self) -> None:
        """Note that the view has ended the session that it means, or that its cookie means."""
        view, row = self.view, self.row
        if row is None:
            return
        by_cookie = view.life is None and self.cookie_of_view == row.key
        by_old_cookie = view.is_overtaken and view.life is None and self.was_replaced_lately
        if view.life == row.life or (view.is_unread and by_cookie) or by_old_cookie:
            self.to_end.add(row.life)
            self.row = None

    @property
    def cookie_of_view(self) -> str | None:
        return self.view.request.COOKIES.get("sessionid")

    # --- the view's blocks

    def begin(self, number: int) -> None:
        if len(self.blocks) == 3:
            return
        # A decorated function enters the same object each time.
        block = self.same_block if number % 2 else transaction.atomic(using=self.alias)
        block.__enter__()
        self.blocks.append((block, copy.deepcopy(self.row)))

    def commit(self, _: int) -> None:
        if self.blocks:
            self.leave(rolls_back=False)

    def rollback(self, _: int) -> None:
        if self.blocks:
            self.leave(rolls_back=True)

    def leave(self, *, rolls_back: bool) -> None:
        view, depth = self.view, len(self.blocks)
        block, row = self.blocks.pop()
        if not rolls_back:
            block.__exit__(None, None, None)
            view.depth = min(view.depth, depth - 1)
            return
        block.__exit__(TakenBackError, TakenBackError(), None)
        self.row, view.has_rolled_back = row, True
        if row is not None and row.life == view.life:
            view.known = copy.deepcopy(row.mine)
        if view.life is not None and view.depth >= depth:
            # Its row was never there.
            view.life, view.depth, view.known = None, 0, {}

    # --- everybody else; another connection could not write while a block is open

    def other_loads(self, _: int) -> None:
        row = self.row
        if self.blocks or row is None or not self.is_live(row.life):
            return
        session = self.store(row.key)
        session.get("x")
        self.other = Other(session, row.life, row.key, copy.deepcopy(row.others))

    def other_saves(self, number: int) -> None:
        other = self.other
        if self.blocks or other is None:
            return
        session = other.session
        other.data["x"] = session["x"] = number
        if number % 2 and "cart" in session:
            session["cart"]["t"] = number
            other.data["cart"] = {"t": number}
        done = self.attempt(session.save)
        live = self.is_live(other.life)
        if live and conf.encrypt and other.key != self.row.key:
            live = False  # It cannot read what was encrypted under the new key.
        self.check(done == live, "another request was " + ("" if live else "not ") + "told")
        if done:
            self.row = copy.deepcopy(self.row)
            self.row.others, self.row.seen = copy.deepcopy(other.data), self.now
            self.compare(self.row.key)
        elif not live:
            self.other = None

    def other_cycles(self, _: int) -> None:
        """The other signs in; the browser has that answer before the view's."""
        other, row, view = self.other, self.row, self.view
        key = view.session.session_key
        if self.blocks or other is None or not self.is_live(other.life) or other.key != row.key:
            return
        if key != row.key or view.has_deleted or (view.life is None and not view.is_unread):
            return
        other.session.cycle_key()
        self.row = copy.deepcopy(row)
        self.row.replaced = (row.key, self.now)
        self.row.key = self.cookie = other.key = other.session.session_key
        self.row.seen, view.is_overtaken = self.now, True
        self.keys.add(self.cookie)
        self.compare(self.cookie)

    def other_flushes(self, _: int) -> None:
        other = self.other
        if self.blocks or other is None:
            return
        other.session.flush()
        if self.row is not None and self.row.life == other.life:
            self.row = None
        self.other = None

    def late_write(self, _: int) -> None:
        """A request that arrives with the key that was replaced last, and writes."""
        if self.blocks or self.row is None or self.row.replaced is None:
            return
        session = self.store(self.row.replaced[0])
        session["z"] = 1
        done = self.attempt(session.save)
        self.check(done != self.was_replaced_lately, "a late write was told or not, and wrongly")
        if done:
            session.delete()

    def late_flush(self, _: int) -> None:
        """A request that arrives with the key that was replaced last, and logs out."""
        if self.blocks or not self.was_replaced_lately:
            return
        self.store(self.row.replaced[0]).flush()
        self.row = None

    def revoke(self, _: int) -> None:
        """Somebody ends the session; in a block it is the view's own code, on another object."""
        row = self.row
        if row is None or not self.is_live(row.life):
            return
        session = self.store(row.key)
        session.get("a")
        session.delete()
        if self.blocks:
            self.to_end.add(row.life)
        self.row = None

    def advance(self, number: int) -> None:
        if self.view.is_overtaken and self.view.life is None:
            return
        seconds = ADVANCES_S[number % len(ADVANCES_S)]
        self.clock.shift(seconds)
        self.now += seconds


def joined(mine: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """Return the data of both, as the session holds them."""
    data = {**mine, **others}
    if "cart" in data:
        data["cart"] = {**mine.get("cart", {}), **others.get("cart", {})}
    return data


def parted(data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the view's part of a session's data, and the other's; how one signed in is neither."""
    mine = {name: value for name, value in data.items() if name not in NOT_MINE}
    others = {"x": data["x"]} if "x" in data else {}
    cart = data.get("cart", {})
    if "s" in cart:
        mine["cart"] = {"s": cart["s"]}
    if "t" in cart:
        others["cart"] = {"t": cart["t"]}
    return mine, others


def difference(make: Callable[[], Machine], program: list[Step]) -> str | None:
    """Run a program; return in what engine and model differ, or None."""
    machine = make()
    try:
        machine.run(program)
    except Exception as error:  # noqa: BLE001 - any error is a difference
        return f"{type(error).__name__}: {error}"
    return None


def shrunk(make: Callable[[], Machine], program: list[Step]) -> list[Step]:
    """Return what is left of a failing program when no more step can be left out."""
    left = len(program)
    while left:
        left -= 1
        shorter = program[:left] + program[left + 1 :]
        if difference(make, shorter) is not None:
            program, left = shorter, len(shorter)
    return program


def told(make: Callable[[], Machine], failing: list[list[Step]], *, most: int = 5) -> str:
    """Return failing programs in words, the shortest of the first ones."""
    found = sorted((shrunk(make, program) for program in failing[:most]), key=len)
    return "\n".join(
        f"{', '.join(f'{word}({number})' for word, number in steps)}: {difference(make, steps)}"
        for steps in found
    )
