"""Whoever clicks stays in: what a click renews is renewed in time, and no more often than that."""

from importlib import import_module

import pytest
from django.core.cache import caches
from django.db import connections
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sessionstore.core.record import Client
from sessionstore.models import Session
from tests.express.conftest import create_table
from tests.harness.databases import ENGINES
from tests.harness.statements import record_statements
from tests.harness.visitor import MIDDLEWARE, Visitor

pytestmark = pytest.mark.urls("tests.harness.visitor")
EXPRESS = "sessionstore.backends.express"
DAY, HOUR, MINUTE = 86_400, 3600, 60


@pytest.fixture(params=[*ENGINES, EXPRESS])
def site(request, database, settings):
    """A site on one engine after the other, Express's table included; the value is the engine."""
    settings.SESSION_ENGINE = request.param
    caches["default"].clear()
    if request.param != EXPRESS:
        yield request.param
        return
    settings.SESSIONSTORE_EXPRESS = {"secrets": ["a secret that is long enough"]}
    create_table(database)
    import_module(EXPRESS).SessionStore().table._composed.clear()
    yield request.param
    with connections[database].cursor() as cursor:
        cursor.execute("DROP TABLE sessions")


@pytest.fixture(params=MIDDLEWARE)
def middleware(request, settings):
    """Under our middleware, and under Django's."""
    settings.MIDDLEWARE = MIDDLEWARE[request.param]


@pytest.fixture
def clock(clock):
    """Starts at a whole second: a table of Express knows no others."""
    clock.move_to(clock.now.replace(microsecond=0))
    return clock


def writes(seen):
    return [one for one in seen if one.sql.startswith("UPDATE")]


@pytest.mark.usefixtures("site", "middleware")
def test_a_cookie_age_of_a_minute_holds_for_whoever_clicks(settings, clock):
    """SESSION_SAVE_EVERY_REQUEST renews it, which a touch once a minute would be too late for."""
    settings.SESSION_COOKIE_AGE, settings.SESSION_SAVE_EVERY_REQUEST = MINUTE, True
    assert Visitor(clock).stays(every=10, for_=5 * MINUTE)


@pytest.mark.usefixtures("site", "middleware")
def test_an_end_of_its_own_is_renewed_under_a_longer_idle_timeout(settings, clock):
    """A thousandth of 14 days is more than 15 minutes."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 14 * DAY
    assert Visitor(clock, expiry=900).stays(every=60, for_=HOUR)


@pytest.mark.usefixtures("site", "middleware")
@pytest.mark.parametrize("interval", [MINUTE, 10 * MINUTE])
def test_a_touch_interval_above_the_idle_timeout_is_a_quarter_of_it(settings, clock, interval):
    """Whatever the setting says, somebody who clicks is not signed out."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = MINUTE
    settings.SESSIONSTORE_TOUCH_INTERVAL = interval
    assert Visitor(clock).stays(every=10, for_=5 * MINUTE)


@pytest.mark.usefixtures("site", "middleware")
def test_a_browser_session_is_renewed_too(settings, clock):
    """Its cookie has no age, and its row has the one of the settings."""
    settings.SESSION_COOKIE_AGE, settings.SESSION_SAVE_EVERY_REQUEST = MINUTE, True
    settings.SESSIONSTORE_EXPRESS = {
        "secrets": ["a secret that is long enough"],
        "expiration": MINUTE,
    }
    assert Visitor(clock, expiry=0).stays(every=10, for_=5 * MINUTE)


@pytest.mark.usefixtures("site", "middleware")
def test_without_an_idle_timeout_a_click_renews_nothing(clock):
    """As on Django's engine: set_expiry() counts from the last save."""
    visitor = Visitor(clock, expiry=900)
    assert visitor.stays(every=100, for_=800)
    assert not visitor.stays(every=100, for_=200)


@pytest.mark.usefixtures("middleware")
def test_whoever_leaves_is_out_in_time(site, settings, clock):
    """Renewed early is not renewed for longer."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 14 * DAY
    visitor = Visitor(clock, expiry=900)
    visitor.stays(every=50, for_=1000)
    clock.advance(seconds=901)
    assert not visitor.click()


def test_clicks_write_once_in_a_quarter_of_what_they_renew(site, settings, clock):
    """15 s of a minute, and the cookie goes with it; a thousandth of what is longer."""
    settings.SESSION_COOKIE_AGE, settings.SESSION_SAVE_EVERY_REQUEST = MINUTE, True
    visitor = Visitor(clock)
    with record_statements() as seen:
        assert visitor.stays(every=5, for_=5 * MINUTE)
    assert len(writes(seen)) == 20


@pytest.mark.usefixtures("site")
def test_the_cookie_goes_with_the_touch(settings, clock):
    """Not with each click: a late answer would put back a key that a login has replaced."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 14 * DAY
    visitor = Visitor(clock, expiry=900)
    assert visitor.stays(every=45, for_=HOUR)
    assert visitor.cookies == 1 + HOUR // 225


def test_near_an_end_that_nothing_moves_a_click_writes_nothing_more(site, settings, clock):
    """The absolute end is nearer than any idle end: on Express, there is nothing left to write."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = HOUR
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = 2 * HOUR
    visitor = Visitor(clock)
    assert visitor.stays(every=5 * MINUTE, for_=HOUR + 5 * MINUTE)
    with record_statements() as seen:
        assert visitor.stays(every=15, for_=10 * MINUTE)
    assert len(writes(seen)) == (0 if site == EXPRESS else 10)
    assert visitor.stays(every=50, for_=45 * MINUTE - 50)
    clock.advance(seconds=51)
    assert not visitor.click()


def test_another_address_is_recorded_though_touches_come_early(store, signed_in, settings, clock):
    """It is looked at as often as the session is touched."""
    settings.SESSION_COOKIE_AGE, settings.SESSION_SAVE_EVERY_REQUEST = MINUTE, True
    for _ in range(6):
        clock.advance(seconds=5)
        session = store(signed_in.session_key)
        session.client = Client("192.0.2.9", "a browser")
        session.get("a")
        session.save()
    row = Session.objects.using(session.table.alias).get()
    assert (row.ip, row.user_agent) == ("192.0.2.9", "a browser")


spans = st.none() | st.integers(MINUTE, 30 * DAY)


@pytest.mark.only_on("sqlite")
@hypothesis_settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    idle=spans,
    absolute=spans,
    own=spans,
    age=st.integers(MINUTE, 30 * DAY),
    interval=st.integers(MINUTE, 30 * DAY),
    saves=st.booleans(),
    part=st.integers(4, 12),
)
def test_whoever_clicks_in_each_quarter_of_the_shortest_span_is_in(
    site, middleware, settings, clock, idle, absolute, own, age, interval, saves, part
):
    """Up to the absolute end, under any settings that slide, and it is not written more often."""
    settings.SESSIONSTORE_IDLE_TIMEOUT, settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = idle, absolute
    settings.SESSION_COOKIE_AGE = age
    settings.SESSION_SAVE_EVERY_REQUEST = saves or idle is None
    settings.SESSIONSTORE_TOUCH_INTERVAL = interval
    visitor = Visitor(clock, expiry=own)
    shortest = min(own or age, idle or 30 * DAY)
    step = shortest / part
    clicks = max(0, min(40, int((absolute or 30 * DAY) / step) - 1))
    with record_statements() as seen:
        assert visitor.stays(every=step, for_=clicks * step)
    most = clicks * step / min(shortest / 4, interval)
    # Whole seconds, on Express.
    assert len(writes(seen)) <= 1.1 * most + 1
