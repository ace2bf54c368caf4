"""Hypothesis looks for a sequence of requests after which the engine and a dict differ.

One of the requests stays: the **view**, which may open blocks of transactions around what it does.
What others do meanwhile is a part of its blocks, for they share the connection.
"""

from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.sessions.backends.base import UpdateError
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.faults.figures import note
from tests.faults.sites import OURS

DAY = 86_400
REPLACED = timedelta(seconds=60)
START = datetime(2026, 6, 1, tzinfo=UTC)
names = st.sampled_from("abcd")
values = st.one_of(
    st.integers(-5, 5), st.text(max_size=3), st.lists(st.integers(0, 3), max_size=2), st.none()
)


class TakenBackError(Exception):
    """Rolls a block back."""


@dataclass
class Table:
    """The model: what each key opens until when, and which key it has replaced when."""

    model: dict[str, dict] = field(default_factory=dict)
    ends: dict[str, datetime] = field(default_factory=dict)
    previous: dict[str, tuple[str, datetime]] = field(default_factory=dict)


@dataclass
class View:
    """The request that stays: what it has set, what of that is stored, and under which key."""

    session: object
    key: str | None = None
    own: dict = field(default_factory=dict)
    stored: dict = field(default_factory=dict)
    # Another request has changed the key; its own delete, which a rollback may take back.
    is_overtaken: bool = False
    has_deleted: bool = False


