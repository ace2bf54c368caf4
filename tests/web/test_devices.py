"""The devices page: see where you are signed in, and end it there."""

import importlib
import re
import sys

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

from sessionstore.models import Session
from sessionstore.users import words as descriptions
from sessionstore.users.devices import PER_PAGE
from tests.harness import django_sdist
from tests.harness.missing import give_up
from tests.harness.statements import record_statements
from tests.web.conftest import PASSWORD, key_of, sign_in

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def phone() -> Client:
    """A second browser."""
    return Client(
        enforce_csrf_checks=True, headers={"user-agent": SAFARI}, REMOTE_ADDR="81.2.69.142"
    )


@pytest.fixture
def browser() -> Client:
    """The first one."""
    return Client(enforce_csrf_checks=True, headers={"user-agent": FIREFOX})


def page(browser: Client, number: int = 1) -> str:
    """The text of the list."""
    return browser.get(f"/account/devices/?page={number}").content.decode()


def handles(html: str) -> list[str]:
    """What the forms of a page carry."""
    return re.findall(r'name="handle" value="([^"]+)"', html)


def is_signed_in(browser: Client) -> bool:
    """Whether the server still knows the browser's user."""
    return bool(browser.get("/plain/").content)


def end(browser: Client, what: str, **fields: str):
    """Press a button of the list."""
    token = browser.cookies["csrftoken"].value
    return browser.post(f"/account/devices/{what}/", {"csrfmiddlewaretoken": token, **fields})


def test_each_browser_is_listed_in_words_and_this_one_first(browser, phone, user):
    """Browser, system, address; this device is marked."""
    sign_in(browser, user)
    sign_in(phone, user)
    html = page(browser)
    assert "<title>Your devices</title>" in html
    assert html.index("Firefox on Windows") < html.index("Safari on iOS")
    assert html.index("This device") < html.index("Safari on iOS")
    assert html.count("This device") == 1
    assert "81.2.69.142" in html


def test_times_are_for_people_and_for_machines(browser, user, clock):
    """Signed in when, last seen when."""
    sign_in(browser, user)
    assert f'<time datetime="{clock.now:%Y-%m-%dT%H:%M:%S}' in page(browser)
    assert f'title="{clock.now:%b. %d, %Y}' in page(browser)
    assert ' UTC"' in page(browser)


@pytest.mark.parametrize(
    ("minutes", "words"), [(0, "Active now"), (1, "Active now"), (2, "2\xa0minutes ago")]
)
def test_how_long_ago_a_device_was_used_is_told_in_words(
    browser, phone, user, clock, minutes, words
):
    """As exactly as it is written down: a minute."""
    sign_in(phone, user)
    clock.advance(minutes=minutes)
    sign_in(browser, user)
    _, _, others = page(browser).partition("Safari on iOS")
    assert words in others


def details(browser: Client, handle: str) -> str:
    """The page of one device."""
    answer = browser.get(f"/account/devices/{handle}/")
    return answer.content.decode() if answer.status_code == 200 else str(answer.status_code)


def call(browser: Client, handle: str, name: str):
    """Give a device a name."""
    token = browser.cookies["csrftoken"].value
    fields = {"csrfmiddlewaretoken": token, "name": name}
    return browser.post(f"/account/devices/{handle}/", fields)


def test_a_device_has_a_page_of_its_own(browser, phone, user):
    """With all that is known of it; nobody else's, and none that has ended."""
    sign_in(browser, user)
    sign_in(phone, user)
    other = handles(page(browser))[1]
    html = details(browser, other)
    for words in ("<h1", "Safari on iOS", "81.2.69.142", "Signed in until", "this device"):
        assert words in html
    eve = Client(enforce_csrf_checks=True)
    sign_in(eve, get_user_model().objects.create_user("eve", password=PASSWORD))
    assert details(eve, other) == "404"
    assert call(eve, other, "mine").status_code == 404
    end(browser, "revoke", handle=other)
    assert [details(browser, gone) for gone in (other, "x", "A" * 22)] == ["404"] * 3


