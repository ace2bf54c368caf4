"""What the system checks say of the settings."""

from datetime import timedelta

import pytest
from django.db import connections
from django.test.utils import modify_settings, override_settings

from sessionstore.conf import Conf
from sessionstore.core import encryption
from sessionstore.middleware import SessionMiddleware
from tests.checks.messages import Router, checked, found

RIGHT = {
    "SESSIONSTORE_HISTORY": timedelta(days=90),
    "SESSIONSTORE_KNOWN_DEVICES": {"age": timedelta(days=30), "most": 5},
    "SESSIONSTORE_NEW_DEVICE_MAIL": "django.core.mail.send_mail",
    "SESSIONSTORE_DATABASE": None,
    "SESSIONSTORE_IDLE_TIMEOUT": timedelta(minutes=15),
    "SESSIONSTORE_ABSOLUTE_TIMEOUT": 3600,
    "SESSIONSTORE_TOUCH_INTERVAL": None,
    "SESSIONSTORE_PRESET": "AAL2",
    "SESSIONSTORE_MAX_BYTES": 4096,
    "SESSIONSTORE_MAX_PER_USER": 5,
    "SESSIONSTORE_RECORD_CLIENT": "shortened",
    "SESSIONSTORE_CLIENT_IP_CALLABLE": "sessionstore.clients.remote_addr",
    "SESSIONSTORE_TRUSTED_PROXIES": {"Forwarded": ["10.0.0.0/8", "2001:db8::1"]},
    "SESSIONSTORE_CLEAR_SITE_DATA": ["cookies"],
    "SESSIONSTORE_REAUTH_URL": {1: "login", 2: "/code/"},
    "SESSIONSTORE_ADOPT_FROM": "django.contrib.sessions.backends.db",
    "SESSIONSTORE_CLEANUP_INTERVAL": 900,
    "SESSIONSTORE_ENCRYPT": False,
    "SESSIONSTORE_BIND_DEVICE": timedelta(minutes=5),
    "SESSIONSTORE_EXPRESS": None,
    "SESSIONSTORE_OIDC": {
        "https://id.example": {"client_id": "shop", "jwks_url": "https://id.example/keys"}
    },
}
KEYS = {"jwks_url": "https://id.example/keys"}
WRONG = {
    "SESSIONSTORE_HISTORY": ["90 days", 0, -1],
    "SESSIONSTORE_KNOWN_DEVICES": [0, "yes", {"most": 0}, {"age": -1}, {"years": 1}],
    "SESSIONSTORE_NEW_DEVICE_MAIL": [1, "no.such.task"],
    "SESSIONSTORE_DATABASE": ["", 1],
    "SESSIONSTORE_IDLE_TIMEOUT": ["15", 0, -1, timedelta(0), 1.5, True],
    "SESSIONSTORE_ABSOLUTE_TIMEOUT": ["30 days", 0],
    "SESSIONSTORE_TOUCH_INTERVAL": ["x", -5],
    "SESSIONSTORE_PRESET": ["AAL4", 1],
    "SESSIONSTORE_MAX_BYTES": [0, None, "1 MiB"],
    "SESSIONSTORE_MAX_PER_USER": [0, "many"],
    "SESSIONSTORE_RECORD_CLIENT": [True, "some"],
    "SESSIONSTORE_CLIENT_IP_CALLABLE": ["no.such.module", "sessionstore.clients.nothing", None],
    "SESSIONSTORE_TRUSTED_PROXIES": [
        *(0, True, "1", "10.0.0.1", [], [1], ["nginx"], ["10.0.0.1/8"], ["0.0.0.0/0"], ["::/0"]),
        *({}, {"X-Real-IP": 1}, {"Forwarded": 1, "X-Forwarded-For": 1}, {"Forwarded": "1"}),
    ],
    "SESSIONSTORE_CLEAR_SITE_DATA": ["cookies", [1]],
    "SESSIONSTORE_REAUTH_URL": ["", 3, {}, {"1": "login"}, {0: "login"}, {2: ""}, {True: "a"}],
    "SESSIONSTORE_ADOPT_FROM": ["", 3],
    "SESSIONSTORE_CLEANUP_INTERVAL": ["hourly", 0],
    "SESSIONSTORE_ENCRYPT": ["yes", None],
    "SESSIONSTORE_BIND_DEVICE": ["yes", 0, None, 1.5],
    "SESSIONSTORE_EXPRESS": ["secret", []],
    "SESSIONSTORE_OIDC": [
        *("https://id.example", ["https://id.example"], {"https://id.example": "shop"}),
        *({"http://id.example": {**KEYS, "client_id": "shop"}}, {7: {**KEYS, "client_id": "a"}}),
        *({"https://id.example": given} for given in ({}, KEYS, {"client_id": "shop"})),
        {"https://id.example": {"client_id": "shop", "jwks_url": "file:///etc/passwd"}},
        {"https://id.example": {**KEYS, "client_id": []}},
        {"https://id.example": {**KEYS, "client_id": "shop", "algorithms": ["HS256"]}},
        {"https://id.example": {**KEYS, "client_id": "shop", "jwks_uri": "x"}},
    ],
}


