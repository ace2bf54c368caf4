"""Ends that are no date: told at once, never stored, and what is stored is never beyond one."""

from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from sessionstore.core import expiry
from sessionstore.core.expiry import FIRST_MS, LAST_MS, within_dates
from sessionstore.middleware import SessionMiddleware
from sessionstore.models import Session

NO_DATES = [10**12, 10**13, -(10**14), 2**62, 10**400, float("inf"), float("nan"), timedelta.max]


@pytest.mark.parametrize("value", NO_DATES, ids=str)
def test_what_makes_no_date_is_refused_at_once(database, engine, value):
    """Before anything is stored, by an error that names the value."""

    def view(request):
        request.session["a"] = 1
        with pytest.raises(ValueError, match="set_expiry"):
            request.session.set_expiry(value)
        return HttpResponse()

    answer = SessionMiddleware(view)(RequestFactory().get("/"))
    assert answer.cookies["sessionid"]["expires"][12:14] == "20"
    assert list(Session.objects.using(database).values_list("expires_at", flat=True))


@pytest.mark.parametrize(
    "value",
    [
        2 * 10**11,
        251_000_000_000,
        -(5 * 10**10),
        datetime.max,  # noqa: DTZ901 - naive on purpose
        datetime.min,  # noqa: DTZ901 - as above
        datetime.max.replace(tzinfo=UTC),
    ],
    ids=str,
)
@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "Asia/Seoul"])
def test_the_first_and_the_last_dates_are_stored(database, engine, settings, value, zone):
    """As the last moment that every reader can show; the cookie has one too."""
    settings.TIME_ZONE = zone

    def view(request):
        try:
            request.session.set_expiry(value)
        except ValueError:  # beyond the last moment in UTC
            return HttpResponse()
        request.session["a"] = 1
        assert abs(request.session.get_expiry_age()) > 10**9
        assert 2 <= request.session.get_expiry_date().year <= 9998
        return HttpResponse()

    answer = SessionMiddleware(view)(RequestFactory().get("/"))
    assert answer.status_code == 200
    for end in Session.objects.using(database).values_list("expires_at", flat=True):
        assert 2 <= end.year <= 9999


@pytest.mark.parametrize(
    "stored",
    [
        10**12,
        -(10**14),
        float("inf"),
        float("-inf"),
        "9999-12-31T23:59:59-05:00",
        "0001-01-01T00:00:00+05:00",
    ],
)
def test_what_other_engines_have_stored_has_an_end(database, engine, stored):
    """Stock Django stores such an end before it fails; a session of it may be taken over."""
    session = import_module(engine).SessionStore()
    session["_session_expiry"] = stored
    age, end = session.get_expiry_age(), session.get_expiry_date()
    assert (age > 0) == (end.year == 9998)
    assert age > 0 or end.year == 2
    ends_at = session.end_of(dict(session), seen=expiry.now_ms(), started=expiry.now_ms())
    assert ends_at == LAST_MS if age > 0 else FIRST_MS <= ends_at < 0


def test_no_age_of_the_site_makes_an_end_beyond_dates(database, engine, settings):
    """Such as one given in milliseconds by mistake."""
    settings.SESSION_COOKIE_AGE = 10**13

    def view(request):
        request.session["a"] = 1
        return HttpResponse()

    answer = SessionMiddleware(view)(RequestFactory().get("/"))
    assert answer.cookies["sessionid"]["expires"] == "Thu, 31 Dec 9998 23:59:59 GMT"


def test_moments_are_cut_to_dates():
    """And no others are."""
    assert [within_dates(at) for at in (FIRST_MS, 0, LAST_MS)] == [FIRST_MS, 0, LAST_MS]
    assert [within_dates(at) for at in (-(2**63), 2**63, float("inf"))] == [
        FIRST_MS,
        LAST_MS,
        LAST_MS,
    ]
