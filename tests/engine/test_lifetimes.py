"""When a session ends: at load, by the clock, whether or not anything ever cleans up."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from sessionstore.models import Session
from tests.harness.statements import record_statements

HOUR = 3600


def is_live(store, session):
    return store().exists(session.session_key)


def test_a_session_ends_with_the_cookie_age(store, saved, clock, settings):
    """To the second, though the row is still there (CVE-2026-79313)."""
    clock.advance(seconds=settings.SESSION_COOKIE_AGE - 1)
    assert is_live(store, saved)
    clock.advance(seconds=1)
    assert not is_live(store, saved)
    assert Session.objects.using(saved.table.alias).count() == 1


def test_an_idle_session_ends(store, database, clock, settings):
    """And one that is used goes on."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = timedelta(minutes=15)
    session = store()
    session["a"] = 1
    session.save()
    for _ in range(10):
        clock.advance(minutes=14)
        used = store(session.session_key)
        assert used["a"] == 1
        used.save()
    clock.advance(minutes=15)
    assert not is_live(store, session)


def test_no_touch_extends_the_absolute_end(store, database, clock, settings):
    """Ten thousand touches, saves and new keys end at the same moment (D13)."""
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = timedelta(seconds=10_000)
    settings.SESSIONSTORE_IDLE_TIMEOUT = timedelta(seconds=100)
    session = store()
    session["a"] = 1
    session.set_expiry(10**9)
    session.save()
    for second in range(9_999):
        clock.advance(seconds=1)
        if second % 3000 == 0:
            session["a"] = second
            session.save()
            session.cycle_key()
        elif second % 90 == 0:
            session.touch()
    assert is_live(store, session)
    assert session.get_expiry_age() == 1
    clock.advance(seconds=1)
    assert not is_live(store, session)


def test_a_login_starts_the_absolute_time_anew(store, database, clock, settings):
    """The time counts from the proof of identity."""
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = HOUR
    session = store()
    session["a"] = 1
    session.save()
    clock.advance(minutes=50)
    session["_auth_user_id"] = "7"
    session.mark_authenticated()
    session.save()
    clock.advance(minutes=59)
    assert is_live(store, session)
    clock.advance(minutes=1)
    assert not is_live(store, session)


def test_a_session_cannot_outlive_the_policy(store, database, settings, clock):
    """Other apps call set_expiry() with weeks; the cookie's age is the same minimum."""
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = HOUR
    session = store()
    session.set_expiry(30 * 24 * HOUR)
    session.save()
    assert session.get_expiry_age() == HOUR
    clock.advance(hours=1)
    assert not is_live(store, session)


def test_a_session_can_be_shorter_than_the_policy(store, database, settings, clock):
    """That is what set_expiry() is for."""
    settings.SESSIONSTORE_PRESET = "AAL1"
    session = store()
    session.set_expiry(60)
    session.save()
    clock.advance(seconds=60)
    assert not is_live(store, session)


@pytest.mark.parametrize(
    ("preset", "idle", "absolute"),
    [("AAL1", None, 30 * 24), ("AAL2", 1, 24), ("AAL3", 0.25, 12)],
)
def test_presets_are_those_of_nist(store, database, settings, clock, preset, idle, absolute):
    """30 days; 1 hour and 24 hours; 15 minutes and 12 hours."""
    settings.SESSIONSTORE_PRESET = preset
    settings.SESSION_COOKIE_AGE = 365 * 24 * HOUR
    session = store()
    session["a"] = 1
    session.save()
    assert session.get_expiry_age() == (idle or absolute) * HOUR
    steps = 60  # each is shorter than the idle time
    for step in range(1, steps + 1):
        clock.advance(hours=absolute / steps)
        assert is_live(store, session) == (step < steps)
        session.touch()


def test_reads_write_at_most_once_an_interval(store, database, settings, clock):
    """A busy page does not write at each request."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = HOUR
    session = store()
    session["a"] = 1
    session.save()
    with record_statements() as seen:
        for _ in range(120):
            clock.advance(seconds=1)
            reader = store(session.session_key)
            reader.get("a")
            assert reader.modified in (True, False)
            if reader.modified:
                reader.save()
    assert len([sql for sql in seen.about("sessionstore_session") if "UPDATE" in sql]) == 2


def test_a_request_that_does_not_slide(store, saved, settings, clock):
    """Polling keeps no session alive, not even when it saves."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = HOUR
    saved["a"] = 2
    saved.save()
    clock.advance(minutes=30)
    poll = store(saved.session_key)
    poll.slides = False
    assert poll["a"] == 2
    assert not poll.modified
    poll["polled"] = True
    poll.save()
    clock.advance(minutes=30)
    assert not is_live(store, saved)


def test_touches_can_be_turned_off(store, saved, settings, clock):
    """TOUCH_INTERVAL = None: reads never write."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = HOUR
    settings.SESSIONSTORE_TOUCH_INTERVAL = None
    clock.advance(minutes=30)
    reader = store(saved.session_key)
    reader.get("a")
    assert not reader.modified


def test_save_every_request_slides_and_stays_cheap(store, saved, settings, clock):
    """The cookie is sent each time; the row is written once a minute."""
    settings.SESSION_SAVE_EVERY_REQUEST = True
    reader = store(saved.session_key)
    reader.get("a")
    with record_statements() as seen:
        reader.save()
    assert list(seen) == []
    clock.advance(seconds=60)
    with record_statements() as seen:
        reader.save()
    assert len(seen) == 1


def test_a_touch_never_goes_back(store, saved, clock):
    """A server whose clock is slow does not shorten a session."""
    before = Session.objects.using(saved.table.alias).get().expires_at
    clock.advance(minutes=-10)
    assert store(saved.session_key).touch() is False
    assert Session.objects.using(saved.table.alias).get().expires_at == before


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Seoul"])
@pytest.mark.parametrize("use_tz", [True, False])
@pytest.mark.parametrize("day", ["2026-10-25", "2026-03-29", "2026-11-01", "2026-03-08"])
def test_clock_changes_move_no_deadline(store, database, settings, clock, zone, use_tz, day):
    """Half an hour is half an hour, over both changes, in each zone (D14)."""
    settings.USE_TZ, settings.TIME_ZONE = use_tz, zone
    timezone.get_default_timezone.cache_clear()
    start = datetime.fromisoformat(day + "T00:45").replace(tzinfo=ZoneInfo(zone))
    for minutes in range(0, 180, 30):
        clock.move_to(start + timedelta(minutes=minutes))
        for expiry in (timedelta(minutes=30), 30 * 60):
            session = store()
            session.set_expiry(expiry)
            session.save()
            assert session.get_expiry_age() == 1800
            clock.advance(minutes=30, seconds=-1)
            assert is_live(store, session)
            clock.advance(seconds=1)
            assert not is_live(store, session)
            clock.advance(minutes=-30)


def test_a_fixed_date_is_kept(store, saved, clock, settings):
    """A datetime is a moment, also a naive one under USE_TZ = False."""
    settings.USE_TZ = False
    saved.set_expiry(datetime.now() + timedelta(hours=2))  # noqa: DTZ005 - that is the point
    assert saved.get_expiry_age() in (7199, 7200)
    assert timezone.is_naive(saved.get_expiry_date())


def test_an_expired_session_leaves_a_fresh_one(store, saved, clock, settings):
    """What comes after the end does not see what was before."""
    clock.advance(seconds=settings.SESSION_COOKIE_AGE)
    session = store(saved.session_key)
    session["b"] = 1
    session.save()
    assert session.session_key != saved.session_key
    assert dict(session.items()) == {"b": 1}