class Sessions(RuleBasedStateMachine):
    """Requests on sessions, beside a dict of what each key must open."""

    keys = Bundle("keys")
    steps = 0
    alias = "default"

    def __init__(self) -> None:
        super().__init__()
        self.table = Table()
        self.lives: dict[str, int] = {}
        self.view: View | None = None
        self.blocks: list[tuple] = []
        self.same_block = transaction.atomic(using=self.alias)
        self.numbers = 0
        self.clock = time_machine.travel(START, tick=False)
        self.traveller = self.clock.start()
        self.now = START

    @property
    def model(self) -> dict[str, dict]:
        return self.table.model

    @property
    def ends(self) -> dict[str, datetime]:
        return self.table.ends

    def teardown(self) -> None:
        while self.blocks:
            self.leave(rolls_back=True)
        for key in self.lives:
            self.check(key)
        for key in self.lives:
            OURS.store().delete(key)
        self.clock.stop()

    def expected(self, key: str) -> dict:
        """Return what a key opens now."""
        return self.model[key] if key in self.model and self.now < self.ends[key] else {}

    def is_live(self, key: str) -> bool:
        """Tell whether a key opens a session now."""
        return key in self.model and self.now < self.ends[key]

    def check(self, key: str) -> None:
        """Compare a fresh request's session with the model."""
        type(self).steps += 1
        session = OURS.store(key)
        found = {name: value for name, value in session.items() if not name.startswith("_")}
        assert found == self.expected(key)
        assert OURS.store().exists(key) == self.is_live(key)
        assert (session.session_key is not None) == self.is_live(key)

    def successor(self, key: str) -> str | None:
        """Return the key that has replaced this one; None when that session is not live."""
        found = [new for new, (old, _) in self.table.previous.items() if old == key]
        return next((new for new in found if self.is_live(new)), None)

    def was_replaced_lately(self, key: str) -> bool:
        """Tell whether a request with this key has to be told that it comes too late."""
        new = self.successor(key)
        return new is not None and self.now < self.table.previous[new][1] + REPLACED

    def is_in_doubt(self, key: str) -> bool:
        """Tell whether a block may take back what others write to the session of the view.

        The view might have taken it in by then, and would store it again.
        """
        return bool(self.blocks) and self.view.key == key

    def renamed(self, old: str, new: str) -> None:
        """Note a change of key, which is a write."""
        self.lives[new] = self.lives[old]
        self.table.previous.pop(old, None)
        self.table.previous[new] = (old, self.now)
        self.written(new, self.model.pop(old))
        if self.view is not None and self.view.key == old:
            self.view.key = new

    def written(self, key: str, data: dict) -> None:
        """Note a write: it moves the end on."""
        self.model[key] = data
        self.ends[key] = self.now + timedelta(seconds=self.lives[key])

    @rule(target=keys, name=names, value=values)
    def first_visit(self, name, value):
        """A visitor's first write."""
        session = OURS.store()
        session[name] = value
        session.save()
        self.lives[session.session_key] = 14 * DAY
        self.written(session.session_key, {name: value})
        return session.session_key

    @rule(key=keys)
    def read(self, key):
        """A request that reads changes nothing."""
        session = OURS.store(key)
        session.get("a")
        assert not session.modified
        self.check(key)

    @rule(key=keys, name=names, value=values)
    def write(self, key, name, value):
        """A request that sets a value; an ended session goes on under a new key."""
        if self.is_in_doubt(key):
            return
        session = OURS.store(key)
        same = name in session and repr(session[name]) == repr(value)
        session[name] = value
        if self.was_replaced_lately(key):
            with pytest.raises(UpdateError):
                session.save()
        elif not self.is_live(key):
            session.save()
            assert session.session_key != key
            OURS.store().delete(session.session_key)
        else:
            session.save()
            assert session.session_key == key
            if not same:
                self.written(key, {**self.model[key], name: value})
            elif not self.blocks:
                # Setting an equal value is a touch, but not inside a transaction.
                self.ends[key] = self.now + timedelta(seconds=self.lives[key])
        self.check(key)

    @rule(key=keys, name=names)
    def remove(self, key, name):
        """A request that deletes a value, when it is there."""
        if self.is_in_doubt(key):
            return
        session = OURS.store(key)
        if name in session:
            del session[name]
            session.save()
            rest = {one: value for one, value in self.model[key].items() if one != name}
            self.written(key, rest)
        self.check(key)

    @rule(key=keys, seconds=st.sampled_from([60, 3600, DAY]))
    def set_expiry(self, key, seconds):
        """A request that sets how long the session lives after each write."""
        session = OURS.store(key)
        if session.session_key is None or not self.is_live(key) or self.is_in_doubt(key):
            session.get("a")
            return
        session.set_expiry(seconds)
        session.save()
        self.lives[key] = seconds
        self.written(key, self.model[key])
        self.check(key)

    @rule(target=keys, key=consumes(keys))
    def cycle(self, key):
        """A new key: the old one is void at once."""
        session = OURS.store(key)
        if not self.is_live(key) or self.is_in_doubt(key):
            return multiple()
        if self.view is not None and self.view.key == key:
            if self.view.session.session_key != key:
                return multiple()
            self.view.is_overtaken = True
        session.cycle_key()
        session.save()
        new = session.session_key
        self.renamed(key, new)
        self.check(key)
        self.check(new)
        return new

    @rule(key=keys)
    def logout(self, key):
        """A flush is final."""
        new = self.successor(key)
        if new is not None and not self.was_replaced_lately(key):
            return
        OURS.store(key).flush()
        self.model.pop(key if new is None else new, None)
        self.check(key)

    @rule(key=keys, name=names, first=values, second=values)
    def two_at_once(self, key, name, first, second):
        """Two requests set different values; the second merges."""
        if not self.is_live(key) or self.is_in_doubt(key):
            return
        one, two = OURS.store(key), OURS.store(key)
        one.get("a")
        two.get("a")
        one[name], two[name + name] = first, second
        one.save()
        two.save()
        self.written(key, {**self.model[key], name: first, name + name: second})
        self.check(key)

    @rule(key=keys, value=values)
    def late_save(self, key, value):
        """A request that saves after a logout does not bring the session back."""
        if not self.is_live(key):
            return
        late = OURS.store(key)
        late["late"] = value
        OURS.store(key).flush()
        self.model.pop(key)
        with pytest.raises(UpdateError):
            late.save()
        self.check(key)

    @rule(key=keys)
    def reload(self, key):
        """What was changed and not saved is forgotten."""
        session = OURS.store(key)
        session["unsaved"] = 1
        session.reload()
        assert "unsaved" not in session
        self.check(key)

    @precondition(lambda self: self.lives)
    @rule(seconds=st.sampled_from([1, 59, 3599, DAY, 13 * DAY]))
    def time_passes(self, seconds):
        """Sessions end on the second."""
        self.now += timedelta(seconds=seconds)
        self.traveller.move_to(self.now)

    @precondition(lambda self: not self.blocks)
    @rule()
    def clean(self):
        """The cleaner takes what nobody would accept any more."""
        OURS.store.clear_expired()

    # --- the view, and its blocks

    def ready(self) -> bool:
        """Tell whether the view can go on: a delete that was taken back leaves it in between."""
        return self.view is not None and not (self.view.has_deleted and self.blocks)

    @precondition(lambda self: self.view is None)
    @rule(key=keys)
    def view_begins(self, key):
        """A request that loads its session and stays."""
        if self.is_live(key):
            self.view = View(OURS.store(key), key)
            self.view.session.get("a")

    @precondition(lambda self: self.view is None)
    @rule()
    def visit_begins(self):
        """The request of a visitor, which stays."""
        self.view = View(OURS.store())

    @precondition(ready)
    @rule(name=st.sampled_from(["v", "w"]))
    def view_sets(self, name):
        """A value that nobody has set before."""
        self.numbers += 1
        self.view.session[name] = self.view.own[name] = self.numbers

    @precondition(ready)
    @rule(target=keys)
    def view_saves(self):
        """What the view has set is stored, unless its session has ended."""
        return self.save_view()

    def save_view(self):
        view = self.view
        if view.has_deleted or not (view.key is None or self.is_live(view.key)):
            with suppress(UpdateError):
                view.session.save()
                assert view.has_deleted or view.own == view.stored
            self.check_gone()
            return multiple()
        before = view.key
        view.session.save()
        self.stored(before)
        self.check(view.key)
        return multiple() if view.key == before else view.key

    def stored(self, before):
        """Note a save of the view, whose row had the key `before`."""
        view = self.view
        key = before if view.is_overtaken else view.session.session_key
        if before is None:
            self.lives[key], self.model[key] = 14 * DAY, {}
        elif key != before:
            self.renamed(before, key)
        if before is None or view.own != view.stored:
            self.written(key, {**self.model[key], **view.own})
        view.key, view.stored = key, dict(view.own)

    def check_gone(self):
        """An ended session lives under no key that the view has known."""
        for key in {self.view.session.session_key, self.view.key} - {None}:
            assert not OURS.store().exists(key)

    @precondition(ready)
    @rule(target=keys)
    def view_changes_the_key(self):
        """One row, one key; without a row it is a promise."""
        view = self.view
        if view.is_overtaken or view.has_deleted:
            return multiple()
        if view.key is None:
            view.session.cycle_key()
            return multiple()
        if not self.is_live(view.key):
            if view.key in self.model:  # It has ended by time.
                with pytest.raises(UpdateError):
                    view.session.cycle_key()
            return multiple()
        before = view.key
        view.session.cycle_key()
        self.stored(before)
        self.check(before)
        self.check(view.key)
        return view.key

    @precondition(ready)
    @rule()
    def view_deletes(self):
        """The view ends its session."""
        view = self.view
        if view.key is not None:
            view.session.delete()
            self.model.pop(view.key, None)
            view.has_deleted = True
            self.check(view.key)

    @precondition(ready)
    @rule()
    def somebody_revokes(self):
        """By deleting the row, as the ORM does."""
        if self.view.key is not None:
            OURS.model.objects.using(self.alias).by_key(self.view.key).delete()
            self.model.pop(self.view.key, None)

    @precondition(lambda self: self.view is not None and not self.blocks)
    @rule(target=keys)
    def view_ends(self):
        """The middleware saves once more, and the request is over."""
        key = self.save_view()
        self.view = None
        return key

    @precondition(lambda self: self.view is not None and len(self.blocks) < 3)
    @rule(same=st.booleans())
    def begin(self, same):
        """A block, by an object of its own or by the one of a decorated function."""
        self.enter(self.same_block if same else transaction.atomic(using=self.alias))

    def enter(self, block):
        block.__enter__()
        view = self.view
        known = (view.key, dict(view.stored), view.is_overtaken)
        self.blocks.append((block, deepcopy(self.table), known))

    @precondition(lambda self: self.blocks)
    @rule()
    def commit(self):
        """The innermost block ends well."""
        self.leave(rolls_back=False)

    @precondition(lambda self: self.blocks)
    @rule()
    def roll_back(self):
        """The innermost block is taken back."""
        self.leave(rolls_back=True)

    def leave(self, *, rolls_back):
        block, table, known = self.blocks.pop()
        if not rolls_back:
            block.__exit__(None, None, None)
            return
        block.__exit__(TakenBackError, TakenBackError(), None)
        self.table = table
        view = self.view
        view.key, view.stored, view.is_overtaken = known
        if view.has_deleted:
            # Only the middleware knows what the view meant: see test_programs. Another one goes on.
            self.view = View(OURS.store())
            nothing = (None, {}, False)
            self.blocks = [(one, before, nothing) for one, before, _ in self.blocks]

    @precondition(ready)
    @rule(target=keys, data=st.lists(st.booleans(), min_size=2, max_size=2))
    def a_decorated_function_is_called_twice(self, data):
        """`@transaction.atomic` enters the same object at each call."""
        if self.view.has_deleted or len(self.blocks) > 2:
            return multiple()
        made = []
        for fails in data:
            self.enter(self.same_block)
            self.view_sets("v")
            made.append(self.save_view())
            self.leave(rolls_back=fails)
        return made[-1]


@pytest.mark.parametrize("examples", [20, pytest.param(300, marks=pytest.mark.soak)])
def test_no_sequence_of_requests_differs_from_a_dict(database, site, examples):
    """Writes, logouts, new keys, conflicts, expiry and clean-ups in any order."""
    Sessions.steps, Sessions.alias = 0, database
    run_state_machine_as_test(
        Sessions,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            # Each would be shrunk for minutes.
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Sessions.steps > examples
    note(
        "machine",
        OURS,
        database,
        f"0 differences in {examples} sequences, {Sessions.steps} comparisons",
    )
