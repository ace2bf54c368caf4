"""A small site for the tests that move sessions: its views, URLs, and a browser."""

from django.contrib.auth import get_user, logout
from django.db import transaction
from django.http import HttpResponse, JsonResponse
from django.test import Client
from django.urls import path


def read(request):
    """Show the session's data."""
    return JsonResponse(dict(request.session.items()))


def add(request, name):
    """Set a key of its own."""
    request.session[name] = name
    return read(request)


def user(request):
    """Show who is signed in."""
    return HttpResponse(get_user(request).get_username())


def sign_out(request):
    """End the session."""
    logout(request)
    return HttpResponse()


def flush(request):
    """End the session without having looked at it."""
    request.session.flush()
    return HttpResponse()


def sign_out_and_fail(request):
    """End the session in a transaction that is rolled back."""
    with transaction.atomic(using=request.session.table.alias):
        logout(request)
        raise RuntimeError


def fail(request):
    """Read the session, then break."""
    request.session.get("a")
    raise RuntimeError


def plain(request):
    """Answer without a look at the session."""
    return HttpResponse("plain")


PAGES = [read, user, sign_out, flush, sign_out_and_fail, fail, plain]
urlpatterns = [
    path("add/<name>/", add),
    *(path(f"{page.__name__}/", page) for page in PAGES),
]
MIDDLEWARE = {
    "ours": ["sessionstore.middleware.SessionMiddleware"],
    "Django's": ["django.contrib.sessions.middleware.SessionMiddleware"],
}


def browser(cookie: str) -> Client:
    """Return a browser that holds a cookie."""
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = cookie
    return client


def cookie_of(client: Client) -> str:
    """Return the key that a browser holds."""
    return client.cookies["sessionid"].value
