"""A session that moves inside transactions of the site, on either alias, kept or rolled back.

Both ways, in from Django's engine and out to it: what the page answers must be true afterwards.
The browser's cookie opens the session, and once somebody has ended it, no cookie of it does.
"""

import contextlib
from collections.abc import Iterator

import pytest
from django.contrib.auth import logout
from django.contrib.sessions.models import Session as DjangoSession
from django.core.management import call_command
from django.db import connections, router, transaction
from django.http import Http404, HttpResponse
from django.urls import path

from sessionstore.backends.sql import SessionStore
from tests.engine import pages
from tests.engine.old_sessions import DJANGO, ours, signed_in
from tests.engine.pages import MIDDLEWARE, browser, cookie_of
from tests.harness.databases import wanted

LEAVING = "sessionstore.backends.leaving"


class StopHereError(Exception):
    """Ends a block of the view, which catches it."""


def aliases() -> list[str]:
    """The alias of Django's table, then that of ours."""
    return [router.db_for_write(DjangoSession), SessionStore().table.alias]


def missing(request):
    """Read the session, then find nothing to show."""
    request.session.get("a")
    raise Http404


def write_and_miss(request):
    """Save a change on the spot, then find nothing to show."""
    request.session["b"] = 2
    request.session.save()
    raise Http404


@contextlib.contextmanager
def taken_back(alias: str) -> Iterator[None]:
    """A block of the view that is rolled back, and whose error the view catches."""
    with contextlib.suppress(StopHereError), transaction.atomic(using=alias):
        yield
        raise StopHereError


def blocks(request, which):
    """Read in blocks on the aliases named by their place in the list, the last one innermost."""
    with contextlib.ExitStack() as stack:
        for number in which:
            stack.enter_context(taken_back(aliases()[int(number)]))
        request.session.get("a")
    return HttpResponse()


def second_try(request):
    """Read in a block that is rolled back, and again in another one that is kept."""
    for keep in (False, True):
        with contextlib.suppress(StopHereError), transaction.atomic(using=aliases()[0]):
            request.session.get("a")
            if not keep:
                raise StopHereError
    return HttpResponse()


def sign_out_in_a_block(request, which):
    """Sign out in a block that is rolled back."""
    with taken_back(aliases()[int(which)]):
        logout(request)
    return HttpResponse()


def sign_out_and_miss(request):
    """Sign out, then find nothing to show."""
    logout(request)
    raise Http404


def raising_callback(request):
    """Load the session after somebody has left a callback for the commit, which fails."""

    def fail():
        raise StopHereError

    with contextlib.suppress(StopHereError), transaction.atomic(using=aliases()[1]):
        transaction.on_commit(fail, using=aliases()[1])
        request.session.get("a")
    return HttpResponse()


urlpatterns = [
    *pages.urlpatterns,
    path("missing/", missing),
    path("write_and_miss/", write_and_miss),
    path("blocks/<which>/", blocks),
    path("second_try/", second_try),
    path("sign_out_in_a_block/<which>/", sign_out_in_a_block),
    path("sign_out_and_miss/", sign_out_and_miss),
    path("raising_callback/", raising_callback),
]

PAGES = [
    "missing",
    "write_and_miss",
    "fail",
    "user",
    "blocks/0",
    "blocks/1",
    "blocks/01",
    "blocks/10",
    "second_try",
    "raising_callback",
]
# Whose requests are one transaction: of Django's table, of ours, of both.
ATOMIC = {"autocommit": [], "old": [0], "new": [1], "both": [0, 1]}
# Where the two tables are in one database, its requests are one transaction, or not.
CASES = [
    *(("sqlite", "beside", atomic) for atomic in ("autocommit", "both")),
    *((name, "elsewhere", atomic) for name in ("mariadb", "postgresql") for atomic in ATOMIC),
    *((name, "beside", "both") for name in ("mariadb", "postgresql")),
]
everywhere = pytest.mark.parametrize(
    ("database", "place", "atomic"),
    [case for case in CASES if case[0] in wanted()] or [CASES[0]],
    indirect=True,
)


