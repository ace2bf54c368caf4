"""Where a server cannot know what has become of a binding, it leaves it alone."""

from importlib import import_module

import pytest

from sessionstore.core.binding import dbsc
from sessionstore.models import Session
from sessionstore.signals import session_bound
from tests.binding.client import REFRESH, Browser, DeviceKey
from tests.harness.statements import record_statements
from tests.web.conftest import PASSWORD


def refreshed(browser, cookie):
    """Return the answer to a refresh that comes with this line of cookies."""
    headers = {"Sec-Secure-Session-Id": browser.bindings[0].name, "Cookie": cookie}
    browser.client.cookies.clear()
    return browser.client.post(REFRESH, secure=True, headers=headers)


def test_a_server_without_the_library_ends_no_binding(browser, clock, monkeypatch, database):
    """A broken deploy on one of several: a 5xx, and the row stays as it was."""
    clock.advance(minutes=11)
    with monkeypatch.context() as broken:
        broken.setattr(dbsc, "_library", lambda: None)
        assert browser.reads() == ""
    assert (browser.log[-1], browser.ends) == (("refresh", 503), [])
    assert Session.objects.using(database).get().bound_at is not None
    assert browser.reads() == "ann"


@pytest.mark.only_on("sqlite")
def test_a_server_without_the_library_binds_nothing(clock, user, monkeypatch, refusals):
    """And tells of nobody who has asked it to."""
    browser = Browser(clock, can_bind=False)
    header = browser.sign_in(user).headers["Secure-Session-Registration"]
    monkeypatch.setattr(dbsc, "_library", lambda: None)
    assert browser.register(header).status_code == 503
    assert refusals == []


@pytest.mark.only_on("sqlite")
def test_a_server_where_it_is_turned_off_refuses_in_silence(clock, user, settings, refusals):
    """An offer that another server made a moment ago is no attack."""
    browser = Browser(clock, can_bind=False)
    header = browser.sign_in(user).headers["Secure-Session-Registration"]
    settings.SESSIONSTORE_BIND_DEVICE = False
    assert browser.register(header).status_code == 403
    assert (refusals, Session.objects.get().bound_at) == ([], None)


@pytest.mark.parametrize("other", ["of eve", "forged", "again"])
@pytest.mark.only_on("sqlite")
def test_two_cookies_of_the_session_end_no_binding(browser, clock, user, other):
    """A sibling domain, or the site before a change of its settings, has set one beside it."""
    key, eve = browser.value("sessionid"), Browser(clock, can_bind=False)
    eve.sign_in(user)
    beside = {"of eve": eve.value("sessionid"), "forged": "0" * 40, "again": key}[other]
    response = refreshed(browser, f"sessionid={key}; sessionid={beside}")
    assert response.status_code == (503 if other == "of eve" else 403)
    assert ("sessionid 0" in response.cookies) is (other == "of eve")


@pytest.mark.only_on("sqlite")
def test_a_key_that_another_secret_has_signed_ends_no_binding(browser, settings):
    """A server that has yet to hear of the new SECRET_KEY. It costs no SQL."""
    key = browser.value("sessionid")
    settings.SECRET_KEY = "another" * 10
    with record_statements() as seen:
        assert refreshed(browser, f"sessionid={key}").status_code == 503
    assert seen == []


def test_a_proof_beside_a_change_of_the_key_is_taken(engine, browser, clock, database):
    """Browsers refresh beside a request when the proof is nearly due: here with the former key."""
    late = browser.copied()
    late.bindings = browser.bindings
    browser.open("/account/confirm/", "post", data={"password": PASSWORD})
    assert browser.value("sessionid") != late.value("sessionid")
    assert late.refresh(browser.bindings[0]).status_code == 200
    clock.advance(seconds=61)
    late.refresh(browser.bindings[0])
    assert browser.ends == []
    assert late.ends == ["continue false"]


@pytest.mark.only_on("sqlite")
def test_a_receiver_that_raises_keeps_no_browser_from_its_key(clock, user):
    """The row is bound by then: a 500 would sign its user out a minute later."""

    def fail(**_):
        raise RuntimeError

    session_bound.connect(fail)
    browser = Browser(clock)
    browser.sign_in(user)
    session_bound.disconnect(fail)
    assert browser.log == [("register", 200)]
    clock.advance(minutes=11)
    assert browser.reads() == "ann"


def test_a_binding_that_was_taken_away_late_is_not_the_new_one(engine, browser, database):
    """Two logins at once in one browser: the second one means what it has seen."""
    session = import_module(engine).SessionStore(browser.value("sessionid"))
    row = Session.objects.using(database).get()
    session.table.unbind(row.pk, session.table.device_of(row.digest, 0, replaced_since=0).bound_at)
    key, now = DeviceKey(), 1
    assert session.table.bind(bytes(row.pk), bytes(row.digest), key.point, now)
    session.table.unbind(bytes(row.pk), now + 1)
    found = session.table.device_of(bytes(row.digest), 0, replaced_since=0)
    assert (found.bound_at, found.public_key) == (now, key.point)
