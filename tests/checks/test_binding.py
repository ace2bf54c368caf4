"""What the system checks say of SESSIONSTORE_BIND_DEVICE."""

from datetime import timedelta

import pytest
from django.test import override_settings
from django.urls import include, path

from sessionstore.core.binding import dbsc
from tests.checks.messages import found

DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"


@pytest.fixture(autouse=True)
def site(settings):
    """A site that is right."""
    settings.SESSIONSTORE_BIND_DEVICE = True
    settings.SESSION_COOKIE_SECURE = True


def about_binding():
    return {one for one in found() if one.startswith(("sessionstore.E07", "sessionstore.W07"))}


def test_a_site_that_is_right_is_told_nothing():
    """And one that binds nothing, whatever its cookie."""
    assert about_binding() == set()
    with override_settings(SESSIONSTORE_BIND_DEVICE=False, SESSION_COOKIE_SECURE=False):
        assert about_binding() == set()


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("SESSION_ENGINE", "sessionstore.backends.express", "E071"),
        ("SESSION_ENGINE", "sessionstore.backends.leaving", "E071"),
        ("SESSION_ENGINE", "django.contrib.sessions.backends.db", "E071"),
        ("MIDDLEWARE", [DJANGOS], "E072"),
        ("SESSION_COOKIE_SECURE", False, "E073"),
        ("SESSION_COOKIE_DOMAIN", "example.com", "E074"),
        ("SESSION_COOKIE_SAMESITE", "none", "E075"),
        ("SESSION_COOKIE_SAMESITE", None, "E075"),
        ("SESSION_COOKIE_SAMESITE", False, "E075"),
        ("SESSION_COOKIE_PATH", "/shop/", "E076"),
        ("SESSION_COOKIE_PATH", "/acc", "E076"),
        ("SESSIONSTORE_BIND_DEVICE", timedelta(seconds=299), "W070"),
        ("SESSIONSTORE_BIND_DEVICE", 3601, "W070"),
    ],
)
def test_what_keeps_a_browser_from_binding_is_told(settings, name, value, number):
    """A browser that is refused says nothing."""
    setattr(settings, name, value)
    assert about_binding() == {f"sessionstore.{number}"}


@pytest.mark.parametrize("path", ["/", "/account", "/account/"])
def test_urls_below_the_path_of_the_cookie_are_right(settings, path):
    """With or without the slash, as browsers match it."""
    settings.SESSION_COOKIE_PATH = path
    assert about_binding() == set()


@pytest.mark.parametrize("value", [300, 3600, timedelta(minutes=10)])
def test_ages_that_browsers_keep_up_are_right(settings, value):
    """From five minutes to an hour."""
    settings.SESSIONSTORE_BIND_DEVICE = value
    assert about_binding() == set()


def test_a_missing_library_is_an_error(monkeypatch):
    """Before the first login."""
    monkeypatch.setattr(dbsc, "_library", lambda: None)
    assert about_binding() == {"sessionstore.E070"}


urlpatterns = [path("mine/", include("sessionstore.urls.devices"))]


def test_the_urls_of_the_devices_are_enough(settings):
    """For sites with another login; without any, the browser has no address."""
    settings.ROOT_URLCONF = __name__
    assert about_binding() == set()
    settings.ROOT_URLCONF = "tests.checks.messages"
    with override_settings(ROOT_URLCONF="tests.express.urls"):
        assert about_binding() == {"sessionstore.E076"}