@pytest.fixture(params=["in", "out"])
def way(request, settings) -> str:
    """In to our table, or out to Django's."""
    settings.ROOT_URLCONF = __name__
    if request.param == "in":
        settings.SESSIONSTORE_ADOPT_FROM = DJANGO
    else:
        settings.SESSION_ENGINE = LEAVING
    return request.param


@pytest.fixture
def atomic(request, way, place, database) -> Iterator[None]:
    """Each view runs in a transaction of these aliases."""
    chosen = {aliases()[number] for number in ATOMIC[request.param]}
    for alias in chosen:
        connections.settings[alias]["ATOMIC_REQUESTS"] = True
    yield
    for alias in chosen:
        connections.settings[alias]["ATOMIC_REQUESTS"] = False


def cookie_for(way: str) -> str:
    """Return the cookie of a user who is signed in where the session is to leave."""
    cookie = signed_in()
    if way == "in":
        return cookie
    data = dict(DjangoSession.objects.get(pk=cookie).get_decoded())
    DjangoSession.objects.all().delete()
    session = SessionStore()
    session.update(data)
    session.save()
    return session.session_key


def opens(cookie: str) -> bool:
    """Tell whether a browser with this cookie is signed in."""
    return browser(cookie).get("/user/").content == b"ann"


@everywhere
@pytest.mark.parametrize("middleware", MIDDLEWARE)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_leaves_a_cookie_that_opens_and_a_logout_is_final(
    way, atomic, settings, page, middleware
):
    """Whatever becomes of the page's transactions; afterwards no cookie opens anything."""
    settings.MIDDLEWARE = MIDDLEWARE[middleware]
    cookie = cookie_for(way)
    client = browser(cookie)
    assert client.get(f"/{page}/").status_code in {200, 404, 500}
    held = cookie_of(client)
    assert client.get("/user/").content == b"ann"
    assert client.get("/sign_out/").status_code == 200
    assert [opens(one) for one in (cookie, held, cookie_of(client) or held)] == [False] * 3


@everywhere
@pytest.mark.parametrize("way", ["in"], indirect=True)
@pytest.mark.parametrize("page", ["missing", "fail", "user", "second_try"])
def test_what_an_administrator_has_ended_stays_ended(way, atomic, settings, page, clock):
    """All sessions end after the page; a minute and two seconds later the old cookie is tried."""
    settings.MIDDLEWARE = MIDDLEWARE["ours"]
    cookie = cookie_for(way)
    client = browser(cookie)
    client.get(f"/{page}/")
    call_command("revokesessions", "--all", "--no-input", verbosity=0)
    clock.advance(seconds=62)
    assert [opens(cookie), opens(cookie_of(client))] == [False, False]


@everywhere
@pytest.mark.parametrize(
    "page", ["sign_out_and_miss", "sign_out_in_a_block/0", "sign_out_in_a_block/1"]
)
@pytest.mark.parametrize("moved", [False, True])
def test_a_logout_is_final_on_both_tables(way, atomic, settings, page, moved):
    """A rollback on either alias brings nothing back, whether or not the session had moved."""
    settings.MIDDLEWARE = MIDDLEWARE["ours"]
    cookie = cookie_for(way)
    client = browser(cookie)
    if moved:
        browser(cookie).get("/user/")
    assert client.get(f"/{page}/").status_code in {200, 404}
    assert opens(cookie) is False
    assert (ours().filter(user_id__isnull=False).count(), DjangoSession.objects.count()) == (0, 0)


@everywhere
def test_no_more_than_one_row_is_left(way, atomic, settings):
    """After a page that is not found and one that is, the session stands in one table, once."""
    settings.MIDDLEWARE = MIDDLEWARE["ours"]
    client = browser(cookie_for(way))
    for page in ("missing", "user"):
        client.get(f"/{page}/")
    rows = [ours().filter(user_id__isnull=False).count(), DjangoSession.objects.count()]
    assert rows == ([1, 0] if way == "in" else [0, 1])
    assert opens(cookie_of(client))
