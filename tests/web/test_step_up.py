"""A page that wants more than a recent login: a second factor, or one of several methods."""

from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse, HttpResponseRedirect
from django.test import AsyncClient
from django.urls import include, path
from django.views.generic import View

from sessionstore.conf import conf
from sessionstore.decorators import RecentLoginRequiredMixin, is_recent, recent_login_required
from tests.harness.statements import record_statements
from tests.web.conftest import PASSWORD, press, sign_in

pytestmark = pytest.mark.django_db
HTMX = {"hx-request": "true", "hx-current-url": "http://testserver/shop/"}
JSON = {"accept": "application/json"}


@recent_login_required(level=2)
def strong(request):
    return HttpResponse("strong")


@recent_login_required(level=2)
async def async_strong(request):
    return HttpResponse("strong")


class Strong(RecentLoginRequiredMixin, View):
    recent_login_level = 2
    recent_login_max_age = timedelta(minutes=5)

    def get(self, _request):
        return HttpResponse("strong")


@recent_login_required(methods=["webauthn", "saml"])
def by_key(request):
    return HttpResponse("strong")


def code(request):
    """The site's page for a second factor; what it proves is in the address."""
    if "method" in request.GET:
        request.session.mark_authenticated(request.GET["method"])
    return HttpResponseRedirect(request.GET["next"])


urlpatterns = [
    path("account/", include("sessionstore.urls")),
    path("strong/", strong),
    path("async-strong/", async_strong),
    path("class/", Strong.as_view()),
    path("by-key/", by_key),
    path("careful/", recent_login_required(lambda _request: HttpResponse("careful"))),
    path("code/", code, name="code"),
]
PAGES = ["/strong/", "/async-strong/", "/class/"]


@pytest.fixture(autouse=True)
def here(pages, settings):
    """The pages of this module, in the place of those of all others."""
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def signed_in(browser, user, settings):
    """A browser that has given the password, on a site that has a page for a second factor."""
    settings.SESSIONSTORE_REAUTH_URL = {2: "code"}
    sign_in(browser, user)
    return browser


def prove(browser, method, **more):
    session = browser.session
    session.mark_authenticated(method, **more)
    session.save()


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.django_db(transaction=True)
def test_a_second_factor_is_asked_for_and_opens_the_page(signed_in, page, clock):
    """Sent to the page of that level, with the way back; what was proved grows old."""
    assert signed_in.get(page).url == f"/code/?next={page}"
    prove(signed_in, "otp")
    assert signed_in.get(page).content == b"strong"
    clock.advance(minutes=16)
    prove(signed_in, "password")
    assert signed_in.get(page).status_code == 302


@pytest.mark.django_db(transaction=True)
async def test_it_holds_under_asgi_too(user, settings):
    """Asked by an async client."""
    settings.SESSIONSTORE_REAUTH_URL = {2: "code"}
    client = AsyncClient()
    await client.aforce_login(user)
    assert (await client.get("/async-strong/")).url == "/code/?next=/async-strong/"


def test_one_of_some_methods_is_asked_for(signed_in, settings):
    """A code is none of them; a page alone stands for each level."""
    settings.SESSIONSTORE_REAUTH_URL = "code"
    prove(signed_in, "otp")
    assert signed_in.get("/by-key/").url == "/code/?next=/by-key/"
    prove(signed_in, "saml")
    assert signed_in.get("/by-key/").content == b"strong"


def test_a_page_of_a_level_is_ours_for_the_first(signed_in, settings):
    """And where a level has none, that of the next higher one."""
    settings.SESSIONSTORE_REAUTH_URL = {3: "code"}
    assert (conf.reauth_url(), conf.reauth_url(2), conf.reauth_url(3)) == (None, "code", "code")
    assert conf.reauth_url(4) is None


