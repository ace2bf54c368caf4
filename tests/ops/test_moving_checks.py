"""The checks of encryption and of moving in."""

import pytest
from django.core.checks import run_checks

from sessionstore import encryption

DJANGO = "django.contrib.sessions.backends"


def ids() -> list[str]:
    return [message.id for message in run_checks(tags=["sessionstore"])]


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
    assert "sessionstore.E061" in ids()


def test_an_old_engine_whose_app_is_gone_is_an_error(settings):
    """Its table could not be read."""
    settings.SESSIONSTORE_ADOPT_FROM = f"{DJANGO}.db"
    assert "sessionstore.E061" not in ids()
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django.contrib.sessions"
    ]
    assert "sessionstore.E061" in ids()


def test_encryption_without_its_library_is_an_error(settings, monkeypatch):
    """Said before the first request fails."""
    settings.SESSIONSTORE_ENCRYPT = True
    assert "sessionstore.E060" not in ids()
    monkeypatch.setattr(encryption, "AESGCM", None)
    assert "sessionstore.E060" in ids()
