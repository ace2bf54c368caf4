"""Links wherever sessions may be: encrypted, behind a cache, shared with Express."""

import sys
from datetime import timedelta
from types import ModuleType

import pytest
from django.core.management import call_command

from sessionstore.backends import cached_sql, sql
from sessionstore.cleaning import GRACE_MS, clear_expired
from sessionstore.links.names import Name
from sessionstore.links.rows import links
from sessionstore.models import Link
from sessionstore.outside.keys import key_sets
from sessionstore.outside.linked import SETTLED_MS, GoneLinks, end_linked
from sessionstore.signals import Reason
from tests.docs.pages import DOCS, Shop, files, settings_of
from tests.express.conftest import express_site, shared_table  # noqa: F401 - fixtures
from tests.harness.statements import record_statements

ISSUER, PAGE = "https://id.example", DOCS / "sign-out-from-outside.md"
NAME = Name(ISSUER, "s1")


def sign_in(store, sid="s1"):
    session = store()
    session.update({"_auth_user_id": "7", "_auth_user_backend": "b", "_auth_user_hash": "h"})
    session.link(ISSUER, sid)
    session.save()
    return session


def test_an_encrypted_session_is_ended_by_its_link(database, settings):
    """Nobody has to read it."""
    settings.SESSIONSTORE_ENCRYPT = True
    session = sign_in(sql.SessionStore)
    assert end_linked(NAME, reason=Reason.PROVIDER) == 1
    assert sql.SessionStore(session.session_key).load() == {}


def test_a_cache_in_front_is_told(database, settings):
    """The next request on any server is a visitor's."""
    settings.SESSION_ENGINE = "sessionstore.backends.cached_sql"
    session = sign_in(cached_sql.SessionStore)
    assert cached_sql.SessionStore(session.session_key).load()
    assert end_linked(NAME, reason=Reason.PROVIDER) == 1
    assert cached_sql.SessionStore(session.session_key).load() == {}


def test_many_sessions_of_a_name_end_in_batches(database, monkeypatch):
    """None is forgotten, whatever a statement takes."""
    monkeypatch.setattr("sessionstore.outside.linked.BATCH", 2)
    for _ in range(5):
        sign_in(sql.SessionStore)
    assert end_linked(NAME, reason=Reason.PROVIDER) == 5
    assert Link.objects.using(database).count() == 0


@pytest.mark.usefixtures("shared_table")
def test_a_session_of_express_is_ended_by_its_link(shared_table, capsys, clock):  # noqa: F811
    """By what stands for its id, which is a secret there; ``clearsessions`` knows which live."""
    from sessionstore.backends.express import SessionStore  # noqa: PLC0415 - its settings are made

    shared_table()
    first, second = sign_in(SessionStore), sign_in(SessionStore, "s2")
    assert end_linked(NAME, reason=Reason.PROVIDER) == 1
    assert SessionStore(first.session_key).load() == {}
    call_command("revokesessions", "--link", ISSUER, "s2", "--no-input")
    assert "Ended 1 session that" in capsys.readouterr().out
    assert SessionStore(second.session_key).load() == {}


def test_a_link_follows_a_session_of_express_to_its_next_key(shared_table, settings):  # noqa: F811
    """Its id is another one then. Where no provider may sign out, that costs no statement."""
    from sessionstore.backends.express import SessionStore  # noqa: PLC0415 - as above

    shared_table()
    settings.SESSIONSTORE_OIDC = {ISSUER: {"client_id": "shop", "jwks_url": f"{ISSUER}/keys"}}
    session = SessionStore(sign_in(SessionStore).session_key)
    session.cycle_key()
    settings.SESSIONSTORE_OIDC = {}
    with record_statements() as seen:
        session.cycle_key()
    assert seen.about("sessionstore_link") == []
    settings.SESSIONSTORE_OIDC = {ISSUER: {"client_id": "shop", "jwks_url": f"{ISSUER}/keys"}}
    other = SessionStore(sign_in(SessionStore, "s2").session_key)
    other.cycle_key()
    assert end_linked(Name(ISSUER, "s2"), reason=Reason.PROVIDER) == 1
    assert SessionStore(other.session_key).load() == {}


def test_the_links_of_live_sessions_of_express_stay(shared_table, clock, settings):  # noqa: F811
    """Of those that are gone they go."""
    from sessionstore.backends.express import SessionStore  # noqa: PLC0415 - as above

    shared_table(expiration=timedelta(days=9))
    settings.SESSION_COOKIE_AGE = 9 * 24 * 3600
    sign_in(SessionStore)
    gone = sign_in(SessionStore, "s2")
    gone.delete()
    clock.advance(milliseconds=SETTLED_MS + GRACE_MS + 1)
    assert clear_expired(GoneLinks(SessionStore().table)).removed == 1
    assert len(links.sessions_of([NAME])) == 1


def test_the_documented_site_works(db, client, settings, monkeypatch):
    """Its settings are right ones, its URLs lead to the views, and its code ends a user's."""
    for name, value in settings_of(files(PAGE)["settings.py"]).items():
        setattr(settings, name, value)
    key_sets.clear()
    # The neighbour is tried in tests/ecosystem, and not installed here.
    auth = ModuleType("mozilla_django_oidc.auth")
    auth.OIDCAuthenticationBackend = object
    monkeypatch.setitem(sys.modules, "mozilla_django_oidc", ModuleType("mozilla_django_oidc"))
    monkeypatch.setitem(sys.modules, "mozilla_django_oidc.auth", auth)
    made = Shop(PAGE, monkeypatch, urls=files(PAGE)["urls.py"])
    settings.ROOT_URLCONF = "shop.urls"
    assert client.post("/oidc/backchannel-logout/").status_code == 400
    session = sql.SessionStore()
    session["_auth_user_id"] = "7"
    session.link(ISSUER, "u1", kind="sub")
    session.save()
    assert made.sso.account_closed(ISSUER, "u1") == 1
