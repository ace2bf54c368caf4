"""Proving again who you are before something that matters."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncClient

from tests.web.conftest import PASSWORD, key_of, press, sign_in

PAGES = ["/careful/", "/careful-hour/", "/async-careful/", "/class/", "/async-class/"]


def goes_to(response) -> tuple[str, str]:
    """Where an answer sends the browser, and what it says of coming back."""
    assert response.status_code == 302
    address = urlsplit(response.url)
    return address.path, parse_qs(address.query).get("next", [""])[0]


def comes_back_to(response) -> str:
    """The page of the form that is offered again after the password."""
    asked, offered = goes_to(response)
    address = urlsplit(offered)
    assert (asked, address.path) == ("/account/confirm/", "/account/resume/")
    return parse_qs(address.query)["next"][0]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.django_db(transaction=True)
def test_a_recent_login_is_enough(browser, user, page):
    """Just signed in: nothing is asked."""
    sign_in(browser, user)
    assert browser.get(page).content == b"careful"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.django_db(transaction=True)
def test_an_older_login_is_asked_for_the_password_again(browser, user, page, clock):
    """Sent to the page that asks, with the way back."""
    sign_in(browser, user)
    clock.advance(minutes=61)
    assert goes_to(browser.get(page + "?a=1")) == ("/account/confirm/", page + "?a=1")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.django_db(transaction=True)
def test_who_is_not_signed_in_is_asked_to_sign_in(browser, page):
    """Sent to the login page, with the way back."""
    assert goes_to(browser.get(page)) == ("/account/login/", page)


@pytest.mark.parametrize("page", ["/async-careful/", "/async-class/", "/careful/"])
@pytest.mark.django_db(transaction=True)
async def test_it_holds_under_asgi_too(page, clock):
    """The same three answers, asked by an async client."""
    user = await get_user_model().objects.acreate_user("ann", password=PASSWORD)
    client = AsyncClient()
    assert goes_to(await client.get(page))[0] == "/account/login/"
    await client.aforce_login(user)
    assert (await client.get(page)).content == b"careful"
    clock.advance(minutes=61)
    assert goes_to(await client.get(page))[0] == "/account/confirm/"


def test_each_view_has_an_age_of_its_own(browser, user, clock):
    """Fifteen minutes when nothing is said."""
    sign_in(browser, user)
    clock.advance(minutes=16)
    assert browser.get("/careful/").status_code == 302
    assert browser.get("/careful-hour/").status_code == 200


def test_a_session_that_does_not_know_its_login_is_asked(browser, user):
    """A script's session, or one that moved in: nobody knows when the password was given."""
    browser.force_login(user)
    assert browser.get("/careful/").status_code == 200
    data = browser.session.load()
    script = type(browser.session)()
    script.update(data)
    script.create()
    browser.cookies["sessionid"] = script.session_key
    assert goes_to(browser.get("/careful/")) == ("/account/confirm/", "/careful/")


@pytest.mark.parametrize(("seconds", "opens"), [(900, True), (900.001, False)])
def test_recent_is_up_to_the_last_moment(browser, user, clock, seconds, opens):
    """Fifteen minutes are still recent, a millisecond more is not."""
    sign_in(browser, user)
    clock.advance(seconds=seconds)
    assert (browser.get("/careful/").status_code == 200) == opens


def test_the_page_that_asks_is_not_kept(browser, user):
    """Neither by the browser nor by a cache on the way: it is about one user."""
    sign_in(browser, user)
    assert "no-store" in browser.get("/account/confirm/").headers["Cache-Control"]


def test_the_password_opens_the_page_and_changes_the_key(browser, user, clock):
    """Confirmed: the stamp is new, the old key is void (ASVS 7.2.4)."""
    sign_in(browser, user)
    clock.advance(minutes=61)
    before = key_of(browser)
    response = press(browser, "/account/confirm/?next=/careful/", password=PASSWORD)
    assert goes_to(response) == ("/careful/", "")
    assert browser.get("/careful/").content == b"careful"
    assert key_of(browser) != before
    assert not browser.session.exists(before)


def test_a_wrong_password_opens_nothing(browser, user, clock):
    """It says so, and the stamp stays old; another user's password is a wrong one."""
    get_user_model().objects.create_user("eve", password="evil")
    sign_in(browser, user)
    clock.advance(minutes=61)
    for password in ("wrong", "evil", ""):
        response = press(browser, "/account/confirm/?next=/careful/", password=password)
        assert response.status_code == 200
    assert (
        "That is not your password."
        in press(browser, "/account/confirm/", password="evil").content.decode()
    )
    assert browser.get("/careful/").status_code == 302


