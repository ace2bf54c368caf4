"""How often a request under ASGI goes to a thread for its session, counted."""

import pytest
from asgiref.sync import SyncToAsync, async_to_sync
from django.http import HttpResponse
from django.test import AsyncClient
from django.urls import path

from sessionstore.middleware import SessionMiddleware

OURS = "sessionstore.middleware.SessionMiddleware"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"


async def neither(request):
    return HttpResponse("hello")


async def read(request):
    return HttpResponse(str(await request.session.aget("a")))


async def write(request):
    await request.session.aset("b", await request.session.aget("b", 0) + 1)
    return HttpResponse("saved")


urlpatterns = [path("neither", neither), path("read", read), path("write", write)]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]


class Overriding(SessionMiddleware):
    """A site's own, which may do anything in its hooks."""

    def process_request(self, request):
        return super().process_request(request)

    def process_response(self, request, response):
        return super().process_response(request, response)


@pytest.fixture
def hops(monkeypatch):
    """What has been called in a thread, in order."""
    called, original = [], SyncToAsync.__call__

    async def counted(self, *args, **named):
        called.append(self.func)
        return await original(self, *args, **named)

    monkeypatch.setattr(SyncToAsync, "__call__", counted)
    return called


def hops_of(page, key, middleware, hops, settings):
    """Return how many more a page takes by a middleware, and what it answers."""
    settings.MIDDLEWARE = middleware
    client = AsyncClient()
    client.cookies["sessionid"] = key
    hops.clear()
    response = async_to_sync(client.get)(page)
    assert response.status_code == 200
    return len(hops), response.content


@pytest.mark.parametrize(
    ("page", "middleware", "most"),
    [
        ("/neither", OURS, 0),
        ("/read", OURS, 1),
        ("/write", OURS, 2),
        # Django's middleware goes to a thread before the view and after it.
        ("/neither", DJANGOS, 2),
        ("/read", DJANGOS, 3),
        ("/write", DJANGOS, 3),
        ("/neither", f"{__name__}.Overriding", 2),
    ],
)
def test_a_request_goes_to_a_thread_only_for_a_statement(
    store, saved, hops, settings, page, middleware, most
):
    """One hop for a read, two for a write, none for a page that does not look at its session."""
    settings.SESSION_ENGINE = store.__module__
    without, _ = hops_of("/neither", "", [], hops, settings)
    taken, _ = hops_of(page, saved.session_key, [middleware], hops, settings)
    assert taken - without == most


def test_what_an_async_view_changes_is_stored(store, saved, hops, settings):
    """Also deep inside a value, without a key being set."""
    settings.SESSION_ENGINE = store.__module__
    hops_of("/write", saved.session_key, [OURS], hops, settings)
    hops_of("/write", saved.session_key, [OURS], hops, settings)
    assert store(saved.session_key)["b"] == 2
