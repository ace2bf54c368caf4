"""The end of a session says why, in words, and keeps the place."""

from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.core.management import call_command
from django.test import Client

from sessionstore.answers.places import FORGOTTEN_PASSWORD, url_of
from sessionstore.models import Session
from sessionstore.signals import Reason
from sessionstore.users import devices
from sessionstore.users.ended import Ended, ended
from sessionstore.users.revocation import revoke_all_of
from tests.engine.test_unreadable import later
from tests.web.conftest import PASSWORD, key_of, press, sign_in

LOGIN = "/account/login/"
PAGE, JSON, KOREAN = "text/html,*/*;q=0.8", "application/json", {"accept-language": "ko"}


def told(browser: Client, page: str = LOGIN) -> str:
    """What the page says of the end."""
    html = browser.get(page).content.decode()
    _, _, after = html.partition('<p class="ss-message" role="status">')
    return after.partition("</p>")[0]


def let_time_pass(browser, user, settings, clock, *, minutes: int) -> None:
    sign_in(browser, user)
    clock.advance(minutes=minutes)


def be_ended(browser, user, settings, clock, *, by: Reason) -> None:
    sign_in(browser, user)
    revoke_all_of(str(user.pk), reason=by)


def by_command(browser, user, settings, clock) -> None:
    sign_in(browser, user)
    call_command("revokesessions", user=user.username, no_input=True, verbosity=0)


def by_new_password(browser, user, settings, clock) -> None:
    sign_in(browser, user)
    user.set_password("another horse")
    user.save()


def by_other_device(browser, user, settings, clock) -> None:
    sign_in(browser, user)
    other = Client(enforce_csrf_checks=True)
    sign_in(other, user)
    press(other, "/account/devices/revoke-others/")


def by_one_too_many(browser, user, settings, clock) -> None:
    settings.SESSIONSTORE_MAX_PER_USER = 1
    sign_in(browser, user)
    clock.advance(minutes=1)
    sign_in(Client(enforce_csrf_checks=True), user)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("end", "words"),
    [
        (partial(let_time_pass, minutes=61), "because nothing had happened for a while."),
        (partial(let_time_pass, minutes=60 * 25), "because this sign-in had reached its longest"),
        (by_other_device, "You were signed out here from another of your devices."),
        (by_command, "An administrator has signed you out."),
        (partial(be_ended, by=Reason.ADMIN), "An administrator has signed you out."),
        (by_new_password, "You were signed out because your password was changed."),
        (by_one_too_many, "because you signed in on too many devices."),
    ],
)
def test_the_login_page_says_why_the_session_has_ended(browser, user, settings, clock, end, words):
    """So does the page that a tab is left for."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = timedelta(hours=1)
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = timedelta(hours=24)
    end(browser, user, settings, clock)
    assert words in told(browser)
    assert told(browser, "/account/logout/") == told(browser)


def test_who_shares_a_computer_is_told_of_its_shorter_time(browser, user, clock):
    """The site has no idle timeout."""
    sign_in(browser, user, shared="on")
    clock.advance(minutes=16)
    assert "nothing had happened" in told(browser)


def test_without_an_idle_timeout_a_session_expires(browser, user, settings, clock):
    """Nobody was too idle there."""
    sign_in(browser, user)
    clock.advance(minutes=settings.SESSION_COOKIE_AGE // 60 + 1)
    assert told(browser) == "Your sign-in has expired."


@pytest.mark.parametrize("cache", ["empty", "dead"])
def test_what_nobody_knows_any_more_is_an_end_all_the_same(browser, user, settings, cache):
    """The row is gone; the cache was emptied, or cannot be reached: neither end nor page fails."""
    sign_in(browser, user)
    if cache == "dead":
        settings.CACHES = {"default": {"BACKEND": "tests.web.backends.DeadCache"}}
    revoke_all_of(str(user.pk), reason=Reason.OWNER)
    if cache == "empty":
        caches["default"].clear()
    assert told(browser) == "Your session has ended."


def test_visitors_are_told_of_no_end(browser, user, clock):
    """Neither who never was here, nor who has signed out, brings a forged cookie, or had a cart."""
    assert told(browser) == ""
    sign_in(browser, user)
    assert told(browser) == ""
    press(browser, "/account/logout/")
    assert told(browser) == ""
    browser.cookies["sessionid"] = "v" * 40
    assert told(browser) == ""
    browser.cookies.clear()
    browser.get("/remember/")
    clock.advance(minutes=60 * 24 * 15)
    assert Session.objects.count() == 1
    assert told(browser) == ""


def test_the_signed_out_page_leads_back_to_the_place(browser, user, clock):
    """Where it is one of this site; and speaks of no server."""
    html = browser.get("/account/logout/?next=/plain/%3Fa%3D1%26b").content.decode()
    assert 'href="/account/login/?next=%2Fplain%2F%3Fa%3D1%26b"' in html
    assert "server" not in html.partition("<main")[2]
    assert "evil" not in browser.get("/account/logout/?next=//evil.test/").content.decode()


def test_the_script_of_the_idle_warning_is_told_too(browser, user, settings, clock):
    """A word for programs and one for people."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 60
    sign_in(browser, user)
    clock.advance(minutes=2)
    answer = browser.get("/account/session/status/")
    assert (answer.status_code, answer.json()["why"]) == (401, "idle")


