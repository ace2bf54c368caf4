"""A session middleware of the site's own, and two of them at once."""

import pytest
from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

from sessionstore.backends.sql import SessionStore
from sessionstore.core.record import Client as WhoAsks
from sessionstore.middleware import SessionMiddleware
from sessionstore.models import Session

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

OURS = "sessionstore.middleware.SessionMiddleware"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
BY_HEADER = "tests.engine.test_own_middleware.ByHeader"


class ByHeader(SessionMiddleware):
    """Takes the key from a header of an app, and does not call what it replaces."""

    def process_request(self, request):
        """Make the session of the header, or of the cookie."""
        key = request.headers.get("x-session") or request.COOKIES.get("sessionid")
        request.session = self.SessionStore(key)


def sign_in(request):
    login(request, User.objects.get(), "django.contrib.auth.backends.ModelBackend")
    return HttpResponse(request.session.session_key)


def add(request):
    request.session["n"] = request.session.get("n", 0) + 1
    return HttpResponse(request.session["n"])


def sign_out(request):
    logout(request)
    return HttpResponse()


def sign_out_and_fail(request):
    """Whose transaction takes the logout back."""
    with transaction.atomic():
        logout(request)
        raise LookupError


urlpatterns = [
    path(f"{view.__name__}/", view) for view in (sign_in, add, sign_out, sign_out_and_fail)
]


@pytest.fixture(
    params=[[BY_HEADER], [OURS, DJANGOS], [DJANGOS, OURS], [OURS, OURS], [BY_HEADER, OURS]],
    ids=["own", "ours, django", "django, ours", "twice", "own, ours"],
)
def site(request, settings) -> list[str]:
    """The session middleware of the site."""
    settings.MIDDLEWARE = request.param
    User.objects.create_user("ann")
    return request.param


def test_a_session_lives_and_ends(site):
    """Signed in, counted, signed out: row and cookie go."""
    browser = Client()
    browser.get("/sign_in/")
    assert [browser.get("/add/").content for _ in range(2)] == [b"1", b"2"]
    assert browser.get("/sign_out/").cookies["sessionid"]["max-age"] == 0
    assert Session.objects.count() == 0


async def test_an_async_site_too(site):
    """The same under ASGI."""
    browser = AsyncClient()
    await browser.get("/add/")
    assert (await browser.get("/add/")).content == b"2"


def test_a_logout_that_a_rollback_takes_back_is_repeated(site):
    """The journal is there, whoever makes the session."""
    browser = Client(raise_request_exception=False)
    browser.get("/sign_in/")
    assert Session.objects.count() == 1
    browser.get("/sign_out_and_fail/")
    assert Session.objects.count() == 0


def test_a_header_of_the_site_opens_a_session(settings, db):
    """Which is what such a subclass is for."""
    settings.MIDDLEWARE = [BY_HEADER]
    session = SessionStore()
    session["n"] = 7
    session.save()
    assert Client(headers={"x-session": session.session_key}).get("/add/").content == b"8"


def test_who_asks_is_recorded_there_too(settings):
    """At the login, which asks the request."""
    settings.MIDDLEWARE = [BY_HEADER]
    User.objects.create_user("ann")
    Client(headers={"user-agent": "Firefox"}).get("/sign_in/")
    row = Session.objects.get()
    assert WhoAsks(row.ip, row.user_agent) == WhoAsks("127.0.0.1", "Firefox")
