"""A form that met the question who somebody is: offered again, filled, and sent by a click."""

import json
import re
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from sessionstore.answers.kept import KEPT_MS, MOST_BYTES
from sessionstore.models import Session
from tests.web.conftest import PASSWORD, press, sign_in

PAGE = "http://testserver/shop/?page=2"
FORM = {"account": "DE02 1203", "note": 'a "b"\n<c>', "new_password": "hush", "pin": "1234"}
RESUME = "/account/resume/?next=/shop/%3Fpage%3D2"


@pytest.fixture(autouse=True)
def idle(settings):
    """An hour without use ends a session."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = timedelta(hours=1)


def send(browser: Client, path: str = "/sent/?a=1", **fields):
    """Send a form from the page of the shop."""
    token = browser.cookies["csrftoken"].value
    sent = {"csrfmiddlewaretoken": token, **FORM, **fields}
    return browser.post(path, sent, headers={"referer": PAGE})


def offered(browser: Client) -> str:
    """What is offered, or where that leads instead."""
    answer = browser.get(RESUME)
    return answer.content.decode() if answer.status_code == 200 else answer.url


def fields_of(html: str) -> dict[str, str]:
    """The hidden fields of the form that is offered."""
    form = html.partition('<form method="post" action="/sent/')[2].partition("</form>")[0]
    found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return {
        name: value.replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">")
        for name, value in found
    }


def old_login(browser: Client, user, clock, *, minutes: int = 16) -> None:
    """Be signed in for a while."""
    sign_in(browser, user)
    clock.advance(minutes=minutes)


def test_a_form_waits_for_the_password_and_is_sent_by_a_click(browser, user, clock):
    """The view gets what was sent before, once, after a page that shows it."""
    old_login(browser, user, clock)
    answer = send(browser)
    assert answer.url == "/account/confirm/?next=/account/resume/%3Fnext%3D/shop/%253Fpage%253D2"
    answer = press(browser, answer.url, password=PASSWORD)
    assert answer.url == RESUME
    html = offered(browser)
    assert "<dd" in html
    assert 'action="/sent/?a=1"' in html
    fields = fields_of(html)
    assert {name: fields[name] for name in ("account", "note")} == {
        "account": FORM["account"],
        "note": FORM["note"],
    }
    browser.post("/sent/", fields)
    assert fields_of(offered(browser)).keys() == fields.keys()
    answer = browser.post("/sent/?a=1", {**fields, "pin": "1234"})
    assert json.loads(answer.content) == {
        "account": "DE02 1203",
        "note": 'a "b"\n<c>',
        "pin": "1234",
    }
    assert offered(browser) == "/shop/?page=2"


def test_an_idle_end_loses_no_form_either(browser, user, clock):
    """Whoever signs in again is offered it, and the sign-in page still says why."""
    old_login(browser, user, clock, minutes=61)
    answer = send(browser)
    assert answer.url.startswith("/account/login/?next=/account/resume/")
    assert "nothing had happened" in browser.get(answer.url).content.decode()
    assert sign_in(browser, user, next=RESUME).url == RESUME
    assert fields_of(offered(browser))["account"] == FORM["account"]


def test_what_django_sends_to_the_login_is_not_lost_either(browser, user, clock):
    """`login_required` redirects a POST: the way back is its form, and for others what it was."""
    old_login(browser, user, clock, minutes=61)
    answer = send(browser, "/by-django/")
    assert answer.url.startswith("/account/login/?next=/account/resume/")
    sign_in(browser, user)
    assert 'action="/by-django/"' in offered(browser)
    visitor = Client(enforce_csrf_checks=True)
    visitor.get("/account/login/")
    assert send(visitor, "/by-django/").url == "/account/login/?next=/by-django/"


def test_passwords_codes_and_files_are_not_kept(browser, user, clock):
    """Neither in the row nor on the page, which has empty fields for them."""
    old_login(browser, user, clock)
    send(browser, photo=SimpleUploadedFile("me.png", b"PNG"))
    kept = str(signing.loads(browser.session["_session_form"], salt="_session_form"))
    assert not [
        secret for secret in ("hush", "1234", "PNG", "csrf") if secret in kept.replace("1203", "")
    ]
    press(browser, "/account/confirm/", password=PASSWORD)
    html = offered(browser)
    assert "hush" not in html
    for field in ('type="password" id="ss-left-2" name="new_password"', 'type="file"'):
        assert field in html
    assert 'enctype="multipart/form-data"' in html


def test_nobody_else_is_offered_it(browser, user, clock):
    """Somebody else signs in where the session has ended; the owner must have proved it lately."""
    get_user_model().objects.create_user("eve", password=PASSWORD)
    old_login(browser, user, clock, minutes=61)
    send(browser)
    press(browser, "/account/login/", username="eve", password=PASSWORD)
    assert offered(browser) == "/shop/?page=2"


def test_it_is_shown_to_who_has_just_proved_who_they_are(browser, user, clock):
    """A browser that somebody left open shows nothing of it."""
    old_login(browser, user, clock)
    send(browser)
    assert offered(browser).startswith("/account/confirm/?next=/account/resume/")


def test_it_waits_for_half_an_hour_and_can_be_dropped(browser, user, clock):
    """Then the way back is its page."""
    old_login(browser, user, clock)
    send(browser)
    press(browser, "/account/confirm/", password=PASSWORD)
    assert press(browser, RESUME, next="/shop/").url == "/shop/"
    assert offered(browser) == "/shop/?page=2"
    clock.advance(minutes=16)
    send(browser)
    clock.advance(seconds=KEPT_MS // 1000 + 1)
    press(browser, "/account/confirm/", password=PASSWORD)
    assert offered(browser) == "/shop/?page=2"


def test_what_is_large_is_not_kept(browser, user, clock):
    """The session is no place for a novel: the way back is its page."""
    old_login(browser, user, clock)
    answer = send(browser, note="x" * MOST_BYTES)
    assert answer.url == "/account/confirm/?next=/shop/%3Fpage%3D2"
    assert "_session_form" not in Session.objects.get().get_decoded()


@pytest.mark.parametrize("path", ["/exempt/", "/sensitive/", "/sent/"])
def test_only_a_form_that_was_checked_is_kept(browser, user, clock, path):
    """Security: no other site chooses what is offered; what is called sensitive is left out."""
    old_login(browser, user, clock)
    if path == "/sensitive/":
        send(browser, path)
    else:
        browser.post(path, FORM, headers={"referer": "http://evil.test/"})
    assert "_session_form" not in Session.objects.get().get_decoded()


def test_a_visitor_makes_no_row_by_a_form(browser, db):
    """Nobody's session has ended, so it is nobody's form."""
    browser.get("/account/login/")
    assert send(browser).url == "/account/login/?next=/shop/%3Fpage%3D2"
    assert not Session.objects.exists()


def test_what_somebody_else_has_put_into_the_session_is_not_offered(browser, user):
    """Security: with Express, a form may be assigned to the whole session."""
    sign_in(browser, user)
    session = browser.session
    for planted in ({"address": "https://evil.test/"}, signing.dumps({}, salt="_session_form"), 7):
        session["_session_form"] = planted
        session.save()
        assert offered(browser) == "/shop/?page=2"


def test_a_script_keeps_its_own_copy(browser, user, clock):
    """What a fetch() has sent is still in its page."""
    old_login(browser, user, clock)
    token = browser.cookies["csrftoken"].value
    headers = {"accept": "application/json", "x-csrftoken": token, "referer": PAGE}
    assert browser.post("/sent/", FORM, headers=headers).json()["next"] == "/shop/?page=2"
    assert "_session_form" not in Session.objects.get().get_decoded()


def test_the_page_is_in_no_frame_of_another_site(browser, user, clock):
    """A click there would send it."""
    old_login(browser, user, clock)
    send(browser)
    press(browser, "/account/confirm/", password=PASSWORD)
    assert browser.get(RESUME).headers["X-Frame-Options"] == "DENY"
