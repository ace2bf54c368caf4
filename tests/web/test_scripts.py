"""htmx and fetch(): what has to be answered to them, so that nobody's page falls apart."""

import pytest
from django.test import Client

from tests.web.conftest import LOGIN_REQUIRED, PASSWORD, sign_in

HTMX = {"hx-request": "true", "hx-current-url": "http://testserver/shop/?page=2#basket"}
FETCH = {"accept": "application/json", "referer": "http://testserver/shop/?page=2"}
BROWSER_FETCH = {"accept": "*/*", "sec-fetch-dest": "empty", "referer": FETCH["referer"]}
XHR = {"x-requested-with": "XMLHttpRequest", "referer": FETCH["referer"]}
SCRIPTS = [HTMX, FETCH, BROWSER_FETCH, XHR]
# The fragment that a script wants is /careful/, and the page that it runs in /shop/?page=2.
BACK = "/shop/?page=2"
QUOTED = "/shop/%3Fpage%3D2"


@pytest.mark.parametrize("headers", SCRIPTS)
@pytest.mark.parametrize("path", ["/careful/", "/class/", "/account/devices/", "/account/confirm/"])
def test_a_script_of_a_visitor_is_told_where_to_sign_in(browser, db, headers, path):
    """401 and no redirect, which it would follow; the way back is its page."""
    answer = browser.get(path, headers=headers)
    url = f"/account/login/?next={QUOTED}"
    told = {"error": "login_required", "login_url": url, "next": BACK}
    assert (answer.status_code, answer.json()) == (401, told)
    assert answer.headers.get("HX-Redirect") == (url if headers is HTMX else None)
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("headers", SCRIPTS)
def test_a_script_is_told_where_to_give_the_password_again(browser, user, clock, headers):
    """So is one that was sent to the page that asks for it."""
    sign_in(browser, user)
    clock.advance(minutes=61)
    url = f"/account/confirm/?next={QUOTED}"
    for path in ("/careful/", "/account/confirm/?next=/careful/"):
        answer = browser.get(path, headers=headers)
        assert (answer.status_code, answer.json()["login_url"]) == (401, url)


@pytest.mark.parametrize("headers", SCRIPTS)
def test_a_script_that_django_has_redirected_to_the_login_is_told_the_same(
    browser, db, settings, headers
):
    """`login_required` and its middleware know nothing of scripts: the login page does."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]
    redirect = browser.get("/plain/?part=1", headers=headers)
    answer = browser.get(redirect.url, headers=headers)
    assert (answer.status_code, answer.json()["next"]) == (401, BACK)


@pytest.mark.parametrize(
    "page", ["http://evil.test/shop/", "//evil.test/", "javascript:alert(1)", "", "http://["]
)
def test_a_page_of_another_site_is_no_way_back(browser, db, page):
    """Whatever a header says."""
    for name in ("hx-current-url", "referer"):
        answer = browser.get("/careful/", headers={"hx-request": "true", name: page})
        assert answer.json()["next"] == "/"


def test_no_page_of_ours_is_a_way_to_another_site(browser, db):
    """An address of two slashes is one of another host, once its own host is taken off."""
    page = {"hx-current-url": "http://testserver//evil.test/?a=1"}
    answer = browser.get("/careful/", headers={"hx-request": "true", **page})
    assert answer.json()["next"] == "/%2Fevil.test/?a=1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"accept": "text/html,*/*;q=0.8", "sec-fetch-dest": "empty"},
        {**HTMX, "hx-boosted": "true"},
    ],
)
def test_who_wants_a_page_is_redirected_as_ever(browser, db, headers):
    """A browser, a fetch() for HTML, a link that htmx has boosted."""
    assert browser.get("/careful/", headers=headers).url == "/account/login/?next=/careful/"
    assert browser.get("/account/login/", headers=headers).status_code == 200


def send(browser: Client, path: str, headers: dict, **fields: str):
    """Send the form of a page by a script."""
    browser.get(path)
    token = browser.cookies["csrftoken"].value
    return browser.post(path, fields, headers={**headers, "x-csrftoken": token})


def test_a_form_that_a_script_has_sent_leads_on(browser, user):
    """htmx by its header, fetch() by JSON; what is wrong comes as it can be shown."""
    login, right = "/account/login/?next=/plain/", {"username": "ann", "password": PASSWORD}
    wrong = send(browser, login, FETCH, username="ann", password="no")
    assert (wrong.status_code, list(wrong.json()["errors"])) == (400, ["__all__"])
    assert send(browser, login, HTMX, username="ann", password="no").status_code == 200
    answer = send(browser, login, FETCH, **right)
    assert answer.json() == {"next": "/plain/"}
    answer = send(browser, login, HTMX, **right)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/plain/")
    answer = send(browser, "/account/confirm/?next=/plain/", HTMX, password=PASSWORD)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/plain/")
