"""A stolen cookie: this server visits itself with the visitor's cookies, as another browser would.

With a session that is tied to its device the copy is worth a few minutes at most; with any other
it is the login.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from demo_site.panel import DEVICE_COOKIE, look
from demo_site.visits import visit
from sessionstore.models import Session

SESSION_COOKIE = settings.SESSION_COOKIE_NAME
OK = 200
# For so long requests may be under way that were sent before the browser was bound.
UNDER_WAY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Copy:
    """What the thief has copied, and whether it signs in there."""

    names: list[str]
    signs_in: bool


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def theft(request: HttpRequest) -> HttpResponse:
    """Tell whether the session is bound; after the press of the button, what a thief has of it.

    The press changes nothing, so its answer is a page and no redirect.
    """
    copies = stolen(request) if request.method == "POST" else []
    row = look(request).row
    context = {"title": _("A stolen cookie"), "row": row, "copies": copies}
    context["alone_until"] = alone_until(row)
    return render(request, "demo_site/theft.html", context)


def alone_until(row: Session | None) -> datetime | None:
    """Return until when a session that is bound needs no second cookie; None when it does."""
    end = row and row.bound_at and row.bound_at + UNDER_WAY
    return end if end and end > now() else None


def stolen(request: HttpRequest) -> list[Copy]:
    """Try all cookies of the session, and those that are left when the short one has ended."""
    every = [name for name in (SESSION_COOKIE, DEVICE_COOKIE) if name in request.COOKIES]
    copies = [every] if DEVICE_COOKIE not in every else [every, [SESSION_COOKIE]]
    return [Copy(names, signs_in_elsewhere(request, names)) for names in copies if names]


def signs_in_elsewhere(request: HttpRequest, names: list[str]) -> bool:
    """Ask this server, with these cookies and nothing else, whether somebody is signed in."""
    cookies = {name: request.COOKIES[name] for name in names}
    return visit(request, reverse("sessionstore:status"), cookies) == OK
