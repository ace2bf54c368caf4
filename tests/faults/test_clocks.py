"""Clock changes, far years, and hosts whose clocks differ."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine

from tests.faults.figures import note
from tests.faults.sites import DATED

each_store = pytest.mark.parametrize("site", DATED, indirect=True)
# The hours of 2026 in which each zone changes its clocks; Lord Howe moves by half an hour.
CHANGES = {
    "Europe/Berlin": ["2026-03-29T01:00", "2026-10-25T01:00"],
    "America/New_York": ["2026-03-08T07:00", "2026-11-01T06:00"],
    "Australia/Lord_Howe": ["2026-10-03T15:30", "2026-04-04T15:00"],
    "America/St_Johns": ["2026-03-08T05:30", "2026-11-01T04:30"],
}
FAR = ["2038-01-19T03:14:07", "2106-02-07T06:28:15"]
MINUTES = 30


def lifetime(site, clock, start: datetime) -> float:
    """Return for how many minutes a session of 30 minutes that begins at `start` is accepted."""
    # As a number: with a zone, it would also change the zone of the process.
    clock.move_to(start.timestamp())
    session = site.store()
    session["a"] = 1
    session.set_expiry(timedelta(minutes=MINUTES) if site.is_ours else MINUTES * 60)
    session.create()
    low, high = 0, 4 * 3600
    while high - low > 1:  # second by second would be 14,400 loads
        middle = (low + high) // 2
        clock.move_to(start.timestamp() + middle)
        alive = site.store(session.session_key).get("a") == 1
        low, high = (middle, high) if alive else (low, middle)
    return high / 60


@each_store
@pytest.mark.parametrize("use_tz", [False, True], ids=["naive", "aware"])
def test_a_session_lasts_as_long_as_it_was_given(database, site, clock, settings, use_tz):
    """Half an hour is half an hour, across each change of the clocks, in 2038 and in 2106."""
    settings.USE_TZ = use_tz
    clock.move_to(clock.now.timestamp())  # the first such move sets the zone of the process
    lifetimes = {}
    for zone, moments in CHANGES.items():
        settings.TIME_ZONE = zone
        for moment in moments:
            change = datetime.fromisoformat(moment).replace(tzinfo=UTC)
            before, after = (
                (change + timedelta(seconds=s)).astimezone(ZoneInfo(zone)).utcoffset()
                for s in (-1, 1)
            )
            assert before != after, f"{zone} does not change its clocks at {moment}"
            start = change - timedelta(minutes=10)
            lifetimes[zone, moment] = lifetime(site, clock, start)
    for moment in FAR:
        start = datetime.fromisoformat(moment).replace(tzinfo=UTC) - timedelta(minutes=10)
        lifetimes[moment] = lifetime(site, clock, start)
    shortest, longest = min(lifetimes.values()), max(lifetimes.values())
    case = f"{database}, USE_TZ={use_tz}"
    note("clocks", site, case, f"30 min last {shortest:.0f} to {longest:.0f} min")
    if site.is_ours:
        assert {key: value for key, value in lifetimes.items() if value != MINUTES} == {}


@each_store
def test_a_cleaner_whose_clock_is_ten_minutes_fast_deletes_no_live_row(database, site, clock):
    """What a web server still accepts stays; what expired before that goes."""
    now = datetime.now(UTC)
    keys = []
    for seconds in (-1200, -601, 1, 60, 300, 599, 900):
        session = site.store()
        session["a"] = 1
        session.set_expiry(seconds)
        session.create()
        keys.append((seconds, session.session_key))
    with time_machine.travel(now + timedelta(minutes=10), tick=False):
        site.store.clear_expired()
    live = [key for seconds, key in keys if seconds > 0]
    deleted = sum(not site.store().exists(key) for key in live)
    note("clocks", site, f"{database}, cleaner 10 minutes fast", f"{deleted} live rows deleted")
    if site.is_ours:
        assert deleted == 0
        assert site.rows().count() == len(live)
