"""What the browser holds and what the server holds, for the panel on each page."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from demo_site.rivals import RIVALS
from sessionstore.models import Session

# Only in `make demo-https`: by it a browser shows that it has the private key of its device.
DEVICE_COOKIE = f"{settings.SESSION_COOKIE_NAME}_device"
SHOWN = 6  # characters of a secret: enough to see that it changed, far too few to use it

COOKIES = {
    settings.SESSION_COOKIE_NAME: _("the key of your session, signed: random, and nothing else"),
    DEVICE_COOKIE: _("the proof that this is the device that signed in; it lasts for minutes"),
    **dict.fromkeys(
        (rival.cookie for rival in RIVALS.values()),
        _("only for the race and the leak: another session, in the table of that engine"),
    ),
    settings.CSRF_COOKIE_NAME: _("against forged forms; says nothing about you"),
    settings.LANGUAGE_COOKIE_NAME: _("the language you chose"),
}


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie, with its value cut short."""

    name: str
    value: str
    length: int
    meaning: str | Promise


@dataclass(frozen=True, slots=True)
class Hood:
    """What lies under the hood at this request."""

    cookies: list[Cookie]
    row: Session | None
    size: int
    data: str
    live: int
    process: int
    port: str
    others: list[str]  # the same page, answered by another server


def under_the_hood(request: HttpRequest) -> dict[str, Callable[[], Hood]]:
    """Offer the panel to templates; it asks the database only where a template shows it."""
    return {"under_the_hood": lambda: look(request)}


def look(request: HttpRequest) -> Hood:
    """Read the row as the server holds it: what this request changed is saved only later."""
    key = request.session.session_key
    row = Session.objects.by_key(key).first() if key else None
    held = _held(request)
    # The name stays: to a browser 127.0.0.1 and localhost are two sites with a cookie each.
    name = request.get_host().rpartition(":")[0]
    path = request.get_full_path()
    host = f"{request.scheme}://{name}"
    ports = os.environ.get("DEMO_PORTS", request.get_port()).split(",")
    return Hood(
        cookies=[
            Cookie(name, shortened(held[name]), len(held[name]), meaning)
            for name, meaning in COOKIES.items()
            if name in held
        ],
        row=row,
        size=len(row.data) if row else 0,
        data=_readable(row.get_decoded()) if row else "",
        live=Session.objects.live().count(),
        process=os.getpid(),
        port=request.get_port(),
        others=[f"{host}:{port}{path}" for port in ports if port != request.get_port()],
    )


def _held(request: HttpRequest) -> dict[str, str]:
    """Return the cookies of the browser after this answer, which may take back or replace one."""
    held = dict(request.COOKIES)
    if settings.SESSION_COOKIE_NAME not in held:
        return held
    if request.session.is_empty():
        gone = (settings.SESSION_COOKIE_NAME, DEVICE_COOKIE)
        return {name: value for name, value in held.items() if name not in gone}
    return held | {settings.SESSION_COOKIE_NAME: request.session.session_key or ""}


def _readable(data: dict[str, Any]) -> str:
    """Lay the data out; the fingerprint of the password is cut short."""
    if "_auth_user_hash" in data:
        data["_auth_user_hash"] = shortened(data["_auth_user_hash"])
    return json.dumps(data, indent=2, ensure_ascii=False, default=str)


def shortened(secret: str) -> str:
    return f"{secret[:SHOWN]}…"
