"""The verbs of express-session, to press one by one and see what each does to cookie and row."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from demo_site.panel import look

NONE = "-"
PRESSED = "pressed"
# A column of the comparison, and what it is called.
COLUMNS = {
    "cookie": _("Cookie"),
    "handle": _("Row (handle)"),
    "version": _("Version"),
    "seen": _("Last seen"),
    "expires": _("Expires"),
    "data": _("Data"),
}


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: what Express calls it, what stands here, and what to look at."""

    name: str
    express: str
    here: str
    about: str | Promise
    do: Callable[[Any], None]


def regenerate(session: Any) -> None:
    """A new session in the place of the old one."""
    session.flush()
    session["note_fresh"] = "written after regenerate"


def reload(session: Any) -> None:
    """A change that was not saved is forgotten."""
    session["note_draft"] = "never saved"
    session.reload()


def save(session: Any) -> None:
    """The row is written now, not at the end of the request."""
    session["note_saved"] = f"{timezone.now():%H:%M:%S}"
    session.save()


VERBS = {
    verb.name: verb
    for verb in (
        Verb(
            "save",
            "req.session.save()",
            "session.save()",
            _("Writes the row now. The version goes up by one; the key stays."),
            save,
        ),
        Verb(
            "touch",
            "req.session.touch()",
            "session.touch()",
            _("Moves last seen and the end on. Data and version stay."),
            lambda session: session.touch(),
        ),
        Verb(
            "reload",
            "req.session.reload()",
            "session.reload()",
            _("Reads the row again; a change that was not saved is forgotten."),
            reload,
        ),
        Verb(
            "regenerate",
            "req.session.regenerate()",
            'session.flush(); session["note_fresh"] = …',
            _("A new key and a new row; the old row and all its data are gone."),
            regenerate,
        ),
        Verb(
            "destroy",
            "req.session.destroy()",
            "session.flush()",
            _("The row is deleted, and the browser drops the cookie."),
            lambda session: session.flush(),
        ),
        Verb(
            "cycle",
            NONE,
            "session.cycle_key()",
            _("Express has no such verb: a new key for the same row, data kept."),
            lambda session: session.cycle_key(),
        ),
    )
}


@require_safe
def verbs_page(request: HttpRequest) -> HttpResponse:
    """Show the verbs, and before and after of the one that was just pressed."""
    context = {"title": _("Verbs"), "verbs": VERBS.values()}
    noted = request.get_signed_cookie(PRESSED, default=None, salt=__name__)
    if noted is None:
        return render(request, "demo_site/verbs.html", context)
    pressed, after = json.loads(noted), _state(request)
    rows = [(name, pressed["before"][column], after[column]) for column, name in COLUMNS.items()]
    context |= {"verb": VERBS[pressed["verb"]], "rows": rows}
    response = render(request, "demo_site/verbs.html", context)
    response.delete_cookie(PRESSED, path=request.path, samesite="Lax")
    return response


@require_POST
def press(request: HttpRequest, name: str) -> HttpResponse:
    """Do it, and carry the state of before to the next page.

    In a cookie that this page takes back, not in the session: a session that watched itself would
    change by it.
    """
    if name not in VERBS:
        raise Http404
    before = _state(request)
    VERBS[name].do(request.session)
    page = reverse("verbs")
    response = HttpResponseRedirect(page)
    response.set_signed_cookie(
        PRESSED,
        json.dumps({"verb": name, "before": before}),
        salt=__name__,
        max_age=60,
        path=page,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def _state(request: HttpRequest) -> dict[str, str]:
    """Return the columns, as the browser sent and the server stored them."""
    hood = look(request)
    cookie = next((c.value for c in hood.cookies if c.name == settings.SESSION_COOKIE_NAME), NONE)
    if hood.row is None:
        return dict.fromkeys(COLUMNS, NONE) | {"cookie": cookie}
    return {
        "cookie": cookie,
        "handle": hood.row.handle,
        "version": str(hood.row.version),
        "seen": f"{hood.row.last_seen_at:%H:%M:%S.%f}"[:-3],
        "expires": f"{hood.row.expires_at:%Y-%m-%d %H:%M:%S}",
        "data": ", ".join(sorted(hood.row.get_decoded())) or "{}",
    }