def test_a_device_can_be_given_a_name_from_another_one(browser, phone, user, settings):
    """It stays when that browser writes its session, which is encrypted, and hides no browser."""
    settings.SESSIONSTORE_ENCRYPT = True
    sign_in(browser, user)
    sign_in(phone, user)
    other = handles(page(browser))[1]
    assert call(browser, other, "  My   <b>phone</b>\n ").url == f"/account/devices/{other}/"
    phone.get("/remember/")
    html = page(browser)
    assert "My &lt;b&gt;phone&lt;/b&gt;</a>" in html
    assert "<span>Safari on iOS</span>" in html
    call(browser, other, "")
    assert "Safari on iOS</a>" in page(browser)


@pytest.mark.parametrize("name", ["x" * 5000, "\0\u202e\ud83d", "é" * 65])
def test_no_name_is_an_error(browser, user, name):
    """It is cut, and what is not printed is a question mark."""
    sign_in(browser, user)
    page(browser)
    handle = browser.session.handle
    assert call(browser, handle, name.encode(errors="replace").decode()).status_code == 302
    assert len(Session.objects.get().device_name) <= 64


def test_a_device_that_nobody_knows_leads_to_a_new_password(browser, phone, user, settings):
    """Where the project has a page for that; it is signed out first, and the words say so."""
    sign_in(browser, user)
    sign_in(phone, user)
    other = handles(page(browser))[1]
    assert end(browser, "revoke", handle=other, unknown="1").url == "/password/"
    assert not is_signed_in(phone)
    assert told(browser)[1].startswith("Now change your password")


def test_the_list_is_json_for_who_asks_for_it(browser, phone, user):
    """The same facts under the same rules; moments in UTC, and no key."""
    json = {"accept": "application/json"}
    visitor = browser.get("/account/devices/", headers=json)
    assert (visitor.status_code, visitor.json()["next"]) == (401, "/")
    sign_in(browser, user)
    sign_in(phone, user)
    answer = browser.get("/account/devices/", headers=json)
    here, there = answer.json()["devices"]
    assert (here["browser"], here["is_this"], here["form"]) == (
        "Firefox on Windows",
        True,
        "computer",
    )
    assert there["last_seen_at"].endswith("+00:00")
    assert browser.get(there["url"], headers=json).json() == there
    token = browser.cookies["csrftoken"].value
    fields = {"handle": there["handle"]}
    assert browser.post("/account/devices/revoke/", fields, headers=json).status_code == 403
    headers = {**json, "x-csrftoken": token}
    answer = browser.post("/account/devices/revoke/", fields, headers=headers)
    assert answer.json() == {"signed_out": 1}
    assert not is_signed_in(phone)


def test_json_too_asks_for_a_recent_login(browser, user, clock):
    """By a 401 that says where, as a script cannot follow a redirect."""
    sign_in(browser, user)
    clock.advance(minutes=61)
    headers = {"accept": "application/json", "x-csrftoken": browser.cookies["csrftoken"].value}
    answer = browser.post("/account/devices/revoke-others/", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "login_required")
    assert answer.json()["login_url"] == "/account/confirm/?next=/account/devices/"


def test_neither_key_nor_whole_digest_is_on_the_page(browser, phone, user):
    """Forms carry handles (CVE-2020-5224)."""
    sign_in(browser, user)
    sign_in(phone, user)
    html = page(browser)
    for row in Session.objects.all():
        assert row.digest.hex() not in html
    assert key_of(browser) not in html
    assert key_of(phone) not in html
    assert sorted(handles(html)) == sorted(row.handle for row in Session.objects.all())


def test_one_session_can_be_ended(browser, phone, user):
    """The other browser is signed out at its next request."""
    sign_in(browser, user)
    sign_in(phone, user)
    response = end(browser, "revoke", handle=handles(page(browser))[1])
    assert response.url == "/account/devices/"
    assert "Signed out of Safari on iOS." in page(browser)
    assert not is_signed_in(phone)
    assert is_signed_in(browser)


