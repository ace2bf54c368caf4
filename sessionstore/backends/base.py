"""``SessionBackend``, which every engine is, and the request that has one: for types."""

from django.http import HttpRequest

from sessionstore.session.store import SessionBackend

__all__ = ["SessionBackend", "SessionRequest"]


class SessionRequest(HttpRequest):
    """A request whose session is ours: what a view says that it takes. None is ever made of it."""

    session: SessionBackend
