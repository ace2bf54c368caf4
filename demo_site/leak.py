"""A stolen table: each column of a row is sent back as the cookie, by Django's engine and by ours.

Django's engine keeps the cookie's value as the primary key; ours keeps a digest of it.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from demo_site.panel import shortened
from demo_site.rivals import RIVALS, Rival
from demo_site.visits import visit
from sessionstore.core.keys import KEY_LENGTH
from sessionstore.models import Session

OPENED = 204
SHOWN = 24  # characters of a column
RANDOM_BYTES = 17  # of the 25 that our cookie spells; the others are a tag under SECRET_KEY


@dataclass(frozen=True, slots=True)
class Column:
    """What a thief reads in one column, and whether it opens the session."""

    name: str
    text: str
    opens: bool


@dataclass(frozen=True, slots=True)
class Leak:
    """A row that was stolen, and the cookie that it belongs to."""

    rival: Rival
    table: str
    cookie: str
    opens: bool  # the cookie itself: else the attempts would prove nothing
    columns: list[Column]
    digest: str  # what becomes of the cookie's random bytes; with Django's engine nothing


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def leak(request: HttpRequest) -> HttpResponse:
    """After the press of the button, show a row of either table and what can be done with it."""
    context: dict[str, Any] = {"title": _("A stolen table")}
    response = TemplateResponse(request, "demo_site/leak.html", context)
    if request.method == "POST":
        context["leaks"] = [_stolen(request, rival, response) for rival in RIVALS.values()]
    return response


@require_safe
def opened(request: HttpRequest, name: str) -> HttpResponse:
    """Tell whether the cookie that came opens a session of the engine."""
    if name not in RIVALS or RIVALS[name].open(request) is None:
        raise Http404
    return HttpResponse(status=OPENED)


def _stolen(request: HttpRequest, rival: Rival, response: HttpResponse) -> Leak:
    session = rival.open(request) or rival.begin(response)
    key = str(session.session_key)

    def opens(*cookies: str) -> bool:
        path = reverse("opened", args=[rival.name])
        return any(visit(request, path, {rival.cookie: each}) == OPENED for each in cookies)

    row = rival.row(session)
    columns = [
        Column(field.name, _shown(value, key), opens(*spellings(value)))
        for field in row._meta.concrete_fields
        if (value := field.value_from_object(row)) is not None
    ]
    spelt = base64.b32hexdecode(key.upper()) if rival.table is Session else None
    digest = hashlib.sha256(spelt[:RANDOM_BYTES]).hexdigest() if spelt else ""
    table = row._meta.db_table
    return Leak(rival, table, shortened(key), opens(key), columns, _shown(digest, key))


def spellings(value: Any) -> set[str]:
    """Return how a thief could write a column as a cookie, also cut to the length of a key."""
    texts = {str(value)}
    if isinstance(value, bytes | memoryview):
        raw = bytes(value)
        texts = {
            raw.hex(),
            base64.b32hexencode(raw).decode().lower(),
            base64.urlsafe_b64encode(raw).decode(),
        }
    return {cut for text in texts for cut in (text, text[:KEY_LENGTH])}


def _shown(value: Any, key: str) -> str:
    """Write a column out as far as it helps; a secret is cut short, as everywhere."""
    text = bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)
    if text == key:
        return shortened(text)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