def test_all_others_can_be_ended(browser, phone, user):
    """This one stays; the page says how many went."""
    sign_in(browser, user)
    for _ in range(2):
        sign_in(Client(enforce_csrf_checks=True), user)
    sign_in(phone, user)
    page(browser)
    end(browser, "revoke-others")
    assert "Signed out on 3 devices." in page(browser)
    assert not is_signed_in(phone)
    assert is_signed_in(browser)


def told(browser: Client) -> list[str]:
    """What the list says above itself."""
    return [str(one) for one in browser.get("/account/devices/").context["messages"]]


@pytest.mark.parametrize("number", [1, 2])
def test_the_list_says_what_has_been_ended(browser, user, number):
    """One or many, and what had ended before."""
    sign_in(browser, user)
    for _ in range(number):
        sign_in(Client(enforce_csrf_checks=True), user)
    end(browser, "revoke", handle=(last := handles(page(browser))[1]))
    assert told(browser) == ["That device is signed out."]
    end(browser, "revoke", handle=last)
    assert told(browser) == ["That device was signed out already."]
    for _ in range(number):
        sign_in(Client(enforce_csrf_checks=True), user)
    count = 2 * number - 1
    end(browser, "revoke-others")
    words = "1 device" if count == 1 else f"{count} devices"
    assert told(browser) == [f"Signed out on {words}."]


@pytest.mark.parametrize("what", ["revoke", "revoke-others"])
def test_a_site_without_messages_ends_sessions_too(browser, phone, user, settings, what):
    """It does not say so, then."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "messages" not in name]
    sign_in(browser, user)
    sign_in(phone, user)
    other = handles(page(browser))[1]
    answers = [end(browser, what, handle=other).status_code for _ in range(2)]
    assert (answers, is_signed_in(phone)) == ([302, 302], False)


def test_ending_this_one_signs_out(browser, user):
    """Row and cookie go."""
    sign_in(browser, user)
    response = end(browser, "revoke", handle=handles(page(browser))[0])
    assert response.cookies["sessionid"]["max-age"] == 0
    assert not Session.objects.exists()


def test_the_sessions_of_somebody_else_are_neither_shown_nor_ended(browser, phone, user):
    """A handle of another user ends nothing."""
    eve = get_user_model().objects.create_user("eve", password="correct horse")
    sign_in(browser, user)
    sign_in(phone, eve)
    assert "iOS" not in page(browser)
    foreign = Session.objects.for_user(eve).get().handle
    end(browser, "revoke", handle=foreign)
    assert "That device was signed out already." in page(browser)
    end(browser, "revoke-others")
    assert is_signed_in(phone)


@pytest.mark.parametrize("handle", ["", "x", "A" * 16, "\0" * 16, "é" * 16, "A" * 4000])
def test_a_made_up_handle_ends_nothing(browser, user, handle):
    """No error page either."""
    sign_in(browser, user)
    page(browser)
    assert end(browser, "revoke", handle=handle).status_code == 302
    assert is_signed_in(browser)


@pytest.mark.parametrize("what", ["revoke", "revoke-others"])
def test_ending_asks_for_a_recent_login(browser, phone, user, clock, what):
    """A browser that somebody left open ends nothing (ASVS 7.5.2); the way back is the list."""
    sign_in(browser, user)
    sign_in(phone, user)
    clock.advance(minutes=61)
    other = handles(page(browser))[1]
    response = end(browser, what, handle=other)
    place = f"/account/devices/{other}/" if what == "revoke" else "/account/devices/"
    assert response.url == f"/account/confirm/?next={place}"
    assert is_signed_in(phone)


@pytest.mark.parametrize("what", ["revoke", "revoke-others"])
@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "trace", "options"])
def test_nothing_but_post_ends_anything(browser, user, what, method):
    """And not without the token of the form."""
    sign_in(browser, user)
    answer = getattr(browser, method)(f"/account/devices/{what}/")
    assert answer.status_code in {200, 403, 405}
    assert browser.post(f"/account/devices/{what}/").status_code == 403
    assert Session.objects.count() == 1


@pytest.mark.parametrize("page", ["devices/revoke/", "devices/revoke-others/", "session/extend/"])
def test_pages_that_change_something_bring_their_own_protection(browser, user, settings, page):
    """A site may have left CsrfViewMiddleware out: a foreign page still changes nothing."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "csrf" not in name]
    sign_in(browser, user)
    response = browser.post(f"/account/{page}", {"handle": browser.session.handle})
    assert (response.status_code, Session.objects.count()) == (403, 1)


