"""Signing out."""

import pytest

from tests.web.conftest import LOGIN_REQUIRED, key_of, press, sign_in


def test_logout_deletes_the_row_and_the_cookie_and_says_so(browser, user):
    """The old cookie is accepted nowhere any more."""
    sign_in(browser, user)
    key = key_of(browser)
    session = browser.session
    response = press(browser, "/account/logout/")
    assert "You are signed out" in response.content.decode()
    assert not session.exists(key)
    assert response.cookies["sessionid"]["max-age"] == 0


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "patch", "delete", "trace"])
def test_nothing_but_post_signs_out(browser, user, method):
    """A picture or a link on a foreign page ends nothing."""
    sign_in(browser, user)
    key = key_of(browser)
    response = getattr(browser, method)("/account/logout/")
    assert response.status_code in {200, 403, 405}
    assert browser.session.exists(key)


def test_a_get_asks_first(browser, user):
    """The page holds the form that signs out."""
    sign_in(browser, user)
    page = browser.get("/account/logout/").content.decode()
    assert "<h1" in page
    assert "Sign out?" in page
    assert '<form method="post"' in page


def test_each_page_has_a_title_of_its_own(browser, user):
    """Tabs, and who has the page read out, go by it."""
    sign_in(browser, user)
    assert "<title>Sign out ·" in browser.get("/account/logout/").content.decode()
    signed_out = "<title>You are signed out ·"
    assert signed_out in press(browser, "/account/logout/").content.decode()
    assert signed_out in browser.get("/account/logout/").content.decode()


def test_what_the_address_says_reaches_the_template(browser, user):
    """As in each view of Django: here the name of a tenant."""
    sign_in(browser, user)
    assert browser.get("/of/acme/logout/").context["tenant"] == "acme"
    assert press(browser, "/of/acme/logout/").context["tenant"] == "acme"


def test_who_is_not_signed_in_reads_that(browser, db):
    """There is nothing to press."""
    assert "You are signed out" in browser.get("/account/logout/").content.decode()


def test_logout_without_a_session_makes_no_row(browser, db):
    """An anonymous sign-out leaves nothing behind (CVE-2015-5963)."""
    browser.get("/account/login/")  # for the token that a form carries
    response = press(browser, "/account/logout/")
    assert response.status_code == 200
    assert not key_of(browser)


def test_logout_goes_on_only_within_the_site(browser, user):
    """`next` is only for addresses of this site."""
    sign_in(browser, user)
    assert press(browser, "/account/logout/", next="/bye/").url == "/bye/"
    sign_in(browser, user)
    assert press(browser, "/account/logout/", next="https://evil.example/").status_code == 200


@pytest.mark.parametrize("page", ["login", "logout"])
def test_pages_work_under_the_middleware_that_asks_everybody_to_sign_in(
    browser, user, settings, page
):
    """LoginRequiredMiddleware lets people in and out."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]
    assert browser.get(f"/account/{page}/").status_code == 200
    assert sign_in(browser, user).status_code == 302
    assert "You are signed out" in press(browser, "/account/logout/").content.decode()
    assert press(browser, "/account/logout/").status_code == 200


def test_the_browser_is_asked_to_clear_only_what_the_site_has_chosen(browser, user, settings):
    """Nothing by default: clearing caches is slow, and storage belongs to the whole origin."""
    sign_in(browser, user)
    assert "Clear-Site-Data" not in press(browser, "/account/logout/").headers
    settings.SESSIONSTORE_CLEAR_SITE_DATA = ["cache", "storage"]
    sign_in(browser, user)
    assert "Clear-Site-Data" not in browser.get("/account/logout/").headers
    answer = press(browser, "/account/logout/")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    sign_in(browser, user)
    answer = press(browser, "/account/logout/", next="/bye/")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'


def test_the_cookie_of_a_signed_out_browser_opens_nothing(browser, user):
    """Whoever kept it is a visitor."""
    sign_in(browser, user)
    kept = key_of(browser)
    press(browser, "/account/logout/")
    browser.cookies["sessionid"] = kept
    assert browser.get("/plain/").content == b""