def test_a_backend_that_finds_somebody_else_confirms_nothing(browser, user, settings):
    """Only the user who is signed in can confirm."""
    get_user_model().objects.create_user("eve", password="evil")
    sign_in(browser, user)
    settings.AUTHENTICATION_BACKENDS = [
        "tests.web.backends.WhoeverHasThisPassword",
        "django.contrib.auth.backends.ModelBackend",
    ]
    assert press(browser, "/account/confirm/", password="evil").status_code == 200
    assert press(browser, "/account/confirm/", password=PASSWORD).status_code == 302


def test_confirming_does_not_lead_away_from_the_site(browser, user):
    """`next` is only for addresses of this site."""
    sign_in(browser, user)
    response = press(browser, "/account/confirm/?next=https://evil.example/", password=PASSWORD)
    assert goes_to(response)[0] == "/account/devices/"


def test_confirming_needs_somebody_who_is_signed_in(browser, db):
    """There is nobody to confirm."""
    assert goes_to(browser.get("/account/confirm/"))[0] == "/account/login/"


def test_an_account_without_a_password_reads_what_to_do(browser, user):
    """No form that can never be right."""
    sign_in(browser, user)
    user.set_unusable_password()
    user.save(update_fields=["password"])
    browser.force_login(user)
    page = browser.get("/account/confirm/").content.decode()
    assert "Your account has no password here." in page
    assert 'type="password"' not in page


def test_a_site_can_name_its_own_page(browser, user, settings, clock):
    """Users of allauth or SSO have no password to ask for."""
    settings.SESSIONSTORE_REAUTH_URL = "/sso/again/"
    sign_in(browser, user)
    clock.advance(minutes=61)
    assert goes_to(browser.get("/careful/")) == ("/sso/again/", "/careful/")


def test_such_a_page_stamps_the_session_itself(browser, user, clock):
    """`mark_authenticated()` is all that it has to call."""
    sign_in(browser, user)
    clock.advance(minutes=61)
    session = browser.session
    session.mark_authenticated()
    session.save()
    assert browser.get("/careful/").content == b"careful"


@pytest.mark.parametrize(
    ("referer", "back"),
    [
        ("http://testserver/form/?page=2#top", "/form/?page=2"),
        ("http://testserver", "/"),
        ("https://evil.example/form/", "/"),
        ("", "/"),
        (None, "/"),
    ],
)
def test_after_a_post_the_way_back_is_the_page_of_its_form(client, user, clock, referer, back):
    """A redirect cannot repeat a POST: its form is offered. Another site is no way back."""
    client.force_login(user)
    clock.advance(minutes=61)
    response = client.post("/class/", headers={} if referer is None else {"referer": referer})
    assert comes_back_to(response) == back


def test_after_a_secure_post_the_way_back_is_no_page_that_was_not(client, user, clock):
    """Anybody on the wire may have written that address."""
    client.force_login(user)
    clock.advance(minutes=61)
    headers = {"referer": "http://testserver/form/"}
    response = client.post("/class/", headers=headers, secure=True)
    assert comes_back_to(response) == "/"


def test_a_page_that_was_asked_for_its_head_is_come_back_to(browser, user, clock):
    """As for the whole of it."""
    sign_in(browser, user)
    clock.advance(minutes=61)
    assert goes_to(browser.head("/careful/?a=1")) == ("/account/confirm/", "/careful/?a=1")


@pytest.mark.parametrize("kind", range(4), ids=["view", "async view", "class", "async class"])
@pytest.mark.django_db(transaction=True)
def test_a_view_gets_what_the_address_hands_over(browser, user, kind):
    """By name and by position, whatever kind of view it is."""
    sign_in(browser, user)
    assert browser.get(f"/handed/{kind}/x/").content == b"() {'name': 'x'}"
    assert browser.get(f"/handed/{kind}/by/position/x/").content == b"('x',) {}"


def test_an_engine_that_knows_no_stamp_is_named(client, db, settings):
    """A misconfigured site reads what to do, and lets nobody through."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    with pytest.raises(ImproperlyConfigured) as caught:
        client.get("/poll/")
    assert str(caught.value) == (
        "This page needs SESSION_ENGINE to name an engine of sessionstore."
    )
