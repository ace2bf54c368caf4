"""A session that is bound to a device: who has it, who has not, and what others may do to it."""

from importlib import import_module

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.base import UpdateError
from django.test import AsyncClient

from sessionstore.core.expiry import to_ms
from sessionstore.models import Session
from sessionstore.signals import session_revoked
from tests.binding.client import Browser
from tests.harness.statements import record_statements
from tests.web.conftest import PASSWORD


@pytest.fixture
def rows(database):
    """The rows, oldest first."""
    return lambda: list(Session.objects.using(database).order_by("created_at", "pk"))


@pytest.fixture
def ends():
    """Why sessions were ended."""
    told = []

    def note(reason, **_):
        told.append(str(reason))

    session_revoked.connect(note)
    yield told
    session_revoked.disconnect(note)


@pytest.fixture
def lost(browser):
    """The browser of the user once it has lost its key: it has the session's cookie alone."""
    browser.bindings.clear()
    browser.client.cookies.pop("sessionid_device")
    return browser


# --- who has it


@pytest.mark.parametrize("again", [1, 3])
def test_a_login_binds_the_session_and_its_browser_goes_on(engine, browser, clock, again):
    """By a proof in each ten minutes."""
    for _ in range(again):
        assert browser.reads() == "ann"
        clock.advance(minutes=11)
    assert browser.reads() == "ann"
    assert browser.ends == []
    assert browser.log.count(("refresh", 403)) == browser.log.count(("refresh", 200)) == again


def test_a_stolen_session_cookie_alone_opens_nothing(engine, browser, refusals, rows):
    """Not even once, and it is told; the victim goes on."""
    thief = browser.copied("sessionid")
    assert (thief.reads(), browser.reads()) == ("", "ann")
    assert refusals == [("unproved", rows()[0].handle)]


def test_both_cookies_open_the_session_until_the_bound_one_ends(engine, browser, clock):
    """The thief has no key, so that is all."""
    thief = browser.copied()
    thief._dies.clear()
    assert thief.reads() == "ann"
    clock.advance(minutes=10, seconds=31)
    assert (thief.reads(), browser.reads()) == ("", "ann")


def test_requests_under_way_at_the_binding_are_served(clock, user):
    """For a minute: they were sent before the browser had its cookie."""
    browser = Browser(clock)
    browser.sign_in(user)
    late = browser.copied("sessionid")
    clock.advance(seconds=60)
    assert late.reads() == "ann"
    clock.advance(seconds=1)
    assert late.reads() == ""


def test_a_browser_without_the_feature_signs_in_as_ever(engine, user, clock, rows):
    """It does not answer to the offer, and nothing is bound."""
    browser = Browser(clock, can_bind=False)
    browser.sign_in(user)
    clock.advance(minutes=11)
    assert browser.reads() == "ann"
    assert rows()[0].bound_at is None


@pytest.mark.parametrize("cookie", ["", "A" * 40, "x", "of another"])
def test_what_is_no_proof_opens_nothing(browser, clock, user, cookie):
    """Made up, or of a session of one's own."""
    if cookie == "of another":
        own = Browser(clock)
        own.sign_in(user)
        cookie = own.value("sessionid_device")
    thief = browser.copied("sessionid")
    thief.client.cookies["sessionid_device"] = cookie
    assert thief.reads() == ""


def test_the_binding_stays_through_saves_and_a_new_key(engine, browser, rows, clock):
    """No save writes it, and confirming the password changes the key, not the row."""
    bound = rows()[0].bound_at
    browser.open("/remember/")
    browser.open("/account/confirm/", "post", data={"password": PASSWORD})
    assert [row.bound_at for row in rows()] == [bound]
    clock.advance(minutes=11)
    assert browser.reads() == "ann"
    assert browser.ends == []


def test_a_session_that_was_encrypted_is_bound_alike(browser, settings, user, clock):
    """The row is looked at before it is decrypted."""
    settings.SESSIONSTORE_ENCRYPT = True
    own = Browser(clock)
    own.sign_in(user)
    clock.advance(minutes=11)
    assert (own.copied("sessionid").reads(), own.reads()) == ("", "ann")


