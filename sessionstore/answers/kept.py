"""A form that was sent by somebody who first had to say who they are: offered again afterwards.

It waits in the session, under the session's encryption where that is on. Security: only what has
passed Django's CSRF check is kept, so that no other site chooses what is offered; it is signed, as
with Express others write into the session too; it is offered to the user who sent it, for the
address that it was sent to, and sent by a click of theirs only. Passwords, codes and files are not
kept: their fields are offered empty.
"""

import re
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.models import user_id_of
from sessionstore.session.store import SessionBackend
from sessionstore.users.ended import Ended, ended

from .kinds import is_by_script, is_htmx
from .places import page_of, url_of

MOST_BYTES = 16 * 1024
KEPT_MS = 30 * expiry.MINUTE_MS
_KEY = "_session_form"
# On a request whose form is kept.
_ON_REQUEST = "_sessionstore_kept"
_FORMS = {"application/x-www-form-urlencoded", "multipart/form-data"}
_SECRET = re.compile(
    r"passw|passphrase|secret|token|(?:^|[^a-z])(?:pwd|pin|otp|totp|cvc|cvv|csc|card|cc)(?:[^a-z]|$)",
    re.IGNORECASE,
).search


@dataclass(frozen=True, slots=True)
class KeptForm:
    """Fields with their values, and the names of those that were left out, by their kind."""

    user_id: str
    address: str
    page: str
    kept_at: int
    why: str | None
    fields: list[list[str]]
    left_out: list[list[str]]

    @property
    def has_files(self) -> bool:
        return any(kind == "file" for _, kind in self.left_out)


def keep(request: HttpRequest) -> str | None:
    """Keep the form of a POST; return where it is offered again, or None where it is not kept.

    A visitor's is kept only where it is known whose the session was that has ended.
    """
    session = getattr(request, "session", None)
    if not (isinstance(session, SessionBackend) and _is_checked_form(request)):
        return None
    place = url_of(("sessionstore:resume",))
    if place is None:
        return None
    end = None if request.user.is_authenticated else ended(session)
    owner = user_id_of(request.user) if request.user.is_authenticated else end and end.user_id
    form = _read(request, owner, end) if owner else None
    if form is None:
        return None
    setattr(request, _ON_REQUEST, True)
    session[_KEY] = signing.dumps(asdict(form), salt=_KEY, compress=True)
    return f"{place}?{urlencode({'next': form.page}, safe='/')}"


def keep_what_a_redirect_loses(request: HttpRequest, response: HttpResponseBase) -> None:
    """Keep the form of a POST that is sent to the login, by Django's ``login_required`` or others.

    Where it is kept, the way back is where it is offered again.
    """
    is_kept = hasattr(request, _ON_REQUEST)
    if is_kept or request.method != "POST" or response.status_code != HTTPStatus.FOUND:
        return
    login, user = urlsplit(response.headers.get("Location", "")), getattr(request, "user", None)
    try:
        is_asked = login.path == urlsplit(resolve_url(conf.login_url)).path
    except NoReverseMatch:  # a site without a login
        return
    if not is_asked or user is None or user.is_authenticated:
        return
    place = keep(request)
    if place is not None:
        response.headers["Location"] = redirect_to_login(place, urlunsplit(login)).url


def kept(request: HttpRequest) -> KeptForm | None:
    """Return the form that is kept for the user of a request, in time."""
    form = _of(request.session)
    if form is None or form.user_id != user_id_of(request.user):
        return None
    return form if 0 <= expiry.now_ms() - form.kept_at <= KEPT_MS else None


def forget(session: Any) -> None:
    """Drop what is kept: it is not wanted."""
    session.pop(_KEY, None)


def forget_sent(request: HttpRequest) -> None:
    """Drop what is kept when it arrives, from whichever page."""
    form = _of(request.session) if request.method == "POST" else None
    if form is not None and form.address == request.get_full_path():
        forget(request.session)


def end_before(session: Any) -> Ended | None:
    """Return how the session ended in whose place this one was begun, to keep a form."""
    form = _of(session) if isinstance(session, SessionBackend) else None
    return Ended(form.why, form.user_id) if form and form.why else None


def _of(session: Any) -> KeptForm | None:
    try:
        return KeptForm(**signing.loads(session[_KEY], salt=_KEY)) if _KEY in session else None
    except (signing.BadSignature, TypeError):  # another's, or of another release
        return None


def _is_checked_form(request: HttpRequest) -> bool:
    """Tell whether this is a form that a page of ours has sent; a script has its own copy."""
    if request.method != "POST" or request.content_type not in _FORMS:
        return False
    if is_by_script(request) and not is_htmx(request):
        return False
    # Security: set by CsrfViewMiddleware for a token that was right, and not for exempt views.
    return bool(getattr(request, "csrf_processing_done", False))


def _read(request: HttpRequest, owner: str, end: Ended | None) -> KeptForm | None:
    hidden = getattr(request, "sensitive_post_parameters", ())
    if hidden == "__ALL__":
        return None
    form = KeptForm(
        user_id=owner,
        address=request.get_full_path(),
        page=page_of(request),
        kept_at=expiry.now_ms(),
        why=end.why if end else None,
        fields=[],
        left_out=[[name, "file"] for name in request.FILES],
    )
    for name, values in request.POST.lists():
        if name == "csrfmiddlewaretoken":
            continue
        if name in hidden or _SECRET(name):
            form.left_out.append([name, "password"])
        else:
            form.fields.extend([name, value] for value in values)
    sizes = [len(text.encode()) for field in (*form.fields, *form.left_out) for text in field]
    return form if sum(sizes) <= MOST_BYTES else None
