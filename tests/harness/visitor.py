"""A visitor who clicks, with a browser that drops a cookie at its end, as real ones do."""

from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from tests.harness.clock import Clock


def begin(request: HttpRequest, expiry: str) -> HttpResponse:
    """Begin a session, with an end of its own unless that is "site"."""
    request.session["began"] = True
    if expiry != "site":
        request.session.set_expiry(int(expiry))
    return HttpResponse()


def click(request: HttpRequest) -> HttpResponse:
    """Read the session, as each page of a signed-in user does."""
    return HttpResponse("in" if "began" in request.session else "out")


urlpatterns = [path("begin/<expiry>/", begin), path("click/", click)]
MIDDLEWARE = {
    "ours": ["sessionstore.middleware.SessionMiddleware"],
    "Django's": ["django.contrib.sessions.middleware.SessionMiddleware"],
}


class Visitor:
    """Begins a session at once, then clicks; ``cookies`` counts how often one was sent."""

    def __init__(self, clock: Clock, name: str = "sessionid", *, expiry: int | None = None) -> None:
        self._clock, self._name = clock, name
        self._client = Client()
        self._ends_at: float | None = None
        self.cookies = 0
        self._open(f"/begin/{'site' if expiry is None else expiry}/")

    def click(self) -> bool:
        """Tell whether the visitor is still in."""
        return self._open("/click/") == b"in"

    def stays(self, *, every: float, for_: float) -> bool:
        """Click ``every`` so many seconds, ``for_`` so many; tell whether each was in time."""
        for _ in range(round(for_ / every)):
            self._clock.advance(seconds=every)
            if not self.click():
                return False
        return True

    def _open(self, url: str) -> bytes:
        if self._ends_at is not None and self._ends_at <= self._clock.now.timestamp():
            self._client.cookies.clear()
        response = self._client.get(url)
        sent = response.cookies.get(self._name)
        if sent is not None:
            self.cookies += 1
            age = sent["max-age"]
            self._ends_at = None if age == "" else self._clock.now.timestamp() + age
        return response.content