@pytest.mark.only_on("sqlite")
async def test_async_views_have_the_same_session(browser):
    """And the same visitor in its place."""
    for names, user in ((("sessionid", "sessionid_device"), "ann"), (("sessionid",), "")):
        client = AsyncClient()
        for name in names:
            client.cookies[name] = browser.value(name)
        response = await client.get("/async-poll/", secure=True)
        assert response.content.decode() == user


def test_every_worker_sees_the_binding_at_its_next_request(engine, user, clock, rows):
    """Whatever its cache has read before."""
    browser = Browser(clock, can_bind=False)
    header = browser.sign_in(user).headers["Secure-Session-Registration"]
    assert browser.reads() == "ann"
    thief = browser.copied("sessionid")
    browser.register(header)
    clock.advance(seconds=61)
    assert thief.reads() == ""
    assert rows()[0].bound_at is not None


def test_a_cache_is_told_of_the_binding(engine, user, clock, rows):
    """At once: what it has held of the row before is not believed."""
    browser = Browser(clock, can_bind=False)
    header = browser.sign_in(user).headers["Secure-Session-Registration"]
    browser.reads()
    before = rows()[0].version
    browser.register(header)
    session = import_module(engine).SessionStore(browser.value("sessionid"))
    assert session.bound_at_ms == to_ms(rows()[0].bound_at)
    assert rows()[0].version == before + 1


def test_a_save_under_way_does_not_clobber_the_binding(engine, user, clock, rows):
    """A request that has read the row before keeps its change, and the binding."""
    browser = Browser(clock, can_bind=False)
    header = browser.sign_in(user).headers["Secure-Session-Registration"]
    session = import_module(engine).SessionStore(browser.value("sessionid"))
    session["seen"] = True
    browser.register(header)
    session.save()
    assert rows()[0].bound_at is not None
    again = import_module(engine).SessionStore(browser.value("sessionid"))
    assert (again["seen"], again.bound_at_ms) == (True, to_ms(rows()[0].bound_at))


def test_data_that_were_put_in_without_a_look_reach_no_row(engine, browser, rows):
    """Code that fills a session by hand is told that it has ended."""
    session = import_module(engine).SessionStore(browser.value("sessionid"))
    session._session_cache = {"planted": True}
    before = bytes(rows()[0].data)
    with pytest.raises(UpdateError):
        session.save()
    assert bytes(rows()[0].data) == before


# --- the visitor in its place


def test_a_visitor_in_its_place_leaves_row_and_cookie_alone(engine, browser, rows):
    """Whatever a view writes."""
    before = [(row.pk, bytes(row.data), row.version) for row in rows()]
    thief = browser.copied("sessionid")
    stolen = thief.value("sessionid")
    thief.open("/remember/")
    assert thief.value("sessionid") == stolen
    assert [(row.pk, bytes(row.data), row.version) for row in rows()][:1] == before
    assert browser.reads() == "ann"


def test_what_such_a_visitor_does_is_kept_in_a_cookie_of_its_own(engine, lost, rows):
    """Else no form, no basket and no login by another site would work there."""
    lost.open("/remember/")
    lost.open("/remember/")
    assert len(rows()) == 2
    assert lost.value("sessionid_visitor")


def test_such_a_visitor_can_sign_in_again(engine, lost, rows, ends):
    """Also where tokens against forgeries are in the session. The old row ends."""
    old = rows()[0].pk
    lost.open("/remember/")
    lost.sign_in(get_user_model().objects.get())
    assert lost.reads() == "ann"
    assert old not in [row.pk for row in rows()]
    assert ends == ["replaced"]
    assert lost.value("sessionid_visitor") == ""
    assert len(lost.bindings) == 1


def test_another_user_who_signs_in_there_ends_nothing(engine, browser, ends, rows):
    """A thief with an account of the own."""
    get_user_model().objects.create_user("eve", password=PASSWORD)
    thief = browser.copied("sessionid")
    thief.sign_in(get_user_model().objects.get(username="eve"))
    assert (thief.reads(), browser.reads(), ends) == ("eve", "ann", [])


@pytest.mark.parametrize("cookie", ["sessionid", "of eve"])
def test_the_visitors_cookie_opens_no_session_of_a_user(browser, clock, user, cookie):
    """Neither the one that is withheld nor another one."""
    get_user_model().objects.create_user("eve", password=PASSWORD)
    eve = Browser(clock, can_bind=False)
    eve.sign_in(get_user_model().objects.get(username="eve"))
    thief = browser.copied("sessionid")
    key = browser.value("sessionid") if cookie == "sessionid" else eve.value("sessionid")
    thief.client.cookies["sessionid_visitor"] = key
    assert thief.reads() == ""


