"""The arithmetic of deadlines and touches."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore.core.expiry import (
    DAY_MS,
    MINUTE_MS,
    Policy,
    default_touch_interval_ms,
    now_ms,
    to_datetime,
    to_ms,
)
from sessionstore.core.record import Record

SECOND_MS = 1000


def touch_due(policy, **times):
    """Whether a read moves the last use on, as a session asks it."""
    return policy.renews and policy.is_behind(**times)


@given(st.datetimes(timezones=st.just(UTC)))
def test_moments_survive_the_table(moment):
    """Exact to the millisecond, beyond 2038 and 2106."""
    again = to_datetime(to_ms(moment))
    assert timedelta(0) <= moment - again < timedelta(milliseconds=1)


@pytest.mark.parametrize(("year", "ms"), [(2038, 2145916800000), (2106, 4291747200000)])
def test_no_year_overflows(year, ms):
    """32-bit seconds end in 2038 and, unsigned, in 2106."""
    assert to_ms(datetime(year, 1, 1, tzinfo=UTC)) == ms


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Asia/Seoul"), timezone(timedelta(hours=-9))])
def test_a_moment_is_one_number_in_every_zone(zone):
    """The zone of a server says nothing about when a session ends."""
    moment = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert to_ms(moment.astimezone(zone)) == to_ms(moment)


@pytest.mark.parametrize(
    ("policy", "end"),
    [
        (Policy(), 1000),
        (Policy(idle_ms=100), 600),
        (Policy(absolute_ms=300), 400),
        (Policy(idle_ms=100, absolute_ms=5000), 600),
        (Policy(idle_ms=5000, absolute_ms=5000), 1000),
    ],
)
def test_the_earliest_end_counts(policy, end):
    """A session's own expiry can only shorten what the site allows."""
    assert policy.deadline(1000, last_seen_at=500, started_at=100) == end


def test_a_touch_is_due_once_the_interval_has_passed():
    """A busy page does not write at each request."""
    policy = Policy(slides=True, touch_interval_ms=60 * SECOND_MS)
    assert not touch_due(policy, last_seen_at=0, now=59_999, age_ms=None)
    assert touch_due(policy, last_seen_at=0, now=60_000, age_ms=None)


def test_the_interval_counts_from_the_last_use():
    """Not from 1970."""
    policy = Policy(slides=True, touch_interval_ms=60 * SECOND_MS)
    assert not touch_due(policy, last_seen_at=10**12, now=10**12 + 59_999, age_ms=None)
    assert touch_due(policy, last_seen_at=10**12, now=10**12 + 60_000, age_ms=None)


@pytest.mark.parametrize("policy", [Policy(), Policy(slides=True, touch_interval_ms=None)])
def test_sessions_that_do_not_slide_are_never_touched(policy):
    """Without an idle timeout a read writes nothing, ever."""
    assert not touch_due(policy, last_seen_at=0, now=10**15, age_ms=MINUTE_MS)


@pytest.mark.parametrize(
    ("idle", "interval"),
    [
        (None, 60 * SECOND_MS),
        (15 * MINUTE_MS, 60 * SECOND_MS),
        (40 * 60 * MINUTE_MS, 144 * SECOND_MS),
    ],
)
def test_the_default_interval_follows_the_idle_time(idle, interval):
    """The longer of 60 s and a thousandth of it."""
    assert default_touch_interval_ms(idle) == interval


@pytest.mark.parametrize(
    ("policy", "age_s", "interval_s"),
    [
        (Policy(), None, 60),
        (Policy(touch_interval_ms=None), None, 60),
        (Policy(), 60, 15),
        (Policy(idle_ms=MINUTE_MS), None, 15),
        (Policy(idle_ms=MINUTE_MS), 40, 10),
        (Policy(idle_ms=14 * DAY_MS, touch_interval_ms=DAY_MS), 900, 225),
        (Policy(idle_ms=14 * DAY_MS, touch_interval_ms=30 * DAY_MS), None, 3.5 * 24 * 3600),
        (Policy(touch_interval_ms=SECOND_MS), 900, 1),
        (Policy(), -5, 0.001),
    ],
)
def test_a_touch_comes_in_the_first_quarter_of_what_it_renews(policy, age_s, interval_s):
    """The idle time and the session's own age, whichever is shorter, whatever the setting says."""
    age_ms = None if age_s is None else age_s * SECOND_MS
    assert policy.interval_ms(age_ms) == interval_s * SECOND_MS


@given(st.integers(4, 10**11), st.integers(4, 10**11), st.integers(4, 10**11))
def test_a_click_in_each_quarter_is_never_too_late(idle, age, interval):
    """However long ago the touch was that is not due again yet."""
    policy = Policy(idle_ms=idle, touch_interval_ms=interval, slides=True)
    click_every = min(idle, age) // 4
    not_due = policy.interval_ms(age) - 1
    assert not touch_due(policy, last_seen_at=0, now=not_due, age_ms=age)
    assert not_due + click_every < policy.deadline(age, last_seen_at=0, started_at=0)


def test_now_is_the_present_moment(clock):
    """In milliseconds, as the table has it."""
    assert now_ms() == to_ms(clock.now)
    clock.advance(seconds=1.5)
    assert now_ms() == to_ms(clock.now)


ROW = Record(b"i" * 16, b"d" * 32, b"", 1, None, 1000, None, 5000, 10**9)


@pytest.mark.parametrize(
    ("policy", "age", "now", "young"),
    [
        (Policy(), 500, 5499, True),
        (Policy(), 500, 5500, False),
        (Policy(idle_ms=300), 500, 5299, True),
        (Policy(idle_ms=300), 500, 5300, False),
        (Policy(absolute_ms=4400), 500, 5399, True),
        (Policy(absolute_ms=4400), 500, 5400, False),
        (Policy(idle_ms=10**6, absolute_ms=10**6), 10**6, 100_000, True),
    ],
)
def test_a_row_is_young_until_the_first_end_that_the_site_may_set(policy, age, now, young):
    """The site's age and the idle time count from the last use, the absolute one from the start."""
    assert policy.is_young(ROW, age_ms=age, now=now) is young


@pytest.mark.parametrize(("site", "own", "idle"), [(None, 9000, 9000), (8000, 9000, 8000)])
def test_a_session_with_an_idle_time_of_its_own_slides(site, own, idle):
    """The shorter of both, and everything else as the site has it."""
    policy = Policy(idle_ms=site, absolute_ms=5, touch_interval_ms=100).with_idle(own)
    assert (policy.idle_ms, policy.absolute_ms, policy.slides) == (idle, 5, True)
    assert policy.touch_interval_ms == 100


def test_a_short_idle_time_of_its_own_is_touched_often_enough():
    """Somebody who clicks is not signed out; and a site that never touches does not here."""
    assert Policy(touch_interval_ms=60_000).with_idle(40_000).interval_ms(None) == 10_000
    never = Policy(touch_interval_ms=None).with_idle(40_000)
    assert not touch_due(never, last_seen_at=0, now=10**9, age_ms=None)
