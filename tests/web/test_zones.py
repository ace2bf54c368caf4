"""USE_TZ = False: pages and commands show and take the times of the site, in its own zone."""

import json
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode

from sessionstore.backends.sql import SessionStore
from tests.harness.commands import run

LIST = "/admin/sessionstore/session/"
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
# An hour before the clock is put back in Berlin, and in Los Angeles.
AUTUMN = {
    "Europe/Berlin": datetime(2026, 10, 25, 0, tzinfo=UTC),
    "America/Los_Angeles": datetime(2026, 11, 1, 8, tzinfo=UTC),
}


@pytest.fixture(params=["America/Los_Angeles", "Asia/Seoul", "Europe/Berlin"])
def zone(request, settings, clock, db):
    """A site without time zones, in one zone after the other."""
    # First: a move sets the zone of the process.
    clock.move_to(NOON.timestamp())
    settings.USE_TZ, settings.TIME_ZONE = False, request.param
    return ZoneInfo(request.param)


@pytest.fixture
def desk(zone):
    """The browser of an administrator who signs in at noon in Greenwich."""
    browser = Client()
    browser.force_login(User.objects.create_superuser("boss"))
    return browser


def page(desk, **query):
    response = desk.get(f"{LIST}?{urlencode(query)}", follow=True)
    assert response.status_code == 200
    return response.content.decode()


def shown(html):
    return re.findall(r'<time datetime="([^"]+)">', html)


def test_the_admin_shows_the_zone_of_the_site(desk, zone):
    """With its offset, for machines."""
    assert NOON.astimezone(zone).isoformat() in shown(page(desk))


def test_the_devices_page_shows_the_zone_of_the_site(desk, zone):
    """It showed Greenwich's; for machines it is the moment, which no zone makes another one."""
    html = desk.get(f"/account/devices/{desk.session.handle}/").content.decode()
    [seen, began, _] = re.findall(r'<time datetime="([^"]+)" title="([^"]+)"', html)
    local = NOON.astimezone(zone)
    shown_there = f"{date_format(local, 'DATETIME_FORMAT')} {local.tzname()}"
    assert seen == began == (NOON.isoformat(), shown_there)


@pytest.mark.parametrize(("minutes", "is_found"), [(-1, True), (1, False)])
def test_an_address_of_the_admin_takes_times_of_the_site(desk, minutes, is_found):
    """As for a DateTimeField."""
    since = timezone.now() + timedelta(minutes=minutes)
    assert (desk.session.handle in page(desk, created_at__gte=str(since))) == is_found


def test_what_is_no_time_is_no_error_of_the_server(desk):
    """Django shows the list without it."""
    page(desk, created_at__gte="yesterday")


@pytest.mark.parametrize(("seen", "hours"), [("hour", 0.9), ("day", 23), ("older", 24 * 7.1)])
def test_filters_by_last_use_are_exact(desk, clock, seen, hours):
    """They are off by the zone where naive and aware times are mixed."""
    session = SessionStore()
    session.create()
    for wanted in ("hour", "day", "older"):
        before = session.handle in page(desk, seen=wanted)
        assert before == (wanted != "older")
    clock.advance(hours=hours)
    desk.force_login(User.objects.get())
    assert session.handle in page(desk, seen=seen)


@pytest.mark.parametrize("name", AUTUMN)
def test_ages_are_true_when_the_clock_is_put_back(settings, clock, db, name):
    """Two hours are two hours, in the statistics of the command and of the admin."""
    clock.move_to(AUTUMN[name].timestamp())
    settings.USE_TZ, settings.TIME_ZONE = False, name
    SessionStore().create()
    ended = SessionStore()
    ended.set_expiry(1)
    ended.create()
    clock.advance(hours=2)
    told = json.loads(run("sessionstats", "--json"))
    assert told["age_s"]["largest"] == 2 * 3600
    end = AUTUMN[name] + timedelta(seconds=1)
    assert datetime.fromisoformat(told["oldest_end"]) == end
    assert f"the oldest since {end:%Y-%m-%d %H:%M} UTC" in run("sessionstats")
    browser = Client()
    browser.force_login(User.objects.create_superuser("boss"))
    html = browser.get(f"{LIST}statistics/").content.decode()
    assert "up to an hour: 0, up to a day: 1" in html
