"""What the system checks say of SESSIONSTORE_KNOWN_DEVICES and SESSIONSTORE_NEW_DEVICE_MAIL."""

import pytest

from tests.checks.messages import found

# A site without our pages.
urlpatterns: list[object] = []
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"


@pytest.fixture(autouse=True)
def site(settings):
    """A site that is right."""
    settings.SESSIONSTORE_KNOWN_DEVICES = settings.SESSIONSTORE_NEW_DEVICE_MAIL = True


def about_devices():
    return {one for one in found() if one.startswith(("sessionstore.E09", "sessionstore.W09"))}


def test_a_site_that_is_right_is_told_nothing():
    """Nor is one that knows no devices, whatever else it has (the other tests)."""
    assert about_devices() == set()


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("SESSION_ENGINE", "sessionstore.backends.express", "E094"),
        ("SESSION_ENGINE", "sessionstore.backends.leaving", "E094"),
        ("SESSION_ENGINE", "django.contrib.sessions.backends.db", "E094"),
        ("MIDDLEWARE", [DJANGOS], "E095"),
        ("SESSIONSTORE_CLEAR_SITE_DATA", ["cache", "cookies"], "W094"),
        ("SESSIONSTORE_KNOWN_DEVICES", False, "W095"),
        ("ROOT_URLCONF", __name__, "W095"),
    ],
)
def test_what_keeps_devices_from_being_known_is_told(settings, name, value, number):
    """Most of it fails in silence."""
    setattr(settings, name, value)
    assert about_devices() == {f"sessionstore.{number}"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KNOWN_DEVICES", "yes"),
        ("KNOWN_DEVICES", 0),
        ("KNOWN_DEVICES", {"age": 0}),
        ("KNOWN_DEVICES", {"most": -1}),
        ("KNOWN_DEVICES", {"ages": 3}),
        ("NEW_DEVICE_MAIL", "no.such.task"),
        ("NEW_DEVICE_MAIL", 3),
    ],
)
def test_values_that_are_none_are_refused(settings, name, value):
    """By name, with what would be one."""
    setattr(settings, f"SESSIONSTORE_{name}", value)
    assert "sessionstore.E001" in found()
