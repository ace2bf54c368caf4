"""What holds for each of our pages."""

import pytest

from sessionstore.models import Session
from sessionstore.urls import urlpatterns
from tests.docs.test_public_names import PAGES
from tests.web.conftest import LOGIN_REQUIRED, sign_in

NAMES = sorted(pattern.name for pattern in urlpatterns)
PATHS = {pattern.name: f"/account/{pattern.pattern}" for pattern in urlpatterns}
# Of no device: each test that wants one says its handle.
PATHS["device"] = f"/account/devices/{'A' * 22}/"
PATHS["known_device"] = f"/account/devices/known/{'A' * 22}/"
# A link that says nothing: its page says so to everybody.
PATHS["not_me"] = f"/account/not-me/{'A' * 43}/"
FOR_ALL = {"login", "logout", "not_me", "not_me_send"}
# What browsers ask on their own behalf: these have no page.
OWN = {"device_refresh", "device_register"}
METHODS = ["GET", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PUT", "PATCH", "DELETE", "POST"]


def table() -> list[tuple]:
    """All that is stored, to the byte."""
    return sorted((bytes(row.pk), bytes(row.data), row.version) for row in Session.objects.all())


def test_the_list_of_pages_is_the_documented_one():
    """A page more needs a line in these tests."""
    assert NAMES == PAGES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("signed_in", [True, False])
def test_no_method_changes_anything_without_a_form_and_its_token(
    browser, user, name, method, signed_in
):
    """Nine methods on each page (ASVS 3.5.1, 3.5.3): the table stays as it is."""
    sign_in(browser if signed_in else type(browser)(), user)
    before = table()
    answer = browser.generic(method, PATHS[name])
    assert table() == before
    assert answer.status_code in {200, 302, 401, 403, 404, 405}
    if method == "POST":
        assert answer.status_code == 403


@pytest.mark.parametrize("name", NAMES)
def test_a_visitor_is_sent_to_the_login_and_can_come_back(browser, db, settings, name):
    """Also under LoginRequiredMiddleware; the way back is a page that a GET can show."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]
    browser.get("/account/login/")
    token = browser.cookies["csrftoken"].value
    method = "post" if name in {"forget_device", "revoke", "revoke_others", "extend"} else "get"
    answer = getattr(browser, method)(PATHS[name], {"csrfmiddlewaretoken": token})
    if name in FOR_ALL:
        assert answer.status_code == 200
    elif name in {"status", "extend"}:
        assert answer.status_code == 401
    elif name in OWN:
        assert answer.status_code == 405
    else:
        back = PATHS["devices"] if method == "post" else answer.wsgi_request.get_full_path()
        assert answer.status_code == 302
        assert answer.url.startswith("/account/login/?next=")
        assert back.partition("?")[0] in answer.url


@pytest.mark.parametrize("name", NAMES)
def test_signed_in_pages_work_under_the_middleware_too(browser, user, settings, name):
    """Nobody is sent round in circles."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]
    settings.SESSIONSTORE_HISTORY = 86_400
    sign_in(browser, user)
    answer = browser.get(PATHS[name])
    only_posts = {"extend", "forget_device", "revoke", "revoke_others", *OWN}
    # No device of this handle, and no form that waits.
    unlike = {"device": 404, "known_device": 404, "resume": 302} | dict.fromkeys(only_posts, 405)
    assert answer.status_code == unlike.get(name, 200)


@pytest.mark.parametrize("name", ["login", "logout", "devices", "confirm"])
def test_pages_are_complete_and_use_nothing_from_elsewhere(browser, user, name):
    """One heading, a language, a title; nothing inline, no other host."""
    sign_in(browser, user)
    html = browser.get(PATHS[name]).content.decode()
    assert html.count("<h1") == 1
    assert '<html lang="en"' in html
    assert "<title></title>" not in html
    for inline in ("<style", " style=", "<script>", " onclick=", "http://", "https://"):
        assert inline not in html