def test_when_the_proof_comes_the_session_is_back(engine, browser):
    """A refresh that failed for a moment costs nothing."""
    browser.client.cookies.pop("sessionid_device")
    browser.fault = lambda what, send: None
    browser.open("/remember/")
    assert browser.reads() == ""
    browser.fault = None
    assert browser.reads() == "ann"


def test_signing_out_there_forgets_the_cookie_and_spares_the_row(engine, browser, rows, ends):
    """The user wants this browser to forget it; a thief must not end what is not theirs."""
    thief = browser.copied("sessionid")
    thief.open("/account/logout/", "post")
    assert thief.value("sessionid") == ""
    assert (ends, len(rows()), browser.reads()) == ([], 1, "ann")


@pytest.mark.parametrize("verb", ["flush", "delete", "cycle_key", "clear"])
@pytest.mark.parametrize("is_read", [True, False])
def test_no_verb_reaches_the_row(engine, browser, rows, verb, is_read):
    """Also of code that has not looked at the session before."""
    before = [(row.pk, bytes(row.digest), row.version) for row in rows()]
    session = import_module(engine).SessionStore(browser.value("sessionid"))
    if is_read:
        session.keys()
    getattr(session, verb)()
    session.save()
    assert [(row.pk, bytes(row.digest), row.version) for row in rows()][:1] == before
    assert browser.reads() == "ann"


# --- ends


def test_signing_out_ends_session_and_binding(engine, browser, rows):
    """The browser learns of it at its next question."""
    browser.open("/account/logout/", "post")
    assert rows() == []
    browser.client.cookies.pop("sessionid_device")
    assert browser.reads() == ""
    assert (browser.ends, browser.bindings) == (["continue false"], [])


def test_signing_out_elsewhere_ends_it(engine, browser, rows, clock):
    """As the devices page does."""
    Session.objects.using(rows()[0]._state.db).all().delete()
    clock.advance(minutes=11)
    assert (browser.reads(), browser.ends) == ("", ["continue false"])


def test_signing_in_again_takes_a_new_key(engine, browser, rows, clock):
    """The old key, the old cookies and a thief's copy of them are worth nothing."""
    thief = browser.copied()
    before = bytes(rows()[0].device_key)
    old = browser.bindings[0]
    browser.sign_in(get_user_model().objects.get())
    assert browser.reads() == "ann"
    assert len(rows()) == 1
    assert bytes(rows()[0].device_key) not in (before, b"")
    assert (thief.reads(), browser.reads()) == ("", "ann")
    clock.advance(minutes=11)
    assert browser.reads() == "ann"
    assert old not in browser.bindings
    clock.advance(minutes=11)
    assert (browser.reads(), len(browser.bindings)) == ("ann", 1)


def test_signing_in_as_somebody_else_ends_the_old_row(engine, browser, rows, ends):
    """As without a binding."""
    get_user_model().objects.create_user("eve", password=PASSWORD)
    browser.sign_in(get_user_model().objects.get(username="eve"))
    assert (browser.reads(), len(rows()), ends) == ("eve", 1, ["flushed"])


def test_who_registers_first_with_a_stolen_answer_loses_it_at_the_next_login(
    engine, user, clock, rows
):
    """The victim becomes a visitor after a minute, and sees it."""
    victim = Browser(clock, can_bind=False)
    header = victim.sign_in(user).headers["Secure-Session-Registration"]
    thief = victim.copied()
    assert thief.register(header).status_code == 200
    victim.can_bind = True
    assert victim.register(header).status_code == 400
    clock.advance(seconds=61)
    assert (victim.reads(), thief.reads()) == ("", "ann")
    victim.sign_in(user)
    assert (victim.reads(), thief.reads(), len(rows())) == ("ann", "", 1)


@pytest.mark.parametrize("engine", ["sessionstore.backends.sql"], indirect=True)
def test_a_confirmed_password_offers_it_again(engine, user, clock, rows):
    """To a session that was not bound at its login."""
    browser = Browser(clock, can_bind=False)
    browser.sign_in(user)
    browser.can_bind = True
    browser.open("/account/confirm/", "post", data={"password": PASSWORD})
    assert rows()[0].bound_at is not None
    assert browser.reads() == "ann"


