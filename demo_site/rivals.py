"""Django's own `db` engine and ours, side by side: each with a cookie and a row of its own.

The visitor's own session stays out of it. An engine is used as its middleware uses it: opened with
the value of the cookie, changed, saved.
"""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore as DjangoStore
from django.contrib.sessions.models import Session as DjangoRow
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from sessionstore.backends.sql import SessionStore
from sessionstore.models import Session

BEGUN = "begun"
LIFE = 600  # seconds


@dataclass(frozen=True, slots=True)
class Rival:
    """One engine."""

    name: str
    title: str | Promise
    engine: str
    store: type[SessionBase]
    table: type[Model]

    @property
    def cookie(self) -> str:
        """The name of its cookie."""
        return f"race_{self.name}"

    def open(self, request: HttpRequest) -> SessionBase | None:
        """Return the session that the cookie opens, if it opens one."""
        session = self.store(request.COOKIES.get(self.cookie))
        return session if BEGUN in session else None

    def begin(self, response: HttpResponse) -> SessionBase:
        """Make a row, and let the browser have its cookie."""
        session = self.store()
        session[BEGUN] = True
        session.set_expiry(LIFE)
        session.save()
        response.set_cookie(
            self.cookie,
            str(session.session_key),
            max_age=LIFE,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
        return session

    def row(self, session: SessionBase) -> Model:
        """Return the row as the table holds it."""
        rows = self.table._default_manager
        if self.table is Session:
            return Session.objects.by_key(str(session.session_key)).get()
        return rows.get(pk=session.session_key)


RIVALS = {
    rival.name: rival
    for rival in (
        Rival("django", _("Django's own engine"), DjangoStore.__module__, DjangoStore, DjangoRow),
        Rival("sessionstore", _("This engine"), SessionStore.__module__, SessionStore, Session),
    )
}
