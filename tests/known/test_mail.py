"""The mail about a new device, and its link "this was not me"."""

import json
import re

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client

from sessionstore.models import Session
from tests.harness.statements import record_statements
from tests.known import tasks
from tests.known.conftest import COOKIE, again, rows
from tests.web.conftest import PASSWORD, press, sign_in

pytestmark = pytest.mark.only_on("sqlite")
CURL = "curl/8.0"


@pytest.fixture(autouse=True)
def mails(settings):
    """The site wants the mail."""
    settings.SESSIONSTORE_NEW_DEVICE_MAIL = True


@pytest.fixture
def thief(user) -> Client:
    """Somebody who knows the password, on a device of their own."""
    browser = Client(headers={"user-agent": CURL}, REMOTE_ADDR="203.0.113.9")
    sign_in(browser, user)
    return browser


def link(number: int = 0) -> str:
    """Where the mail leads."""
    return re.search(r"http://testserver(/account/not-me/\S+/)", mail.outbox[number].body)[1]


def page(browser: Client, path: str) -> str:
    """What the link shows."""
    return browser.get(path).content.decode()


def click(browser: Client, path: str, **fields: str) -> str:
    """Press the button of the page."""
    token = path.split("/")[-2]
    if "csrftoken" not in browser.cookies:
        browser.get(path)
    csrf = browser.cookies["csrftoken"].value
    sent = {"csrfmiddlewaretoken": csrf, "token": token, **fields}
    return browser.post("/account/not-me/", sent).content.decode()


def test_the_mail_tells_of_the_device_in_text_and_html(thief):
    """To whom, of what, from where; the way out."""
    [sent] = mail.outbox
    assert (sent.to, sent.subject) == (["ann@shop.example"], "New sign-in to testserver")
    [(html, kind)] = sent.alternatives
    assert kind == "text/html"
    for words in ("ann", "testserver", "A program", "203.0.113.9", link()):
        assert words in sent.body
        assert words in html
    assert "curl" not in sent.body + html, "a program calls itself as it likes"
    assert len(link()) < 64