def test_the_list_costs_one_query_however_long_it_is(browser, user):
    """No SQL per row, no counting."""
    for _ in range(5):
        sign_in(Client(enforce_csrf_checks=True), user)
    sign_in(browser, user)
    with record_statements() as seen:
        assert len(handles(page(browser))) == 6
    # The session of the request, and the list.
    assert len(seen.about("sessionstore_session")) == 2


def test_a_long_list_has_pages(browser, user):
    """Each session is on one of them; this one on the first."""
    for _ in range(PER_PAGE + 2):
        sign_in(Client(enforce_csrf_checks=True), user)
    sign_in(browser, user)
    first, second = page(browser), page(browser, 2)
    assert len(handles(first)) == PER_PAGE
    assert len({*handles(first), *handles(second)}) == PER_PAGE + 3
    assert "This device" in first
    assert "This device" not in second
    assert 'rel="next"' in first
    assert 'rel="next"' not in second


def test_a_list_that_fills_its_page_has_no_other(browser, user):
    """Exactly as many as a page holds."""
    for _ in range(PER_PAGE - 1):
        sign_in(Client(enforce_csrf_checks=True), user)
    sign_in(browser, user)
    html = page(browser)
    assert (len(handles(html)), 'rel="next"' in html) == (20, False)


def test_the_last_page_that_can_be_asked_for(browser, user):
    """Nobody has two million devices, and a database has to count to each page."""
    sign_in(browser, user)
    assert "Nothing more on this page." in page(browser, 99_999)


@pytest.mark.parametrize("number", ["0", "-1", "x", "", "²", "100000", "9" * 30])
def test_a_page_that_cannot_be_is_not_found(browser, user, number):
    """No error page."""
    sign_in(browser, user)
    assert browser.get("/account/devices/", {"page": number}).status_code == 404


def test_the_list_is_for_who_is_signed_in_and_is_not_cached(browser, user):
    """The next person at this computer does not see it."""
    assert browser.get("/account/devices/").url == "/account/login/?next=/account/devices/"
    sign_in(browser, user)
    assert "no-store" in browser.get("/account/devices/").headers["Cache-Control"]


