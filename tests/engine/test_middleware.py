"""The middleware: what the browser gets, and what it may send."""

from http.cookies import Morsel

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django.utils.http import http_date

from sessionstore.models import Session
from tests.harness.statements import record_statements

pytestmark = pytest.mark.urls(__name__)


def read(request):
    return HttpResponse(str(request.session.get("a")))


def write(request):
    request.session["a"] = request.GET.get("value", "1")
    return HttpResponse("written")


def nothing(request):
    return HttpResponse("nothing")


def end_with_browser(request):
    request.session.set_expiry(0)
    return HttpResponse("short")


def flush(request):
    request.session.flush()
    return HttpResponse("flushed")


def flush_and_replace(request):
    """Leave an untouched session behind, as apps do that change engines in mid-request."""
    request.session.flush()
    request.session = type(request.session)()
    return HttpResponse("flushed")


def cycle_and_fail(request):
    request.session.cycle_key()
    raise LookupError("after the key changed")


def fail(request):
    request.session["a"] = "never stored"
    return HttpResponse("no", status=500)


def count_on_a_session_that_ends(request):
    request.session.get("a")
    type(request.session)(request.session.session_key).delete()
    request.session.transact(lambda session: session.update({"a": 2}))
    return HttpResponse()


async def write_async(request):
    await request.session.aset("a", "async")
    return HttpResponse("written")


urlpatterns = [
    path("read", read),
    path("write", write),
    path("nothing", nothing),
    path("flush", flush),
    path("flush-and-replace", flush_and_replace),
    path("end-with-browser", end_with_browser),
    path("cycle-and-fail", cycle_and_fail),
    path("fail", fail),
    path("count", count_on_a_session_that_ends),
    path("write-async", write_async),
]
COOKIE = "sessionid"


@pytest.fixture
def browser(engine, database):
    """A browser that shows error pages rather than raising."""
    return Client(raise_request_exception=False)


def key_of(browser):
    return browser.cookies[COOKIE].value


def test_a_page_without_a_session_sends_no_cookie(browser):
    """And no Vary: shared caches may keep it."""
    response = browser.get("/nothing")
    assert COOKIE not in response.cookies
    assert "Vary" not in response.headers


def test_a_read_varies_by_cookie(browser):
    """Also when there is nothing to read (CVE-2026-35192)."""
    assert browser.get("/read").headers["Vary"] == "Cookie"


def test_a_value_survives_to_the_next_request(browser):
    """Through a cookie that no script can read."""
    response = browser.get("/write")
    assert response.cookies[COOKIE]["httponly"]
    assert response.headers["Vary"] == "Cookie"
    assert browser.get("/read").content == b"1"


def test_a_read_sends_no_cookie(browser):
    """Nothing changed, so nothing is stored or sent."""
    browser.get("/write")
    assert COOKIE not in browser.get("/read").cookies


def test_a_key_that_the_browser_has_is_sent_once_an_interval(browser, database, clock):
    """An answer on its way when somebody signs in would put the key back that was replaced."""
    sent = []
    for second in range(0, 130, 10):
        if COOKIE in browser.get(f"/write?value={second}").cookies:
            sent.append(second)
        clock.advance(seconds=10)
    assert sent == [0, 60, 120]


def test_a_cookie_of_a_minute_lives_as_long_as_it_is_used(browser, database, clock, settings):
    """It is sent again in time, however often the session is saved."""
    settings.SESSION_COOKIE_AGE = 60
    left = 0
    for second in range(0, 300, 5):
        response = browser.get(f"/write?value={second}")
        left = 60 if COOKIE in response.cookies else left - 5
        assert left > 30
        clock.advance(seconds=5)


def test_an_end_that_has_changed_is_sent_at_once(browser, database, clock):
    """The cookie's own age has to follow; and one without an age has nothing to renew."""
    browser.get("/write")
    response = browser.get("/end-with-browser")
    assert (response.cookies[COOKIE]["max-age"], browser.get("/read").content) == ("", b"1")
    clock.advance(hours=1)
    assert COOKIE not in browser.get("/write?value=2").cookies


def test_a_flush_deletes_row_and_cookie(browser, database):
    """The browser drops its key with the same scope as it was set."""
    browser.get("/write")
    response = browser.get("/flush")
    assert response.cookies[COOKIE].value == ""
    assert response.cookies[COOKIE]["max-age"] == 0
    assert Session.objects.using(database).count() == 0


@pytest.mark.parametrize("page", ["/flush", "/flush-and-replace"])
def test_an_answer_that_deletes_the_cookie_varies_by_it(browser, page):
    """Else a shared cache would sign the next visitor out."""
    browser.get("/write")
    response = browser.get(page)
    assert (response.cookies[COOKIE]["max-age"], response.headers["Vary"]) == (0, "Cookie")


def test_a_late_answer_does_not_wipe_a_newer_login(browser):
    """A key without a row is no reason to delete the cookie: only a flush is."""
    browser.get("/write")
    old = key_of(browser)
    browser.get("/flush")
    browser.cookies[COOKIE] = old
    assert COOKIE not in browser.get("/read").cookies


@pytest.mark.parametrize(
    "cookie",
    [
        "short",
        "x" * 40,
        "0" * 40,
        "0" * 10_000,
        "a%00b",
        "' OR 1=1 --",
        '"quoted"',
        "V" * 40,
        "ð\x9f\x8dª",
    ],
)
def test_a_bad_cookie_is_an_anonymous_visitor(browser, cookie):
    """No SQL, no error page, no row, whatever it holds."""
    browser.cookies[COOKIE] = cookie
    with record_statements() as seen:
        assert browser.get("/read").content == b"None"
    assert seen.about("sessionstore_session") == []