def test_the_mail_is_in_the_language_of_the_page(user, settings):
    """That of the request that signed in."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    sign_in(Client(headers={"accept-language": "ko"}), user)
    assert "새 기기 로그인" in mail.outbox[0].subject
    assert 'lang="ko"' in mail.outbox[0].alternatives[0][0]


def test_no_mail_without_an_address_or_when_it_is_known(user, browser):
    """Once for each device."""
    sign_in(browser, user)
    again(browser, user)
    assert len(mail.outbox) == 1
    get_user_model().objects.update(email="")
    sign_in(Client(), user)
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("sender", ["tests.known.tasks.send_notice", tasks.send_notice])
def test_a_task_of_django_sends_it(user, browser, settings, sender):
    """By its backend, here at once."""
    settings.SESSIONSTORE_NEW_DEVICE_MAIL = sender
    sign_in(browser, user)
    assert [sent.subject for sent in mail.outbox] == ["New sign-in to testserver"]


def test_what_a_queue_gets_is_text(user, browser, settings):
    """A task of Celery: by `delay`, with what JSON can say."""
    settings.SESSIONSTORE_NEW_DEVICE_MAIL = "tests.known.tasks.later"
    sign_in(browser, user)
    [waiting] = tasks.later.waiting
    assert mail.outbox == []
    tasks.send_notice.call(**json.loads(json.dumps(waiting)))
    assert mail.outbox[0].to == ["ann@shop.example"]


def test_a_mail_that_fails_keeps_nobody_from_signing_in(user, browser, settings, caplog):
    """One record, which holds neither the address nor the link."""
    settings.SESSIONSTORE_NEW_DEVICE_MAIL = "tests.known.tasks.fails"
    sign_in(browser, user)
    assert browser.get("/plain/").content == b"ann"
    assert "was not sent: OSError" in caplog.text
    assert "ann@" not in caplog.text
    assert "not-me" not in caplog.text


def test_the_link_signs_that_device_out_and_no_other(thief, user, browser):
    """It is forgotten, too; and its next sign-in is told again."""
    sign_in(browser, user)
    asks = page(Client(), link())
    assert "203.0.113.9" in asks
    assert "That device is signed out" in click(Client(), link())
    assert (thief.get("/plain/").content, browser.get("/plain/").content) == (b"", b"ann")
    assert [row.ip for row in rows()] == ["127.0.0.1"]
    again(thief, user)
    assert len(mail.outbox) == 3


def test_a_get_changes_nothing_whoever_sends_it(thief):
    """Programs follow the links of mails, and some look at them with HEAD."""
    for method in ("get", "head", "options", "put", "delete", "patch"):
        getattr(Client(), method)(link())
    assert (thief.get("/plain/").content, len(rows())) == (b"ann", 1)


@pytest.mark.parametrize(
    ("who", "leads_to"),
    [("nobody", "/forgotten/"), ("bob", "/forgotten/"), ("ann", "/password/")],
)
def test_it_works_for_whoever_is_signed_in_and_leads_to_a_new_password(
    thief, user, browser, who, leads_to
):
    """Nobody is signed in by it; a stranger is not led to change the own password."""
    if who != "nobody":
        bob = get_user_model().objects.create_user("bob", password=PASSWORD)
        sign_in(browser, bob if who == "bob" else user)
    before = browser.get("/plain/").content
    assert f'href="{leads_to}"' in click(browser, link())
    assert browser.get("/plain/").content == before
    assert thief.get("/plain/").content == b""


def test_who_clicks_on_the_very_device_is_signed_out(thief):
    """It asked for that."""
    assert 'href="/forgotten/"' in click(thief, link())
    assert thief.get("/plain/").content == b""


def test_links_that_do_nothing_any_more_read_the_same(thief, clock):
    """Used, too old, cut, made up, of another device: and made-up ones cost no SQL."""
    sign_in(Client(), get_user_model().objects.get())
    used, old = link(0), link(1)
    click(Client(), used)
    told = page(Client(), used)
    assert "There is nothing left to do here" in told
    assert 'href="/forgotten/"' in told
    with record_statements() as seen:
        for text in ("A" * 43, "x", used.split("/")[-2][:-1], "A" * 5000, "%00" * 43):
            answer = Client().get(f"/account/not-me/{text}/")
            assert (answer.status_code, answer.content.decode()) == (200, told)
    assert seen == []
    spliced = old.split("/")[-2][:22] + used.split("/")[-2][22:]
    clock.advance(days=6, hours=23)
    assert "Sign this device out?" in page(Client(), old) or "nothing left" not in page(
        Client(), old
    )
    clock.advance(hours=2)
    assert page(Client(), old) == page(Client(), f"/account/not-me/{spliced}/") == told


def test_used_twice_it_says_so_politely(thief):
    """Also when the button is pressed again."""
    first, second = Client(), Client()
    page(first, link())
    page(second, link())
    assert "is signed out" in click(first, link())
    assert "A device that it signed out stays signed out" in click(second, link())


def test_a_thief_who_fills_the_list_is_signed_out_all_the_same(thief, user, settings):
    """The row of the first device has made room; its session has not."""
    settings.SESSIONSTORE_KNOWN_DEVICES = {"most": 1}
    sign_in(Client(), user)
    click(Client(), link(0))
    assert thief.get("/plain/").content == b""


def test_the_token_stays_on_the_page(thief, caplog):
    """In no Referer, in no cache, in no address of a POST, in no record of one that was refused."""
    caplog.set_level("DEBUG", "django.request")
    answer = Client().get(link())
    assert answer.headers["Referrer-Policy"] == "strict-origin"
    assert "no-store" in answer.headers["Cache-Control"]
    token = link().split("/")[-2]
    assert f'action="/account/not-me/{token}' not in answer.content.decode()
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/account/not-me/", {"token": token}).status_code == 403
    Client(raise_request_exception=False).post("/account/not-me/", {"token": token + "\0"})
    assert token not in caplog.text
    assert len(rows()) == 1


def test_the_link_opens_nothing_else(thief):
    """No other place is reached by it, and the token is no device's cookie."""
    browser, token = Client(), link().split("/")[-2]
    assert "evil.example" not in click(browser, link(), next="https://evil.example/")
    browser.cookies[COOKIE] = token
    assert browser.get("/asks/").json() == [False, False]
    assert browser.get("/plain/").content == b""
    assert Session.objects.filter(user_id__isnull=False).count() == 0


def test_the_link_of_another_host_is_refused_by_django(user):
    """A Host header that is not the site's makes no mail that leads elsewhere."""
    browser = Client(headers={"host": "evil.example"})
    press(browser, "/account/login/", username="ann", password=PASSWORD)
    assert mail.outbox == []
