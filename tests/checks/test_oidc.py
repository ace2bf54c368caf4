"""The checks of SESSIONSTORE_OIDC."""

import sys

import pytest
from django.core.checks import run_checks

from sessionstore.backends.sql import SessionStore

ISSUER = "https://id.example"
SETTING = {ISSUER: {"client_id": "shop", "jwks_url": f"{ISSUER}/keys"}}
IDS = ("E090", "E091", "W090", "W091")


@pytest.fixture
def told(settings):
    """The ids of what the checks say, of a site that has the pages unless it says otherwise."""
    settings.ROOT_URLCONF = "tests.links.urls"
    settings.SESSIONSTORE_OIDC = SETTING

    def told(*databases):
        found = run_checks(databases=databases or None)
        ids = [message.id.removeprefix("sessionstore.") for message in found]
        return [one for one in ids if one in IDS]

    return told


def test_a_site_that_does_without_is_told_nothing(told, settings):
    """And one that has all."""
    assert told() == []
    settings.SESSIONSTORE_OIDC = {}
    settings.ROOT_URLCONF = "tests.web.urls"
    assert told() == []


def test_views_without_an_address(told, settings):
    """A provider could call nothing."""
    settings.ROOT_URLCONF = "tests.web.urls"
    assert told() == ["W090"]


def test_a_library_that_is_missing(told, monkeypatch):
    """Nobody could check a signature."""
    monkeypatch.setitem(sys.modules, "jwt", None)
    assert told() == ["E090"]


@pytest.mark.parametrize(
    "engine", ["sessionstore.backends.leaving", "django.contrib.sessions.backends.db"]
)
def test_an_engine_without_links(told, settings, engine):
    """What it stores is found by no link."""
    settings.SESSION_ENGINE = engine
    assert told() == ["E091"]


def test_people_who_are_signed_in_and_not_linked(told, db):
    """Until a login has linked one; where nobody is signed in, nothing is amiss."""
    assert told("default") == []
    session = SessionStore()
    session["_auth_user_id"] = "7"
    session.save()
    assert told("default") == ["W091"]
    session.link(ISSUER, "s1")
    session.save()
    assert told("default") == []
