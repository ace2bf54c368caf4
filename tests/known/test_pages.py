"""Known devices on the pages: listed with their sessions, named, forgotten."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from sessionstore.models import Session
from tests.harness.statements import record_statements
from tests.known.conftest import COOKIE, again, rows, token_of
from tests.web.conftest import PASSWORD, sign_in

pytestmark = pytest.mark.only_on("sqlite")


def send(browser: Client, path: str, **fields: str):
    """Press a button."""
    token = browser.cookies["csrftoken"].value
    return browser.post(f"/account/{path}", {"csrfmiddlewaretoken": token, **fields})


def page(browser: Client, path: str = "devices/") -> str:
    """What is shown."""
    return browser.get(f"/account/{path}").content.decode()


@pytest.fixture
def phone(user) -> Client:
    """Another browser of the same user, which is known."""
    made = Client(enforce_csrf_checks=True, headers={"user-agent": "Safari/1"})
    sign_in(made, user)
    return made


def test_devices_are_listed_with_their_sessions(browser, phone, user):
    """One that nobody is signed in with, too; the browser that asks is marked."""
    sign_in(browser, user)
    html = page(browser).partition("Known devices")[2]
    assert (html.count("Signed in now"), html.count("This device")) == (2, 1)
    assert (html.count(">just now<"), html.count(">Active now<")) == (2, 0)
    Session.objects.filter(user_agent="Safari/1").delete()
    html = page(browser).partition("Known devices")[2]
    assert (html.count("Signed in now"), html.count("Forget this device</button>")) == (1, 2)
    answer = browser.get("/account/devices/", headers={"accept": "application/json"}).json()
    assert [len(one["sessions"]) for one in answer["known_devices"]] == [1, 0]


def test_no_device_costs_a_query_of_its_own(browser, user):
    """Two more than without, however many there are."""
    sign_in(browser, user)
    counts = []
    for _ in range(3):
        with record_statements() as seen:
            page(browser)
        counts.append(len(seen))
        sign_in(Client(), user)
    assert counts == [counts[0]] * 3


def test_the_name_of_a_device_is_that_of_its_sessions(browser, phone, user):
    """Given on either page; it outlives them, and wins over theirs."""
    sign_in(browser, user)
    [own, other] = rows()
    handle = Session.objects.get(user_agent="Safari/1").handle
    send(browser, f"devices/{handle}/", name="My phone")
    assert "My phone" in page(browser, f"devices/known/{other.handle}/")
    send(browser, f"devices/known/{other.handle}/", name="  Her\nphone ")
    assert page(browser, f"devices/{handle}/").count("Her phone") > 0
    assert "My phone" not in page(browser)
    send(browser, "devices/revoke/", handle=handle)
    assert "Signed out of Her phone." in page(browser)
    again(phone, user)
    assert page(browser).partition("Known devices")[0].count("Her phone</a>") == 1
    assert own.name is None


def test_a_device_is_forgotten_and_its_sessions_end(browser, phone, user):
    """All of them; the browser is new at its next sign-in. The own sessions stay."""
    again(phone, user)
    sign_in(browser, user)
    other = rows()[1]
    answer = send(browser, "devices/forget/", handle=other.handle)
    assert answer.url == "/account/devices/"
    assert "is forgotten and signed out" in page(browser)
    assert (phone.get("/plain/").content, browser.get("/plain/").content) == (b"", b"ann")
    assert Session.objects.filter(user_agent="Safari/1").count() == 0
    assert phone.get("/asks/").json() == [False, False]
    send(browser, "devices/forget/", handle=other.handle)
    assert "was forgotten already" in page(browser)


def test_the_own_device_can_be_forgotten(browser, user):
    """It signs out, and the browser keeps nothing of the user; others' tokens stay."""
    bob = get_user_model().objects.create_user("bob", password=PASSWORD)
    sign_in(browser, bob)
    again(browser, user)
    own = next(row for row in rows() if row.user_id == str(user.pk))
    before = token_of(browser)
    send(browser, "devices/forget/", handle=own.handle)
    assert browser.get("/plain/").content == b""
    assert token_of(browser) == before.split(".")[1]
    assert browser.get("/asks/?user=bob").json()[0] is True
    again(browser, bob)
    send(browser, "devices/forget/", handle=rows()[0].handle)
    assert browser.cookies[COOKIE]["max-age"] == 0


def test_nobody_sees_or_touches_a_device_of_somebody_else(browser, phone, user):
    """By its handle, or by what is none."""
    bob = get_user_model().objects.create_user("bob", password=PASSWORD)
    sign_in(browser, bob)
    ann = next(row for row in rows() if row.user_id == str(user.pk))
    assert ann.handle not in page(browser)
    for handle in (ann.handle, "x", "A" * 22):
        assert browser.get(f"/account/devices/known/{handle}/").status_code == 404
        assert send(browser, f"devices/known/{handle}/", name="mine").status_code == 404
        send(browser, "devices/forget/", handle=handle)
    assert (len(rows()), phone.get("/plain/").content) == (2, b"ann")


def test_forgetting_asks_for_a_recent_login(browser, user, clock):
    """As ending a session does."""
    sign_in(browser, user)
    clock.advance(hours=1)
    answer = send(browser, "devices/forget/", handle=rows()[0].handle)
    assert answer.url.startswith("/account/confirm/")
    assert len(rows()) == 1


def test_neither_a_token_nor_a_digest_is_on_any_page(browser, user):
    """List, page, JSON."""
    sign_in(browser, user)
    row, token = rows()[0], token_of(browser)
    for path in ("devices/", f"devices/known/{row.handle}/"):
        html = page(browser, path)
        html += browser.get(
            f"/account/{path}", headers={"accept": "application/json"}
        ).content.decode()
        assert token[30:] not in html
        assert bytes(row.digest).hex() not in html


def test_with_the_setting_off_the_pages_know_nothing(browser, phone, user, settings):
    """What was known stays in the table."""
    handle = rows()[0].handle
    settings.SESSIONSTORE_KNOWN_DEVICES = False
    sign_in(browser, user)
    assert "Known devices" not in page(browser)
    assert browser.get(f"/account/devices/known/{handle}/").status_code == 404
    send(browser, "devices/forget/", handle=handle)
    assert len(rows()) == 1
