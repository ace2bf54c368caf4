"""A stolen cookie: this server visits itself with the visitor's cookies, as another browser would.

With a session that is tied to its device the copy is worth a few minutes at most; with any other
it is the login.
"""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from demo_site.panel import DEVICE_COOKIE, look
from demo_site.visits import visit

SESSION_COOKIE = settings.SESSION_COOKIE_NAME
OK = 200


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
    context = {"title": _("A stolen cookie"), "row": look(request).row, "copies": copies}
    return render(request, "demo_site/theft.html", context)


def stolen(request: HttpRequest) -> list[Copy]:
    """Try all cookies of the session, and those that are left when the short one has ended."""
    every = [name for name in (SESSION_COOKIE, DEVICE_COOKIE) if name in request.COOKIES]
    copies = [every] if DEVICE_COOKIE not in every else [every, [SESSION_COOKIE]]
    return [Copy(names, signs_in_elsewhere(request, names)) for names in copies if names]


def signs_in_elsewhere(request: HttpRequest, names: list[str]) -> bool:
    """Ask this server, with these cookies and nothing else, whether somebody is signed in."""
    cookies = {name: request.COOKIES[name] for name in names}
    return visit(request, reverse("sessionstore:status"), cookies) == OK
