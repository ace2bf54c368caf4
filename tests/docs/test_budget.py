"""The statement counts that docs/how-it-works.md promises, each performed in a real request."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path

from tests.harness.statements import record_statements

pytestmark = pytest.mark.urls(__name__)
PAGE = Path(__file__).parents[2] / "docs" / "how-it-works.md"


def read(request):
    return HttpResponse(str(request.session.get("a")))


def write(request):
    request.session["a"] = request.session.get("a", 0) + 1
    return HttpResponse()


def conflict(request):
    request.session["mine"] = 1
    other = type(request.session)(request.session.session_key)
    with record_statements() as seen:
        other["theirs"] = 1
        other.save()
    request.META["others"] = len(seen.about("sessionstore_session"))
    return HttpResponse(str(request.META["others"]))


urlpatterns = [
    path("read", read),
    path("write", write),
    path("conflict", conflict),
    path("", include("sessionstore.urls")),
]


def with_session(browser):
    browser.get("/write")


def forged(browser):
    browser.cookies["sessionid"] = "v" * 40


def signed_in(browser):
    browser.login(username="ann", password="secret")


def post_login(browser):
    return browser.post("/login/", {"username": "ann", "password": "secret"})


STEPS = {
    "nothing, or reads as an anonymous visitor": (None, lambda browser: browser.get("/read")),
    "comes with a forged cookie": (forged, lambda browser: browser.get("/read")),
    "reads": (with_session, lambda browser: browser.get("/read")),
    "reads and changes": (with_session, lambda browser: browser.get("/write")),
    "writes for the first time": (None, lambda browser: browser.get("/write")),
    "logs in, with a session already": (with_session, post_login),
    "logs out": (signed_in, lambda browser: browser.post("/logout/")),
    "meets a concurrent change": (with_session, lambda browser: browser.get("/conflict")),
}


def promised():
    """Return the rows of the table."""
    return dict(re.findall(r"^\| (.+?) \| (\d)(?:,.*)? \|$", PAGE.read_text(), re.MULTILINE))


def test_each_row_is_performed_here():
    """A new row needs a request."""
    assert set(promised()) == set(STEPS)


@pytest.mark.parametrize("what", STEPS)
def test_a_request_takes_the_promised_statements(engine, database, what):
    """On the session table, no more and no less; Django's own tables are not counted."""
    User.objects.create_user("ann", password="secret")
    browser = Client()
    before, request = STEPS[what]
    if before:
        before(browser)
    caches["default"].clear()  # cached_sql promises the same for what its cache does not know
    with record_statements() as seen:
        response = request(browser)
    assert response.status_code < 400
    taken = len(seen.about("sessionstore_session"))
    if what == "meets a concurrent change":
        taken -= int(response.content)  # what the other request took
    assert taken == int(promised()[what])
