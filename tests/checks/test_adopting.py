"""What the system checks say of SESSIONSTORE_ADOPT_FROM."""

import pytest

from tests.checks.messages import found

DJANGO = "django.contrib.sessions.backends"


@pytest.mark.parametrize(
    "path",
    [
        "no.such.engine",
        "sessionstore.checks",
        "sessionstore.backends.sql",
        f"{DJANGO}.signed_cookies",
    ],
)
def test_an_engine_that_nothing_can_move_from_is_an_error(settings, path):
    """No module, no engine, our own, and one whose sessions live in the browser."""
    settings.SESSIONSTORE_ADOPT_FROM = path
    assert "sessionstore.E061" in found()


def test_an_old_engine_whose_app_is_gone_is_an_error(settings):
    """Its table could not be read."""
    settings.SESSIONSTORE_ADOPT_FROM = f"{DJANGO}.db"
    assert "sessionstore.E061" not in found()
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django.contrib.sessions"
    ]
    assert "sessionstore.E061" in found()
