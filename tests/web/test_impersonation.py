"""Somebody acts as another user, by whatever means: that proves nothing and ends nothing."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.test import AsyncClient, Client

from sessionstore.users import devices
from tests.web.conftest import PASSWORD, press, sign_in

ACT_AS_EVE = "tests.web.test_impersonation.act_as_eve"
PAGES = ["careful/", "async-careful/", "class/", "async-class/"]


def act_as_eve(get_response):
    """Middleware that puts another user on the request, and leaves the session alone."""

    def middleware(request):
        request.user = get_user_model().objects.get(username="eve")
        return get_response(request)

    return middleware


@pytest.fixture
def eve(user) -> User:
    """The user who is acted for."""
    return get_user_model().objects.create_user("eve", password="evil")


@pytest.fixture
def acting(settings, browser, user, eve) -> Client:
    """A browser whose session is one user's and whose requests are another's."""
    sign_in(browser, user)
    return under([*settings.MIDDLEWARE, ACT_AS_EVE], browser, settings)


def under(middleware, browser, settings) -> Client:
    """The same browser on the same site with other middleware."""
    settings.MIDDLEWARE = middleware
    same = Client(enforce_csrf_checks=True)
    same.cookies = browser.cookies
    return same


@pytest.mark.parametrize("page", [*PAGES, "account/confirm/", "account/devices/"])
@pytest.mark.django_db(transaction=True)
def test_what_asks_for_the_person_is_refused(acting, page):
    """403, and what to do; the login of the session's own user is as recent as can be."""
    answer = acting.get(f"/{page}")
    assert answer.status_code == 403
    assert "You act as <strong>eve</strong>" in answer.content.decode()


@pytest.mark.parametrize("what", ["revoke", "revoke-others"])
def test_nobody_is_signed_out(acting, eve, what):
    """Neither the one elsewhere, nor the other here."""
    hers = Client()
    hers.force_login(eve)
    token = acting.cookies["csrftoken"].value
    for browser in (acting, hers):
        fields = {"handle": browser.session.handle, "csrfmiddlewaretoken": token}
        assert acting.post(f"/account/devices/{what}/", fields).status_code == 403
    assert [bool(one.session.get("_auth_user_id")) for one in (acting, hers)] == [True, True]


def test_a_password_of_the_other_confirms_nothing(acting, settings, clock):
    """The session's own login is as old as before."""
    clock.advance(minutes=61)
    token = acting.cookies["csrftoken"].value
    fields = {"password": "evil", "csrfmiddlewaretoken": token}
    assert acting.post("/account/confirm/", fields).status_code == 403
    own = under(settings.MIDDLEWARE[:-1], acting, settings)
    assert own.get("/careful/").status_code == 302


@pytest.mark.parametrize(
    "ask",
    [devices.revoke_others, lambda *who: devices.revoke(*who, "x"), devices.list_devices],
)
def test_code_of_the_site_sees_and_ends_nothing_in_another_s_name(acting, eve, ask):
    """The error names the user and the ways for staff."""
    with pytest.raises(PermissionDenied, match=rf"another user's than {eve.pk}.*revokesessions"):
        ask(eve, acting.session)


def test_a_stamp_in_a_session_of_nobody_says_nothing_of_a_user(client, settings, eve):
    """Who is known by a header alone signs in first."""
    session = client.session
    session.mark_authenticated()
    session.save()
    client = under([*settings.MIDDLEWARE, ACT_AS_EVE], client, settings)
    assert client.get("/careful/").url == "/account/login/?next=/careful/"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.django_db(transaction=True)
async def test_a_login_from_inside_another_session_is_no_proof(page):
    """Also by alogin; what is asked for then is that user's password."""
    users = get_user_model().objects
    ann = await users.acreate_user("ann", password=PASSWORD)
    eve = await users.acreate_user("eve", password="evil")
    browser = AsyncClient()
    await browser.aforce_login(ann)
    assert (await browser.get(f"/{page}")).status_code == 200
    await browser.aforce_login(eve)
    assert (await browser.get(f"/{page}")).url == f"/account/confirm/?next=/{page}"


def test_who_signs_in_over_another_on_our_page_has_proved_it(browser, user, eve):
    """The password was given there."""
    sign_in(browser, user)
    press(browser, "/account/login/", username="eve", password="evil")
    assert browser.get("/careful/").content == b"careful"


def test_the_same_user_again_is_recent(browser, user, clock):
    """A login over the own session, on whichever page."""
    sign_in(browser, user)
    clock.advance(minutes=61)
    press(browser, "/admin/login/?next=/careful/", username="ann", password=PASSWORD)
    browser.force_login(user)
    assert browser.get("/careful/").content == b"careful"


def test_an_impersonation_begins_no_older_than_it_is(browser, user, eve, settings, clock):
    """The administrator's long session before it does not count for the absolute end."""
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = 3600
    browser.get("/remember/")
    clock.advance(minutes=50)
    sign_in(browser, user)
    clock.advance(minutes=50)
    browser.force_login(eve)
    browser.force_login(user)
    clock.advance(minutes=50)
    assert browser.get("/plain/").content == b"ann"