@pytest.mark.parametrize("follows", [True, False])
def test_a_level_that_the_page_does_not_give_ends_in_words(signed_in, follows):
    """The page proves a password, or nothing at all: never an endless way to and fro."""
    for _ in range(2 if follows else 4):
        response = signed_in.get("/strong/")
        if response.status_code == 403:
            break
        assert response.url == "/code/?next=/strong/"
        signed_in.get(response.url + ("&method=password" if follows else ""))
    assert response.status_code == 403
    assert "This page needs more" in response.content.decode()
    assert "/code/?next=/strong/" in response.content.decode()
    # Who has set up a second factor meanwhile goes there again.
    asked = signed_in.get("/strong/")
    signed_in.get(asked.url + "&method=otp")
    assert signed_in.get("/strong/").content == b"strong"


def test_a_browser_that_follows_redirects_gets_out(signed_in):
    """A page that sends back at once, as a login page does to who is signed in."""
    response, times = signed_in.get("/strong/"), 0
    while response.status_code == 302:
        response, times = signed_in.get(response.url), times + 1
    assert (response.status_code, times) == (403, 6)


def test_a_level_that_no_page_gives_is_named(signed_in, settings):
    """Misconfigured: what to do, and nobody is let through or sent round."""
    settings.SESSIONSTORE_REAUTH_URL = None
    for page in ("/strong/", "/by-key/"):
        with pytest.raises(ImproperlyConfigured, match=r"SESSIONSTORE_REAUTH_URL = \{"):
            signed_in.get(page)


@pytest.mark.parametrize(
    "wrong", [{"level": 0}, {"level": "2"}, {"level": True}, {"methods": "otp"}, {"methods": []}]
)
def test_a_demand_that_is_none_is_named_at_once(wrong):
    """Where the view is made."""
    with pytest.raises(ImproperlyConfigured, match="; it is "):
        recent_login_required(**wrong)


def test_a_script_is_told_what_is_wanted(signed_in):
    """By RFC 9470, as often as it asks; htmx goes there."""
    for _ in range(5):
        told = signed_in.get("/strong/", headers=JSON)
        assert (told.status_code, told.headers["WWW-Authenticate"]) == (
            401,
            'Bearer error="insufficient_user_authentication", acr_values="2", max_age="900"',
        )
    part = signed_in.get("/strong/", headers=HTMX)
    assert (part.status_code, part.headers["HX-Redirect"]) == (401, "/code/?next=/shop/")


def test_an_older_login_is_told_so_too(signed_in, clock):
    """The same header for a login that is only too old; a visitor has none to be told of."""
    clock.advance(minutes=20)
    told = signed_in.get("/careful/", headers=JSON)
    assert 'acr_values="1", max_age="900"' in told.headers["WWW-Authenticate"]
    press(signed_in, "/account/logout/")
    assert "WWW-Authenticate" not in signed_in.get("/strong/", headers=JSON).headers


def test_a_view_can_ask_by_itself(signed_in):
    """As a permission class does."""
    request = signed_in.get("/account/devices/").wsgi_request
    assert is_recent(request, max_age=900)
    assert not is_recent(request, max_age=900, level=2)
    assert is_recent(request, max_age=900, methods=["password"])


def test_a_page_that_wants_more_costs_no_statement(signed_in):
    """Who has it reads as many rows as on any page: the session and the user."""
    prove(signed_in, "otp")
    with record_statements() as seen:
        assert signed_in.get("/strong/").content == b"strong"
    assert len(seen) == 2


def test_the_own_device_tells_how_its_user_signed_in(signed_in):
    """In words, on the list and on its page, at no further statement; other devices do not."""
    prove(signed_in, "otp")
    with record_statements() as seen:
        page = signed_in.get("/account/devices/").content.decode()
    assert "Password and code" in page
    assert len(seen) == 3
    handle = signed_in.session.handle
    assert "Password and code" in signed_in.get(f"/account/devices/{handle}/").content.decode()
    assert signed_in.get("/account/devices/", headers=JSON).json()["devices"][0]["methods"] == [
        "password",
        "otp",
    ]


def test_our_pages_prove_a_password(browser, user):
    """The sign-in page, also over somebody else's session, and the page that asks again."""
    sign_in(browser, user)
    press(browser, "/account/confirm/", password=PASSWORD)
    assert [fact.method for fact in browser.session.sign_ins] == ["password", "password"]
