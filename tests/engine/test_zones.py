"""USE_TZ = False: the times of a row are naive in TIME_ZONE, as everywhere else on such a site."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.forms import modelform_factory
from django.utils import timezone

from sessionstore.conf.zones import aware
from sessionstore.core import expiry
from sessionstore.models import Session
from tests.owntable.models import ShopSession

ZONES = ["America/Los_Angeles", "Asia/Seoul", "Europe/Berlin"]
TIMES = ("created_at", "last_seen_at", "expires_at")
HOUR = timedelta(hours=1)


@pytest.fixture(params=ZONES)
def zone(request, settings, clock):
    """A site without time zones, in one zone after the other, far from any clock change."""
    # First: a move sets the zone of the process.
    clock.move_to(datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp())
    settings.USE_TZ, settings.TIME_ZONE = False, request.param
    return ZoneInfo(request.param)


@pytest.fixture
def rows(zone, saved):
    """The table of a session that has been saved just now."""
    return Session.objects.using(saved.table.alias)


def now():
    """What a site without time zones takes for now."""
    return timezone.now()


def test_times_compare_with_those_of_the_site(rows):
    """An aware one would raise TypeError."""
    row = rows.get()
    assert [getattr(row, name).tzinfo for name in TIMES] == [None] * 3
    assert (row.created_at, row.expires_at > now(), row.is_live) == (now(), True, True)


@pytest.mark.parametrize("name", ["created_at", "last_seen_at"])
def test_look_ups_take_the_times_of_the_site(rows, name):
    """To the moment, as datetimes, dates and texts; aware ones mean what they say."""
    minute = timedelta(minutes=1)
    for moment, found in ((now() - minute, True), (now(), False), (now() + minute, False)):
        assert rows.filter(**{f"{name}__gt": moment}).exists() == found
        assert rows.filter(**{f"{name}__gt": str(moment)}).exists() == found
        assert rows.filter(**{f"{name}__gt": timezone.make_aware(moment)}).exists() == found
    assert rows.filter(**{name: getattr(rows.get(), name)}).exists()
    today, day = now().date(), timedelta(days=1)
    assert rows.filter(**{f"{name}__range": (today, today + day)}).exists()
    assert not rows.filter(**{f"{name}__lt": today}).exists()


def test_values_and_aggregates_are_naive_too(rows):
    """However they are asked for."""
    assert rows.values_list("created_at", flat=True).get() == now()
    assert rows.aggregate(last=admin.models.models.Max("created_at"))["last"] == now()


def test_a_time_that_the_site_sets_is_stored(rows, zone):
    """By save() and by update()."""
    row, end = rows.get(), now() + HOUR
    row.expires_at = end
    row.save()
    assert rows.get().expires_at == end
    rows.update(expires_at=end + HOUR)
    stored = rows.extra(select={"number": "expires_at"}).values_list("number", flat=True).get()
    assert stored == expiry.to_ms((end + HOUR).replace(tzinfo=zone))


def test_a_form_shows_and_takes_the_times_of_the_site(rows):
    """Also in the admin, which would bring the box for a number."""
    row, end = rows.get(), now() + HOUR
    field = admin.ModelAdmin(Session, admin.site).formfield_for_dbfield(
        Session._meta.get_field("expires_at"), request=None
    )
    assert field.clean(str(end)) == end
    form = modelform_factory(Session, fields=["expires_at"])({"expires_at": str(end)}, instance=row)
    form.save()
    assert rows.get().expires_at == end
    assert f'value="{end}"' in str(modelform_factory(Session, fields=["expires_at"])(instance=row))


def test_texts_that_are_no_time_are_told_as_djangos_field_does(rows):
    """With its message, not with one about a number."""
    with pytest.raises(ValidationError, match="value has an invalid format"):
        rows.filter(created_at__gt="yesterday")


@pytest.mark.parametrize("use_tz", [True, False])
def test_the_hour_that_comes_twice_is_exact_in_what_a_row_answers(
    store, database, settings, clock, use_tz, tmp_path
):
    """Naive times of it tell their hour by ``fold``; a comparison of two does not see that."""
    settings.USE_TZ, settings.TIME_ZONE = use_tz, "Europe/Berlin"
    objects = Session.objects.using(database)
    moments = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]
    keys = []
    for moment in moments:
        clock.move_to(moment.timestamp())
        session = store()
        session["a"] = 1
        session.save()
        keys.append(session.session_key)
    # In JSON, a naive time of Django's has no room for the fold.
    path = tmp_path / "sessions.xml"
    call_command("dumpdata", "sessionstore", database=database, format="xml", output=str(path))
    objects.all().delete()
    call_command("loaddata", str(path), database=database, verbosity=0)
    for key, moment in zip(keys, moments, strict=True):
        row = objects.by_key(key).get()
        assert expiry.to_ms(aware(row.created_at)) == expiry.to_ms(moment)
        assert row.get_decoded() == {"a": 1}
        assert objects.get(created_at=row.created_at).pk == row.pk
        row.save()
        assert objects.get(created_at=moment).pk == row.pk


def test_a_table_of_ones_own_can_be_checked(zone, database):
    """full_clean() compared the numbers' limits with datetimes."""
    row = ShopSession(id=b"i" * 16, digest=b"d" * 32, data=b"x", version=1, cart_total=1)
    row.created_at = row.last_seen_at = row.expires_at = now()
    row.full_clean(exclude=["user_id", "authenticated_at", "ip", "user_agent", "device_name"])


@pytest.mark.parametrize("moment", [datetime.fromisoformat("2026-07-01T12:00"), date(2026, 7, 1)])
def test_with_time_zones_a_naive_time_counts_in_the_sites_zone_and_warns(saved, settings, moment):
    """As in a DateTimeField."""
    settings.TIME_ZONE = "Asia/Seoul"
    with timezone.override("UTC"), pytest.warns(RuntimeWarning, match="naive datetime"):
        found = Session._meta.get_field("created_at").get_prep_value(moment)
    start = datetime(2026, 7, 1, getattr(moment, "hour", 0), tzinfo=ZoneInfo("Asia/Seoul"))
    assert found == expiry.to_ms(start)


def test_without_time_zones_an_activated_one_changes_no_end(store, zone, database, clock):
    """Django's now() is in TIME_ZONE all the same."""
    with timezone.override("Pacific/Kiritimati"):
        session = store()
        session.set_expiry(HOUR)
        session.save()
        assert session.get_expiry_age() == 3600
        assert session.get_expiry_date() == now() + HOUR
        assert session.expires_at_ms == clock.now_ms + 3_600_000