def test_every_setting_is_tested_here():
    """A new one needs a right and a wrong value."""
    names = {setting.name for setting in Conf.all_settings()}
    assert names == set(RIGHT) == set(WRONG)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_value_passes(name, settings):
    """And so does the default."""
    setattr(settings, name, RIGHT[name])
    assert "sessionstore.E001" not in found()


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_is_an_error_with_a_hint(name, value):
    """It names the setting, what it must be and what it is; with --deploy too."""
    with override_settings(**{name: value}):
        messages = checked(deploy=True)
    errors = [one for one in messages if one.id == "sessionstore.E001"]
    assert len(errors) == 1
    assert errors[0].msg.startswith(f"{name} must be ")
    secret = next(one.is_secret for one in Conf.all_settings() if one.name == name)
    assert (f"it is {value!r}." in errors[0].msg) is not secret
    assert errors[0].hint


def test_a_misspelt_setting_is_found(settings):
    """Nothing else would ever tell."""
    settings.SESSIONSTORE_IDLE_TIMEOUTS = 60
    assert "sessionstore.W001" in found()


def test_the_order_of_apps_is_checked():
    """Django finds commands in the last app first."""
    with modify_settings(INSTALLED_APPS={"remove": ["sessionstore"], "append": ["sessionstore"]}):
        assert "sessionstore.W002" in found()
    with modify_settings(INSTALLED_APPS={"append": "django.contrib.sessions"}):
        assert "sessionstore.W002" not in found()


def test_pickle_is_refused(settings):
    """Who can write to the table could run code (ASVS 1.5.2)."""
    settings.SESSION_SERIALIZER = "tests.engine.PickleSerializer"
    assert "sessionstore.E002" in found()


def test_a_serializer_whose_bytes_differ_each_time_is_told(settings):
    """It works, by comparing values; a broken one is told by the first save."""
    assert "sessionstore.W005" not in found()
    settings.SESSION_SERIALIZER = "tests.engine.test_saving.NonceSerializer"
    assert "sessionstore.W005" in found()
    for other in ("PickleSerializer", "FailingSerializer", "nothing"):
        settings.SESSION_SERIALIZER = f"tests.engine.test_saving.{other}"
        assert "sessionstore.W005" not in found()


def test_djangos_own_middleware_is_told(settings):
    """It works, and less is promised."""
    assert "sessionstore.W003" not in found()
    ours = "sessionstore.middleware.SessionMiddleware"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != ours]
    assert "sessionstore.W003" in found()
    assert "CLEANUP_INTERVAL" not in str(checked())
    settings.SESSIONSTORE_CLEANUP_INTERVAL = 3600
    assert "SESSIONSTORE_CLEANUP_INTERVAL cleans nothing" in str(checked())


def test_a_touch_interval_that_comes_too_late_is_told(settings):
    """It counts as a quarter of what it renews; None where sessions slide renews nothing."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 60
    assert "sessionstore.W025" not in found()  # The default is never too long.
    settings.SESSIONSTORE_IDLE_TIMEOUT, settings.SESSIONSTORE_TOUCH_INTERVAL = None, 601
    assert "sessionstore.W025" not in found()  # Nothing slides.
    settings.SESSIONSTORE_IDLE_TIMEOUT = 2400
    assert "601 s, more than a quarter of the 2400 s" in str(checked())
    settings.SESSIONSTORE_TOUCH_INTERVAL = 600
    assert "sessionstore.W025" not in found()
    settings.SESSION_COOKIE_AGE = 60
    assert "it counts as 15 s" in str(checked())
    settings.SESSIONSTORE_TOUCH_INTERVAL = None
    assert "signed out after 60 s" in str(checked())
    settings.SESSIONSTORE_IDLE_TIMEOUT = None
    assert "sessionstore.W025" not in found()
    settings.SESSION_SAVE_EVERY_REQUEST = True
    assert "sessionstore.W025" in found()


class Subclassed(SessionMiddleware):
    """A site's own, built on ours."""


def test_a_subclass_of_our_middleware_is_ours(settings):
    """By what it is built on, not by its name."""
    settings.MIDDLEWARE = ["tests.checks.test_settings.Subclassed"]
    assert not {"sessionstore.W003", "sessionstore.W004"} & set(found())


@pytest.mark.parametrize(
    "two",
    [
        ["sessionstore", "django.contrib.sessions"],
        ["django.contrib.sessions", "sessionstore"],
        ["sessionstore", "sessionstore"],
    ],
)
def test_two_session_middlewares_are_told(settings, two):
    """Both are named, whatever their order."""
    settings.MIDDLEWARE = [f"{one}.middleware.SessionMiddleware" for one in two]
    assert "sessionstore.W004" in found()
    assert ", ".join(map(repr, settings.MIDDLEWARE)) in str(checked())


DJANGOS_MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]


def test_atomic_requests_under_djangos_middleware_is_told(settings, monkeypatch):
    """Ours repeats the logout that a rollback takes back; Django's does not."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    assert "sessionstore.W047" not in found()
    settings.MIDDLEWARE = DJANGOS_MIDDLEWARE
    assert "sessionstore.W047" in found()


def test_atomic_requests_count_on_the_alias_of_the_sessions(settings, monkeypatch):
    """The routers name it, with or without SESSIONSTORE_DATABASE."""
    settings.MIDDLEWARE = DJANGOS_MIDDLEWARE
    default = connections.settings["default"]
    monkeypatch.setitem(connections.settings, "atomic", {**default, "ATOMIC_REQUESTS": True})
    assert "sessionstore.W047" not in found()
    settings.DATABASE_ROUTERS = [Router("atomic")]
    assert "sessionstore.W047" in found()


def test_encryption_without_its_library_is_an_error(settings, monkeypatch):
    """Said before the first request fails."""
    settings.SESSIONSTORE_ENCRYPT = True
    assert "sessionstore.E060" not in found()
    monkeypatch.setattr(encryption, "_library", lambda: None)
    assert "sessionstore.E060" in found()