def test_expired_sessions_are_not_listed(browser, phone, user, settings, clock):
    """Whether or not anything cleans up."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 3600
    sign_in(phone, user)
    clock.advance(minutes=61)
    sign_in(browser, user)
    assert "iOS" not in page(browser)


def test_a_session_whose_key_changes_meanwhile_is_ended_all_the_same(browser, phone, user):
    """The user signs in again there while the button is pressed here."""
    sign_in(browser, user)
    sign_in(phone, user)
    other = handles(page(browser))[1]
    row = Session.objects.by_handle(other).get()
    cycled = []

    def sign_in_before_the_delete(execute, sql, params, many, context):
        if sql.startswith("DELETE") and not cycled:
            cycled.append(sql)
            sign_in(phone, user)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(sign_in_before_the_delete):
        end(browser, "revoke", handle=other)
    assert cycled
    assert not Session.objects.filter(pk=row.pk).exists()
    assert not is_signed_in(phone)


def test_the_pages_alone_serve_sites_that_sign_in_otherwise(browser, user, settings):
    """`sessionstore.urls.devices`: no login page of ours."""
    settings.ROOT_URLCONF = "tests.web.urls_devices_only"
    browser.force_login(user)
    assert "This device" in browser.get("/me/devices/").content.decode()
    assert browser.get("/me/login/").status_code == 404


ANDROID = "Mozilla/5.0 (Linux; U; Android 4.0.3; de-de) Version/4.0 Mobile Safari/534.30"
VIVALDI = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/128.0.0.0 Safari/537.36 Vivaldi/6.9.3447.37"
)
WORDS = [
    (None, "Unrecorded browser"),
    ("", "Unrecorded browser"),
    (FIREFOX, "Firefox on Windows"),
    (SAFARI, "Safari on iOS"),
    (ANDROID, "An app on Android"),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "A browser on Windows"),
    ("curl/8.1", "A program (curl)"),
    ("python-requests/2.32.3", "A program (python-requests)"),
    ("Mozilla/5.0 " + "x" * 500, "Unknown browser"),
]


@pytest.mark.parametrize(("agent", "words"), WORDS)
@pytest.mark.parametrize("extra", ["ua_parser", ""])
def test_a_user_agent_is_put_into_words(monkeypatch, extra, agent, words):
    """With the extra [devices] and without; never the header itself, nor one name twice."""
    if not extra:
        monkeypatch.setattr(descriptions, "_parser", lambda: None)
    assert descriptions.browser_in_words(agent) == words


def test_ua_parser_knows_more_names(monkeypatch):
    """Without it that is the browser which it is made of."""
    assert descriptions.browser_in_words(VIVALDI) == "Vivaldi on Linux"
    monkeypatch.setattr(descriptions, "_parser", lambda: None)
    assert descriptions.browser_in_words(VIVALDI) == "Chrome on Linux"


def test_the_extra_may_be_missing(monkeypatch):
    """The module is loaded without it."""
    monkeypatch.setitem(sys.modules, "ua_parser", None)
    bare = importlib.util.module_from_spec(descriptions.__spec__)
    descriptions.__spec__.loader.exec_module(bare)
    assert bare.browser_in_words(FIREFOX) == "Firefox on Windows"


def test_a_user_agent_cannot_inject_markup(user):
    """It comes from the client, whoever that is."""
    evil = Client(enforce_csrf_checks=True, headers={"user-agent": "<script>alert(1)</script>"})
    sign_in(evil, user)
    assert "<script>alert" not in page(evil)


@pytest.fixture
def geoip(settings):
    """MaxMind's data for tests, as a project would set them up."""
    try:
        folder = django_sdist.tests_folder() / "gis_tests" / "data" / "geoip2"
    except django_sdist.SdistMissingError as error:
        give_up(str(error))
    settings.GEOIP_PATH = folder
    settings.GEOIP_CITY = "GeoLite2-City-Test.mmdb"
    settings.GEOIP_COUNTRY = "GeoLite2-Country-Test.mmdb"
    descriptions.geoip_reader.cache_clear()
    yield settings
    # Closes the file, about which Python would complain.
    reader = descriptions.geoip_reader()
    descriptions.geoip_reader.cache_clear()
    del reader


def test_the_place_is_shown_where_the_project_has_set_up_geoip2(browser, phone, user, geoip):
    """City and country of the address; nothing for one that is in no list."""
    sign_in(browser, user)
    sign_in(phone, user)
    html = page(browser)
    assert html.count("<span>London, United Kingdom</span>") == 1


def test_without_the_library_there_is_no_place(geoip, monkeypatch):
    """Django's module is importable without it, and raises NameError when it is asked."""
    monkeypatch.setattr("django.contrib.gis.geoip2.HAS_GEOIP2", False)
    descriptions.geoip_reader.cache_clear()
    assert descriptions.place_of("2.125.160.216") == ""


def test_data_of_countries_alone_give_the_country(geoip):
    """The smaller of MaxMind's free lists."""
    geoip.GEOIP_CITY = "missing"
    assert descriptions.place_of("81.2.69.142") == "United Kingdom"


def test_without_data_there_is_no_place():
    """Nothing is set up, nothing is asked."""
    descriptions.geoip_reader.cache_clear()
    assert descriptions.place_of("81.2.69.142") == ""
