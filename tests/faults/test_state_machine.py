"""Hypothesis looks for a sequence of requests after which the engine and a dict differ."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.sessions.backends.base import UpdateError
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
START = datetime(2026, 6, 1, tzinfo=UTC)
names = st.sampled_from("abcd")
values = st.one_of(
    st.integers(-5, 5), st.text(max_size=3), st.lists(st.integers(0, 3), max_size=2), st.none()
)


class Sessions(RuleBasedStateMachine):
    """Requests on sessions, beside a dict of what each key must open.

    The model: key -> (data, seconds of life, moment of the last write).
    """

    keys = Bundle("keys")
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, dict] = {}
        self.ends: dict[str, datetime] = {}
        self.lives: dict[str, int] = {}
        self.clock = time_machine.travel(START, tick=False)
        self.traveller = self.clock.start()
        self.now = START

    def teardown(self) -> None:
        for key in list(self.lives):
            self.check(key)
            OURS.store().delete(key)
        self.clock.stop()

    def expected(self, key: str) -> dict:
        """Answer what a key opens now."""
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
        session = OURS.store(key)
        same = name in session and repr(session[name]) == repr(value)
        session[name] = value
        if not self.is_live(key):
            session.save()
            assert session.session_key != key
            OURS.store().delete(session.session_key)
        else:
            session.save()
            assert session.session_key == key
            if not same:
                self.written(key, {**self.model[key], name: value})
            else:
                # Setting an equal value is a touch: it slides as the policy says.
                self.ends[key] = self.now + timedelta(seconds=self.lives[key])
        self.check(key)

    @rule(key=keys, name=names)
    def remove(self, key, name):
        """A request that deletes a value, when it is there."""
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
        if session.session_key is None or not self.is_live(key):
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
        if not self.is_live(key):
            return multiple()
        session.cycle_key()
        session.save()
        new = session.session_key
        self.lives[new] = self.lives[key]
        self.written(new, self.model.pop(key))
        self.check(key)
        self.check(new)
        return new

    @rule(key=keys)
    def logout(self, key):
        """A flush is final."""
        OURS.store(key).flush()
        self.model.pop(key, None)
        self.check(key)

    @rule(key=keys, name=names, first=values, second=values)
    def two_at_once(self, key, name, first, second):
        """Two requests set different values; the second merges."""
        if not self.is_live(key):
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

    @rule()
    def clean(self):
        """The cleaner takes what nobody would accept any more."""
        OURS.store.clear_expired()


@pytest.mark.parametrize("examples", [20, pytest.param(300, marks=pytest.mark.soak)])
def test_no_sequence_of_requests_differs_from_a_dict(database, site, examples):
    """Writes, logouts, new keys, conflicts, expiry and clean-ups in any order."""
    Sessions.steps = 0
    run_state_machine_as_test(
        Sessions,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
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
