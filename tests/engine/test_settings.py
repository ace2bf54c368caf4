"""The settings and what the system checks say of them."""

from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.test.utils import modify_settings, override_settings

from sessionstore.conf import Conf, conf

RIGHT = {
    "SESSIONSTORE_DATABASE": None,
    "SESSIONSTORE_IDLE_TIMEOUT": timedelta(minutes=15),
    "SESSIONSTORE_ABSOLUTE_TIMEOUT": 3600,
    "SESSIONSTORE_TOUCH_INTERVAL": None,
    "SESSIONSTORE_PRESET": "AAL2",
    "SESSIONSTORE_MAX_BYTES": 4096,
    "SESSIONSTORE_MAX_PER_USER": 5,
    "SESSIONSTORE_MAX_PER_USER_ACTION": "deny",
    "SESSIONSTORE_RECORD_CLIENT": "shortened",
    "SESSIONSTORE_CLIENT_IP_CALLABLE": "sessionstore.clients.remote_addr",
    "SESSIONSTORE_CLEAR_SITE_DATA": ["cookies"],
    "SESSIONSTORE_REAUTH_URL": "login",
    "SESSIONSTORE_ADOPT_FROM": "django.contrib.sessions.backends.db",
    "SESSIONSTORE_CLEANUP_INTERVAL": 900,
    "SESSIONSTORE_ENCRYPT": False,
    "SESSIONSTORE_EXPRESS": None,
}
WRONG = {
    "SESSIONSTORE_DATABASE": ["", 1],
    "SESSIONSTORE_IDLE_TIMEOUT": ["15", 0, -1, timedelta(0), 1.5, True],
    "SESSIONSTORE_ABSOLUTE_TIMEOUT": ["30 days", 0],
    "SESSIONSTORE_TOUCH_INTERVAL": ["x", -5],
    "SESSIONSTORE_PRESET": ["AAL4", 1],
    "SESSIONSTORE_MAX_BYTES": [0, None, "1 MiB"],
    "SESSIONSTORE_MAX_PER_USER": [0, "many"],
    "SESSIONSTORE_MAX_PER_USER_ACTION": ["newest", None],
    "SESSIONSTORE_RECORD_CLIENT": [True, "some"],
    "SESSIONSTORE_CLIENT_IP_CALLABLE": ["no.such.module", "sessionstore.clients.nothing", None],
    "SESSIONSTORE_CLEAR_SITE_DATA": ["cookies", [1]],
    "SESSIONSTORE_REAUTH_URL": ["", 3],
    "SESSIONSTORE_ADOPT_FROM": ["", 3],
    "SESSIONSTORE_CLEANUP_INTERVAL": ["hourly", 0],
    "SESSIONSTORE_ENCRYPT": ["yes", None],
    "SESSIONSTORE_EXPRESS": ["secret", []],
}


def checked(**options):
    """Run our checks, those of the databases left out (Django 6.1 would include them)."""
    return run_checks(tags=["sessionstore"], databases=[], **options)


def found(*, deploy=False):
    """Answer the ids of our checks' messages."""
    messages = checked(include_deployment_checks=deploy)
    return {message.id for message in messages if message.id.startswith("sessionstore.")}


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
        found = checked(include_deployment_checks=True)
    errors = [one for one in found if one.id == "sessionstore.E001"]
    assert len(errors) == 1
    assert errors[0].msg.startswith(f"{name} must be ")
    secret = next(one.is_secret for one in Conf.all_settings() if one.name == name)
    assert (f"it is {value!r}." in errors[0].msg) is not secret
    assert errors[0].hint


def test_settings_follow_a_change(settings):
    """What was derived is derived again."""
    settings.SESSIONSTORE_MAX_BYTES = 77
    assert (conf.max_bytes, conf.codec.max_bytes) == (77, 77)
    settings.SESSIONSTORE_MAX_BYTES = 78
    assert (conf.max_bytes, conf.codec.max_bytes) == (78, 78)


def test_own_timeouts_win_over_the_preset(settings):
    """A preset fills in what is not set."""
    settings.SESSIONSTORE_PRESET = "AAL3"
    settings.SESSIONSTORE_IDLE_TIMEOUT = 60
    assert conf.timeouts_ms == (60_000, 12 * 3_600_000)


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


def test_djangos_own_middleware_is_told(settings):
    """It works, and less is promised."""
    assert "sessionstore.W003" not in found()
    ours = "sessionstore.middleware.SessionMiddleware"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != ours]
    assert "sessionstore.W003" in found()
    assert "CLEANUP_INTERVAL" not in str(checked())
    settings.SESSIONSTORE_CLEANUP_INTERVAL = 3600
    assert "SESSIONSTORE_CLEANUP_INTERVAL cleans nothing" in str(checked())


@pytest.mark.parametrize(
    ("name", "wrong", "right", "check"),
    [
        ("SESSION_COOKIE_SECURE", False, True, "sessionstore.W010"),
        ("SESSION_COOKIE_HTTPONLY", False, True, "sessionstore.W013"),
        ("SESSION_COOKIE_NAME", "sessionid", "__Host-sessionid", "sessionstore.W021"),
        ("SESSION_COOKIE_SAMESITE", "None", "Lax", "sessionstore.W022"),
        ("SESSIONSTORE_ABSOLUTE_TIMEOUT", None, 30 * 86_400, "sessionstore.W023"),
        ("SESSIONSTORE_ABSOLUTE_TIMEOUT", 31 * 86_400, 86_400, "sessionstore.W023"),
    ],
)
def test_deployment_is_checked(settings, name, wrong, right, check):
    """Only with --deploy, and each can be put right."""
    setattr(settings, name, wrong)
    assert check not in found()
    assert check in found(deploy=True)
    setattr(settings, name, right)
    assert check not in found(deploy=True)


def test_a_host_cookie_with_a_domain_is_told(settings):
    """Browsers refuse it without a word."""
    settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_DOMAIN = "__Host-id", "example.org"
    assert "sessionstore.W021" in found(deploy=True)


@pytest.mark.parametrize(
    ("version", "told"),
    [((5, 2, 15), True), ((5, 2, 16), False), ((6, 0, 6), True), ((6, 1, 0), False)],
)
def test_releases_with_holes_are_told(monkeypatch, version, told):
    """Django before 5.2.16, and 6.0.0 to 6.0.6."""
    monkeypatch.setattr("django.VERSION", (*version, "final", 0))
    assert ("sessionstore.W020" in found(deploy=True)) is told
