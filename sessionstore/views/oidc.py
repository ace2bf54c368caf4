"""What an OpenID provider asks for when its user has signed out there: to sign out here too.

Neither request needs a cookie of the user's browser: what is ended is found by its link.
"""

import logging
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from sessionstore import security_log
from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.keys import id_of
from sessionstore.links.names import Name
from sessionstore.links.rows import links
from sessionstore.outside import tokens
from sessionstore.outside.linked import end_linked
from sessionstore.outside.signout import sign_out
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason

_FORM = "application/x-www-form-urlencoded"
# A token and the form around it.
_MOST_BYTES = tokens.MOST_BYTES + 1024
_flood = security_log.Flood()


@login_not_required
@csrf_exempt
@never_cache
@require_POST
def backchannel_logout(request: HttpRequest) -> HttpResponse:
    """End what a provider's logout token names (OpenID Connect Back-Channel Logout 1.0).

    Security: the token is its only proof, so there is no CSRF token and no cookie. 200 for any
    token that holds, whether or not a session was found.
    """
    try:
        sign_out(tokens.read(_token_in(request)))
    except tokens.TokenError as error:
        _tell(str(error))
        return JsonResponse({"error": error.code, "error_description": str(error)}, status=400)
    return HttpResponse()


def _token_in(request: HttpRequest) -> str:
    """Return the token of a form. Raises TokenError before anything large is read."""
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    if request.content_type != _FORM or not length.isdecimal() or int(length) > _MOST_BYTES:
        message = "The request is no form of a token, or too large."
        raise tokens.TokenError(message)
    return request.POST.get("logout_token", "")


@login_not_required
@never_cache
@xframe_options_exempt
@require_safe
def frontchannel_logout(request: HttpRequest) -> HttpResponse:
    """End the session that an address names, in a frame of the provider's page.

    Security: anybody can cause this request, so it takes the provider's own name of the session,
    which nobody guesses, and says the same whether or not there was one. Off unless the provider's
    ``front_channel`` is set, for the name stands in an address.
    """
    provider = conf.oidc.get(request.GET.get("iss", ""))
    sid = request.GET.get("sid")
    if provider is None or not provider.front_channel or not sid:
        return HttpResponseBadRequest()
    name = Name(provider.issuer, sid)
    _end_own(request, name)
    end_linked(name, reason=Reason.PROVIDER)
    response = HttpResponse()
    response.headers["Content-Security-Policy"] = f"frame-ancestors {provider.origin}"
    return response


def _end_own(request: HttpRequest, name: Name) -> None:
    """Flush the session of this very browser, where the frame got its cookie and it is meant.

    So that its cookie goes too, and a save at the end of the request does not miss the row.
    """
    session: Any = getattr(request, "session", None)
    if not isinstance(session, SessionBackend) or session.handle is None:
        return
    if id_of(session.handle) in links.sessions_of([name]):
        session.ends_because = Reason.PROVIDER
        session.flush()


def _tell(problem: str) -> None:
    counted = _flood.count("refused", now=expiry.now_ms())
    if counted:
        security_log.tell(
            "logout refused", None, level=logging.WARNING, why=problem, count=counted["refused"]
        )
