"""Signing in on the login page."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user
from django.http import HttpRequest

from tests.web.conftest import key_of, press, sign_in
from tests.web.hashers import CountingHasher


def user_of(browser):
    """The user whom the server sees behind the browser's cookie."""
    request = HttpRequest()
    request.session = browser.session
    return get_user(request)


def test_login_signs_the_user_in_and_goes_to_the_usual_place(browser, user):
    """A right password is enough."""
    response = sign_in(browser, user)
    assert (response.status_code, response.url) == (302, "/there/")
    assert user_of(browser) == user


def test_login_changes_the_key_and_keeps_what_the_visitor_gathered(browser, user):
    """A key planted before the login is worth nothing after it (CVE-2023-46733)."""
    session = browser.session
    session["cart"] = {"oat": 2}
    session.save()
    before = session.session_key
    sign_in(browser, user)
    assert key_of(browser) != before
    assert browser.session["cart"] == {"oat": 2}
    assert not browser.session.exists(before)


def test_signing_in_again_as_the_same_user_changes_the_key_too(browser, user):
    """Django keeps the key here (D11, ASVS 7.2.4)."""
    sign_in(browser, user)
    first = key_of(browser)
    sign_in(browser, user)
    assert key_of(browser) != first
    assert not browser.session.exists(first)


@pytest.mark.parametrize(
    "place", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_login_does_not_go_to_a_foreign_place(browser, user, place):
    """`next` is only for addresses of this site."""
    assert sign_in(browser, user, next=place).url == "/there/"


def test_login_goes_where_the_visitor_wanted_to_go(browser, user):
    """`next` of this site is honoured."""
    assert sign_in(browser, user, next="/order/?a=1").url == "/order/?a=1"


@pytest.mark.parametrize("state", ["unknown", "inactive", "wrong password"])
def test_every_failure_reads_the_same(browser, user, state):
    """Whether an account exists or is disabled is not told (ASVS 6.3.8)."""
    user.is_active = state != "inactive"
    user.save()
    names = {"unknown": "nobody"}
    username = names.get(state, "ann")
    password = "wrong" if state == "wrong password" else "correct horse"
    response = press(browser, "/account/login/", username=username, password=password)
    assert "Please enter a correct username and password." in response.content.decode()
    assert response.status_code == 200


def test_a_login_form_without_its_token_is_refused(browser, user):
    """A foreign page cannot sign a visitor in."""
    fields = {"username": "ann", "password": "correct horse"}
    assert browser.post("/account/login/", fields).status_code == 403


def test_without_a_choice_the_cookie_ends_with_the_browser(browser, user):
    """A cookie without an age is gone when the browser closes."""
    cookie = sign_in(browser, user).cookies["sessionid"]
    assert cookie["max-age"] == cookie["expires"] == ""


def test_who_wants_to_stay_gets_a_cookie_up_to_the_absolute_end(browser, user, settings):
    """Ten days where the site allows ten days."""
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = timedelta(days=10)
    cookie = sign_in(browser, user, keep="on").cookies["sessionid"]
    assert timedelta(seconds=cookie["max-age"] + 60) > timedelta(days=10)
    assert browser.session.get_expiry_age() <= timedelta(days=10).total_seconds()


def test_who_wants_to_stay_does_so_only_as_long_as_the_site_allows(browser, user, settings, clock):
    """The choice lengthens neither the idle nor the absolute time."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = timedelta(minutes=10)
    sign_in(browser, user, keep="on")
    clock.advance(minutes=11)
    assert user_of(browser).is_anonymous


@pytest.mark.django_db(transaction=True)
def test_a_shared_computer_is_forgotten_soon(browser, user, clock):
    """Fifteen idle minutes end it, on a site without an idle timeout; use does not."""
    cookie = sign_in(browser, user, shared="on").cookies["sessionid"]
    assert cookie["max-age"] == ""
    for _ in range(3):
        clock.advance(minutes=14)
        assert browser.get("/account/devices/").status_code == 200
    clock.advance(minutes=16)
    assert browser.get("/account/devices/").status_code == 302


def test_a_site_that_is_stricter_than_fifteen_minutes_stays_so(browser, user, settings, clock):
    """The shorter of both times counts."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = timedelta(minutes=5)
    sign_in(browser, user, shared="on")
    clock.advance(minutes=6)
    assert user_of(browser).is_anonymous


def test_on_a_shared_computer_nothing_is_cached(browser, user):
    """The back button of the next person shows nothing."""
    sign_in(browser, user, shared="on")
    assert "no-store" in browser.get("/plain/").headers["Cache-Control"]
    sign_in(browser, user)
    assert "Cache-Control" not in browser.get("/plain/").headers


def test_nobody_stays_on_a_shared_computer(browser, user):
    """Both choices at once are an error of the form, and nobody is signed in."""
    response = sign_in(browser, user, keep="on", shared="on")
    assert "choose one of the two" in response.content.decode()
    assert not key_of(browser)


def test_the_choice_of_the_last_login_counts(browser, user):
    """Signing in again without a choice takes the earlier one back."""
    sign_in(browser, user, shared="on")
    sign_in(browser, user)
    assert not browser.session.is_shared
    assert sign_in(browser, user, keep="on").cookies["sessionid"]["max-age"]


@pytest.mark.parametrize("state", ["unknown", "inactive", "wrong password"])
def test_every_failure_takes_the_time_of_one_hash(browser, user, settings, state):
    """The clock tells no more than the text does (ASVS 6.3.8)."""
    settings.PASSWORD_HASHERS = ["tests.web.hashers.CountingHasher"]
    user.set_password("correct horse")
    user.is_active = state != "inactive"
    user.save()
    CountingHasher.hashes = 0
    name = "nobody" if state == "unknown" else "ann"
    password = "wrong" if state == "wrong password" else "correct horse"
    press(browser, "/account/login/", username=name, password=password)
    assert CountingHasher.hashes == 1
