"""Logins, writes and a logout of one cookie at the same moment. Real threads, real middleware.

A browser keeps the cookies in the order in which the answers arrive, which is not the order in
which the server has made them.
"""

import secrets
from functools import partial

import pytest
from django.contrib import auth
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from sessionstore.conf import conf
from tests.harness.threads import run_together

pytestmark = pytest.mark.urls(__name__)

BACKEND = "django.contrib.auth.backends.ModelBackend"
# Rounds, threads that sign in, threads that write, and what each of them does one after the other.
SHORT = (5, 4, 8, 1)
LONG = (25, 10, 10, 10)
AMOUNTS = [
    pytest.param(*SHORT, id="short"),
    pytest.param(*LONG, id="long", marks=pytest.mark.soak),
]
amounts = pytest.mark.parametrize(("rounds", "logins", "writes", "times"), AMOUNTS)


# The writes that have loaded the session: the cookie and the name. Adding is one step.
have_found_it = set()


def write(request, name):
    """Set a value under a name that nobody else uses, and note whether there was a row."""
    request.session[name] = 1
    if request.session.row_id is not None:
        have_found_it.add((request.COOKIES.get("sessionid"), name))
    return HttpResponse()


def sign_in(request):
    """Sign in as the one user there is."""
    auth.login(request, User.objects.get(), BACKEND)
    return HttpResponse()


def sign_out(request):
    """Sign out."""
    auth.logout(request)
    return HttpResponse()


urlpatterns = [
    path("write/<name>/", write),
    path("sign-in/", sign_in),
    path("sign-out/", sign_out),
]


class Browser:
    """One cookie, sent by all requests of a round, and the answers as they arrive."""

    def __init__(self, *, signed_in):
        client = Client()
        self.origin = secrets.token_hex(4)
        client.get(f"/write/{self.origin}/")
        if signed_in:
            client.get("/sign-in/")
        self.key = client.cookies["sessionid"].value
        # Appending is one step for all threads.
        self.jar, self.answers = [self.key], []

    def ask(self, url):
        """Send one request with the first cookie."""
        client = Client(raise_request_exception=False)
        client.cookies["sessionid"] = self.key
        response = client.get(url)
        morsel = response.cookies.get("sessionid")
        if morsel is not None:
            self.jar.append(morsel.value)
        self.answers.append((url, response.status_code, morsel and morsel.value))

    def ask_all(self, urls):
        for url in urls:
            self.ask(url)

    def all_at_once(self, *, logins, writes, times, logouts=0):
        """Let all requests go at the same moment; who writes or signs in does it some times."""
        names = [[f"/write/w{one}-{time}/" for time in range(times)] for one in range(writes)]
        urls = [*names, *[["/sign-in/"] * times] * logins, *[["/sign-out/"]] * logouts]
        outcomes = run_together([partial(self.ask_all, some) for some in urls])
        assert outcomes == [None] * len(urls)

    def answered(self, prefix):
        return [answer for answer in self.answers if answer[0].startswith(prefix)]


@pytest.fixture(autouse=True, params=[False, True], ids=["signed", "encrypted"])
def encrypted(request, settings):
    """Whether the data are encrypted under the cookie's own bytes."""
    settings.SESSIONSTORE_ENCRYPT = request.param


@pytest.fixture
def user(db):
    return User.objects.create_user("ann")


@pytest.fixture
def data_of(store, database):
    """A function that answers what a key opens."""
    return lambda key: store(key).load() if key else {}


@pytest.fixture
def sees(data_of, user):
    """A function that tells whether whoever sends a key is signed in."""
    return lambda key: data_of(key).get("_auth_user_id") == str(user.pk)


def assert_nothing_is_lost(browser, data_of):
    """Each write was told to come too late, or stands in the session of a login.

    Too late is who has found no row; with encryption also who cannot read what the login wrote.
    """
    logins = browser.answered("/sign-in/")
    stored = {name for _, _, key in logins for name in data_of(key)}
    for url, status, _ in browser.answered("/write/"):
        name = url.split("/")[2]
        must_be_kept = (browser.key, name) in have_found_it and not conf.encrypt
        assert status in ((200,) if must_be_kept else (200, 400)), f"{url} was told {status}"
        assert status == 400 or name in stored, f"{url} is lost"


@amounts
def test_no_login_among_writes_of_a_visitor_is_lost(
    store, sees, data_of, rounds, logins, writes, times
):
    """Each login gets a key, no write signs the browser out, and what was stored is kept."""
    for _ in range(rounds):
        browser = Browser(signed_in=False)
        browser.all_at_once(logins=logins, writes=writes, times=times)
        answers = browser.answered("/sign-in/")
        assert {status for _, status, _ in answers} == {200}
        assert [sees(key) for _, _, key in answers] == [True] * logins * times
        assert_nothing_is_lost(browser, data_of)
        assert sees(browser.jar[-1]), "the browser is signed out"


@amounts
def test_a_new_login_among_writes_of_a_user_signs_nobody_out(
    store, sees, data_of, rounds, writes, times, logins
):
    """The user proves once more who they are while other requests of the session write."""
    for _ in range(rounds):
        browser = Browser(signed_in=True)
        browser.all_at_once(logins=1, writes=writes * times, times=1)
        assert [status for _, status, _ in browser.answered("/sign-in/")] == [200]
        assert_nothing_is_lost(browser, data_of)
        assert sees(browser.jar[-1]), "the browser is signed out"


@amounts
def test_a_logout_among_logins_and_writes_leaves_no_survivor(
    store, data_of, user, rounds, logins, writes, times
):
    """Whoever was signed in by this session is not so any more, under no key ever sent."""
    for _ in range(rounds):
        browser = Browser(signed_in=True)
        browser.all_at_once(logins=logins, writes=writes, times=times, logouts=1)
        assert [status for _, status, _ in browser.answered("/sign-out/")] == [200]
        survivors = [key for key in browser.jar if browser.origin in data_of(key)]
        assert survivors == []