def test_forgotten_passwords_are_helped_where_the_project_does(browser, user, settings):
    """Where it has such a page, on the two pages that ask for a password."""
    assert 'href="/forgotten/"' in browser.get(LOGIN).content.decode()
    sign_in(browser, user)
    assert 'href="/forgotten/"' in browser.get("/account/confirm/").content.decode()
    settings.ROOT_URLCONF = "tests.web.urls_devices_only"
    assert url_of(FORGOTTEN_PASSWORD) is None


# --- where no view can answer


def overtaken(browser: Client, user, accept: str, why: str = "OWNER", **headers: str):
    """Be signed out while a page works."""
    sign_in(browser, user)
    return browser.get(f"/overtaken/?why={why}", headers={"accept": accept, **headers})


def test_a_page_whose_session_is_ended_meanwhile_says_so(browser, user):
    """With the reason, a way to sign in, and the place."""
    answer = overtaken(browser, user, PAGE)
    html = answer.content.decode()
    assert (answer.status_code, html.count("<h1")) == (400, 1)
    assert "from another of your devices. Your session has ended while this page" in html
    assert 'href="/account/login/?next=/overtaken/%3Fwhy%3DOWNER"' in html
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_script_is_told_in_json_and_a_program_in_text(browser, user):
    """By their Accept."""
    answer = overtaken(browser, user, JSON)
    assert (answer.status_code, answer.json()["why"]) == (400, "owner")
    assert answer.json()["error"] == "session_ended"
    answer = overtaken(browser, user, "*/*")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.content.startswith(b"Your session has ended")


def unreadable(user, accept: str, **headers: str):
    """Come when the session cannot be read, as when the database is down."""
    browser = Client(raise_request_exception=False)
    browser.force_login(user)
    later(browser.session)
    return browser.get("/plain/", headers={"accept": accept, **headers})


@pytest.mark.parametrize(
    ("accept", "content_type", "words"),
    [
        (PAGE, "text/html; charset=utf-8", "<h1>Please try again</h1>"),
        (JSON, "application/json", '"error": "unavailable"'),
        ("image/*", "text/plain; charset=utf-8", "The site is busy. Please try again."),
    ],
)
def test_a_database_that_is_down_is_told_as_the_request_can_use_it(
    user, accept, content_type, words
):
    """503 with the moment to come again."""
    answer = unreadable(user, accept)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert (answer.headers["Content-Type"], words in answer.content.decode()) == (
        content_type,
        True,
    )


def test_both_pages_speak_the_visitors_language(browser, user, settings):
    """Though the request has not come to LocaleMiddleware."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    html = overtaken(browser, user, PAGE, **KOREAN).content.decode()
    assert ('<html lang="ko">' in html, "세션이 종료되었습니다" in html) == (True, True)
    assert "다시 시도해 주세요" in unreadable(user, PAGE, **KOREAN).content.decode()


def test_a_template_of_the_project_that_fails_is_no_second_fault(user, settings, tmp_path):
    """Text, then."""
    (tmp_path / "sessionstore").mkdir()
    (tmp_path / "sessionstore" / "unavailable.html").write_text("{% load nothing_there %}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    assert unreadable(user, PAGE).content == b"The site is busy. Please try again."


def test_the_reason_is_kept_without_a_key_or_a_row(browser, user, settings):
    """Security: an entry of the cache opens nothing, and its name tells nobody's key."""
    sign_in(browser, user)
    key, digest = key_of(browser), bytes(Session.objects.get().digest)
    revoke_all_of(str(user.pk), reason=Reason.OWNER)
    names = [name for name in caches["default"]._cache if "sessionstore.ended" in name]
    assert names
    assert not [name for name in names if key in name or digest.hex() in name]
    assert PASSWORD not in str(names)


def test_every_database_tells_why_and_keeps_names(database, engine):
    """Digests come in types of their own; with the cache in front too."""
    user = get_user_model().objects.create_user("ann")
    browser = Client()
    browser.force_login(user)
    session = browser.session
    assert devices.rename(user, session, session.handle, "Küche")
    assert devices.find_device(user, session, session.handle).title == "Küche"
    assert revoke_all_of(str(user.pk), reason=Reason.ADMIN) == 1
    assert ended(type(session)(session.session_key)) == Ended("admin", str(user.pk))