def test_a_bad_cookie_makes_no_row_at_save_every_request(browser, settings, database):
    """Django's engine inserts a row for each forged cookie (D17)."""
    settings.SESSION_SAVE_EVERY_REQUEST = True
    browser.cookies[COOKIE] = "v" * 40
    with record_statements() as seen:
        browser.get("/nothing")
    assert list(seen) == []
    browser.get("/write")
    key = key_of(browser)
    browser.get("/flush")
    browser.cookies[COOKIE] = key
    browser.get("/nothing")
    assert Session.objects.using(database).count() == 0


def test_the_cookie_is_sent_at_every_request_when_asked(browser, settings):
    """SESSION_SAVE_EVERY_REQUEST, without a write each time."""
    browser.get("/write")
    settings.SESSION_SAVE_EVERY_REQUEST = True
    assert COOKIE in browser.get("/nothing").cookies


def test_an_error_page_stores_nothing(browser, database):
    """As under Django's middleware."""
    browser.get("/write")
    assert browser.get("/fail").status_code == 500
    assert browser.get("/read").content == b"1"


def test_after_an_error_page_the_browser_holds_a_working_key(browser):
    """The key had changed when the view failed (D16)."""
    browser.get("/write")
    old = key_of(browser)
    response = browser.get("/cycle-and-fail")
    assert response.status_code == 500
    assert key_of(browser) != old
    assert browser.get("/read").content == b"1"


def test_after_a_rollback_the_old_key_works(browser, settings, database):
    """ATOMIC_REQUESTS took the new key back, so none is sent."""
    browser.get("/write")
    old = key_of(browser)
    from django.db import connections  # noqa: PLC0415

    connections[database].settings_dict["ATOMIC_REQUESTS"] = True
    try:
        response = browser.get("/cycle-and-fail")
    finally:
        connections[database].settings_dict["ATOMIC_REQUESTS"] = False
    assert COOKIE not in response.cookies
    assert key_of(browser) == old
    assert browser.get("/read").content == b"1"


def test_a_session_that_ends_inside_a_view_is_no_server_error(browser):
    """400, as when the save after the view finds no row."""
    browser.get("/write")
    assert browser.get("/count").status_code == 400


def test_the_cookie_is_as_old_as_the_session(browser, settings):
    """Its age is the minimum of what the session and the site say."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 600
    assert browser.get("/write").cookies[COOKIE]["max-age"] == 600


def test_the_cookie_ends_with_the_browser(browser, settings):
    """No age, and the server's own end stays."""
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    cookie = browser.get("/write").cookies[COOKIE]
    assert (cookie["max-age"], cookie["expires"]) == ("", "")


def test_the_cookie_follows_the_settings(browser, settings):
    """Name, path, domain, flags: Django's own, honoured."""
    settings.SESSION_COOKIE_NAME = "__Host-key"
    settings.SESSION_COOKIE_SECURE = True
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    cookie = browser.get("/write").cookies["__Host-key"]
    assert (cookie["secure"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")


def test_the_header_is_djangos_own_byte_for_byte(browser, settings, clock):
    """Set and deleted: nothing that Express's cookies need has a trace in these."""
    settings.SESSION_COOKIE_DOMAIN, settings.SESSION_COOKIE_PATH = "example.com", "/app"
    settings.SESSION_COOKIE_SECURE = True
    where = "Domain=example.com; expires={}; {}Max-Age={}; Path=/app; SameSite=Lax{}"
    morsel = browser.get("/write").cookies["sessionid"]
    ends = http_date(clock.now_ms // 1000 + 1_209_600)
    sent = where.format(ends, "HttpOnly; ", 1_209_600, "; Secure")
    assert morsel.OutputString() == f"sessionid={morsel.value}; {sent}"
    morsel = browser.get("/flush").cookies["sessionid"]
    gone = where.format("Thu, 01 Jan 1970 00:00:00 GMT", "", 0, "")
    assert morsel.OutputString() == f'sessionid=""; {gone}'
    assert type(morsel) is Morsel


def test_a_login_changes_the_key_whoever_signs_in(browser, database):
    """Also when the same user signs in again (D11), and the cart is kept."""
    user = User.objects.create_user("ann", password="secret")
    browser.get("/write")
    first = key_of(browser)
    browser.force_login(user)
    second = key_of(browser)
    browser.force_login(user)
    third = key_of(browser)
    assert len({first, second, third}) == 3
    row = Session.objects.using(database).get()
    assert (row.user_id, row.get_decoded()["a"]) == (str(user.pk), "1")
    assert row.authenticated_at is not None


def test_a_client_is_recorded_at_the_login(browser, database, rf):
    """Address and user agent of the request, cleaned and cut."""
    User.objects.create_user("ann", password="secret")
    from django.contrib.auth import authenticate, login  # noqa: PLC0415

    from sessionstore.middleware import SessionMiddleware  # noqa: PLC0415

    def sign_in(request):
        login(request, authenticate(request, username="ann", password="secret"))
        return HttpResponse()

    request = rf.get("/", REMOTE_ADDR="192.0.2.7", headers={"User-Agent": "x\x00y" + "z" * 600})
    SessionMiddleware(sign_in)(request)
    row = Session.objects.using(database).get()
    assert row.ip == "192.0.2.7"
    assert row.user_agent == "xy" + "z" * 510


async def test_it_works_in_async_views(async_client, settings):
    """One body for both worlds."""
    settings.ROOT_URLCONF = __name__
    from asgiref.sync import sync_to_async  # noqa: PLC0415

    await async_client.get("/write-async")
    assert (await async_client.get("/read")).content == b"async"
    assert await sync_to_async(Session.objects.count)() == 1


test_it_works_in_async_views = pytest.mark.django_db(transaction=True)(test_it_works_in_async_views)
