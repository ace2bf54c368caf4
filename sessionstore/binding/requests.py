"""What binding sessions to devices adds to a request, before its view and after it.

The middleware calls ``receive`` and ``answer``; ``concerns_binding`` tells it apart what the
browser asks on its own behalf.
"""

from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, reverse
from django.utils.cache import add_never_cache_headers, patch_vary_headers

from sessionstore import telemetry
from sessionstore.backends.base import SessionBackend
from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.binding import dbsc, tokens
from sessionstore.core.crypto import HiddenText
from sessionstore.core.headers import cookies
from sessionstore.exceptions import SessionStoreUnavailable
from sessionstore.signals import Refusal, session_refused
from sessionstore.table.rows import SqlTable

# With another SameSite browsers would refresh for other sites, or at each request.
SAME_SITES = ("lax", "strict")
REGISTER, REFRESH = "sessionstore:device_register", "sessionstore:device_refresh"
# A cookie that ends so soon may do so during the next request, and a challenge lives for less.
_EARLY_MS = 3 * expiry.MINUTE_MS
_PROOF, _SESSION_ID = (
    f"HTTP_{name.upper().replace('-', '_')}" for name in (dbsc.PROOF, dbsc.SESSION_ID)
)
_ELSEWHERE = ("cross-site", "same-site")
_SENT_BACK = "_sessionstore_sent_back"
_SERVER_ERROR = 500


def concerns_binding(request: HttpRequest) -> bool:
    """Tell whether the browser asks on its own behalf: to bind the session, or to go on with it."""
    if conf.device_age_ms is None:
        return False
    return _SESSION_ID in request.META or _PROOF in request.META


def receive(request: HttpRequest) -> HttpResponse | None:
    """Hand the session what the browser has to show; return what to answer in place of the view."""
    session: Any = request.session
    if conf.device_age_ms is None:
        return None
    if concerns_binding(request):
        # Whatever another middleware does with a session, a redirect of it would end the binding.
        request.session = type(session)(None)
        return None
    session.device_cookies = _proofs_in(request)
    visitor = request.COOKIES.get(conf.visitor_cookie_name)
    session.visitor_cookie = None if visitor is None else HiddenText(visitor)
    return _send_back(request, session) if _comes_by_a_link(request) else None


def answer(request: HttpRequest, response: HttpResponseBase, session: SessionBackend) -> None:
    """Offer to bind a session that somebody has just signed in to; tell of one that is withheld."""
    if conf.device_age_ms is None:
        return
    if session.withheld is not None:
        _tell_withheld(request, response, session)
    if not session.is_loaded or session.user_id is None or response.status_code >= _SERVER_ERROR:
        return
    bound_at = session.bound_at_ms
    if bound_at is not None:
        _challenge_early(response, session, bound_at)
    elif session.may_bind and request.is_secure() and not _is_of_another_origin(request):
        _offer(response, session)


def _comes_by_a_link(request: HttpRequest) -> bool:
    """Tell whether another site has opened this page: then browsers do not refresh before it."""
    came_from = request.META.get("HTTP_SEC_FETCH_SITE")
    return (
        came_from in _ELSEWHERE
        and request.method == "GET"
        and request.META.get("HTTP_SEC_FETCH_DEST") == "document"
        and conf.cookie_name in request.COOKIES
        and conf.device_cookie_name not in request.COOKIES
    )


def _send_back(request: HttpRequest, session: SessionBackend) -> HttpResponse | None:
    """Let the browser ask once more, from here: then it proves itself first.

    Before the view runs, so that a link which works once is not used up.
    """
    try:
        session.keys()
    except (DatabaseError, InterfaceError, SessionStoreUnavailable):
        return None  # The view meets it again.
    if session.withheld is None:
        return None
    setattr(request, _SENT_BACK, True)
    # Without the address, or with what stands behind its "#", browsers would stay where they are.
    response = HttpResponse(headers={"Refresh": f"0; url={request.get_full_path()}"})
    add_never_cache_headers(response)
    patch_vary_headers(response, ("Cookie", "Sec-Fetch-Site", "Sec-Fetch-Dest"))
    return response


def _tell_withheld(
    request: HttpRequest, response: HttpResponseBase, session: SessionBackend
) -> None:
    row = session.withheld
    if row is None or getattr(request, _SENT_BACK, False):
        return
    if session.cookie_name == conf.cookie_name and conf.visitor_cookie_name in request.COOKIES:
        # Somebody has signed in: the key of the visitor's session has been changed.
        response.delete_cookie(conf.visitor_cookie_name, **conf.cookie_options.scope())
    telemetry.refused("proof")
    session_refused.send(
        type(session),
        handle=session.table.handle_of(row.id),
        reason=Refusal.UNPROVED,
        client=session.client,
    )


def _offer(response: HttpResponseBase, session: SessionBackend) -> None:
    row_id = session.row_id
    if row_id is None or not isinstance(session.table, SqlTable):
        return
    options = conf.cookie_options
    is_own = not options.domain and str(options.samesite).lower() in SAME_SITES
    if not dbsc.is_available() or not is_own:
        return  # E070, E074 or E075 tells.
    try:
        path = reverse(REGISTER)
    except NoReverseMatch:
        return  # E076 tells.
    challenge = tokens.registration_challenge(conf.secrets, row_id, now=expiry.now_ms())
    _add(response, dbsc.REGISTRATION, dbsc.registration(path, challenge))


def _challenge_early(response: HttpResponseBase, session: SessionBackend, bound_at: int) -> None:
    """Spare the browser a question when its next proof is nearly due."""
    # The load has verified the cookie, and a challenge is nothing that one needs.
    moments = filter(None, map(tokens.moment_of, session.device_cookies))
    proved_at, row_id = max(moments, default=None), session.row_id
    if proved_at is None or row_id is None or conf.device_age_ms is None:
        return
    now = expiry.now_ms()
    if proved_at + conf.device_age_ms - now < _EARLY_MS:
        name = tokens.identifier(row_id, bound_at)
        challenge = tokens.refresh_challenge(conf.secrets, name, now=now)
        _add(response, dbsc.CHALLENGE, dbsc.challenge(challenge, name))


def _proofs_in(request: HttpRequest) -> list[str]:
    """Return what the browser shows: one proof, unless a sibling domain has set others.

    Security: else such a one would hide the right one, and its user would be a visitor.
    """
    name = conf.device_cookie_name
    header = HiddenText(request.META.get("HTTP_COOKIE", ""))
    if cookies.is_plain(header, name):
        return [HiddenText(request.COOKIES[name])] if name in request.COOKIES else []
    shown = (pair.partition("=")[2].strip() for pair in cookies.named(header, name))
    return list(map(HiddenText, dict.fromkeys(shown)))


def _add(response: HttpResponseBase, name: str, value: str) -> None:
    """Add to a header that is a list: another app of the site may bind sessions of its own."""
    before = response.headers.get(name)
    response.headers[name] = value if before is None else f"{before}, {value}"


def _is_of_another_origin(request: HttpRequest) -> bool:
    """Tell whether a script of another origin signs in, as that of an app on a sibling domain does.

    Browsers would not refresh for it, and its user would be a visitor as soon as the proof ends.
    """
    came_from = request.META.get("HTTP_SEC_FETCH_SITE")
    is_page = request.META.get("HTTP_SEC_FETCH_DEST") == "document"
    return came_from in _ELSEWHERE and not is_page