# --- links from other sites


def test_a_link_from_another_site_is_asked_again_from_here(engine, browser, clock, refusals):
    """There browsers do not refresh before the request; and it is nothing to be told."""
    clock.advance(minutes=11)
    assert browser.open("/plain/", link=True).content == b"ann"
    assert refusals == []


def test_a_link_that_works_once_is_whole(browser, clock):
    """The view runs at the second request only."""
    clock.advance(minutes=11)
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    with record_statements() as seen:
        response = browser._send("get", "/remember/", None, headers)
    assert (response.headers["Refresh"], response.content) == ("0", b"")
    assert "no-store" in response.headers["Cache-Control"]
    assert len(seen) == 1
    assert "sessionid" not in response.cookies


@pytest.mark.parametrize(
    "changed",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Dest": "iframe"},
    ],
)
def test_nothing_else_is_asked_again(lost, changed):
    """No loop: the second request is of the same origin."""
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document", **changed}
    response = lost._send("get", "/plain/", None, headers)
    assert "Refresh" not in response.headers


def test_a_link_to_a_session_that_is_not_bound_is_answered_at_once(user, clock):
    """With the statement that its view would have sent anyway."""
    browser = Browser(clock, can_bind=False)
    browser.sign_in(user)
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    with record_statements() as seen:
        assert browser._send("get", "/plain/", None, headers).content == b"ann"
    assert len(seen.about("sessionstore_session")) == 1


# --- requests of the binding's own


@pytest.mark.parametrize("header", ["Sec-Secure-Session-Id", "Secure-Session-Response"])
def test_other_middleware_meets_a_visitor(browser, header):
    """Whatever it would do with a session, or with the lack of a user."""
    response = browser._send("get", "/remember/", None, {header: "x"})
    assert (response.content, "sessionid" in response.cookies) == (b"", False)
    unbound = Browser(can_bind=False)
    unbound.sign_in(get_user_model().objects.get())
    assert unbound._send("get", "/plain/", None, {header: "x"}).content == b""


# --- turned off on a live site


def test_turned_off_nobody_is_signed_out(engine, browser, settings, clock, rows):
    """Neither the browser, which forgets its key, nor one that has not come since."""
    idle = browser.copied("sessionid")
    settings.SESSIONSTORE_BIND_DEVICE = False
    clock.advance(minutes=11)
    assert browser.reads() == "ann"
    assert browser.ends == ["continue false"]
    assert rows()[0].bound_at is None
    assert idle.reads() == "ann"


def test_turned_on_again_nobody_is_signed_out(engine, browser, settings, clock):
    """Who has forgotten the key is not bound, who has not goes on."""
    settings.SESSIONSTORE_BIND_DEVICE = False
    clock.advance(minutes=11)
    browser.reads()
    settings.SESSIONSTORE_BIND_DEVICE = True
    clock.advance(minutes=11)
    assert browser.reads() == "ann"


def test_turned_off_and_on_while_a_browser_is_away(engine, browser, settings, clock):
    """It goes on with its key."""
    settings.SESSIONSTORE_BIND_DEVICE = False
    clock.advance(minutes=11)
    settings.SESSIONSTORE_BIND_DEVICE = True
    assert browser.reads() == "ann"
    assert browser.ends == []


# --- faults on the way


def faulty(answer, what, send):
    """Let the site do it, and lose its answer once."""
    answer.pop()
    send()
    return


@pytest.mark.parametrize("clears", [True, False])
def test_an_answer_that_is_lost_signs_nobody_out(engine, user, clock, clears):
    """The browser repeats a registration; the same key has the same answer."""
    browser = Browser(clock)
    losses = [1]
    browser.fault = lambda what, send: faulty(losses, what, send) if losses else send()
    browser.sign_in(user)
    clock.advance(minutes=11 if clears else 5)
    assert browser.reads() == "ann"
    assert browser.ends == []


def test_tries_are_few(browser, clock):
    """The browser asks, and proves itself: no more."""
    clock.advance(minutes=11)
    browser.log.clear()
    assert [browser.reads() for _ in range(5)] == ["ann"] * 5
    assert browser.log == [("refresh", 403), ("refresh", 200)]
