"""What is answered where no view can: the database is down, or the session has ended meanwhile.

Security: the templates get no request. What a project's context processors read may be what fails.
"""

from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.utils.translation import gettext as _

from sessionstore.conf import conf
from sessionstore.exceptions import SessionStoreUnavailable
from sessionstore.users.ended import ended

from .kinds import Kind, kind_for
from .places import page_of

RETRY_AFTER_S = 5


def unavailable(request: HttpRequest) -> HttpResponse:
    """Return the 503 of a site whose sessions cannot be read or written now."""
    with _language_of(request):
        message = _("The site is busy. Please try again.")
        response = _answer(request, 503, "unavailable", message, {"retry_after": RETRY_AFTER_S})
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def interrupted(request: HttpRequest) -> HttpResponse:
    """Return the 400 of a request that wanted to save a session that had ended meanwhile.

    It says why, as far as that is known, and keeps the place.
    """
    try:
        end = ended(request.session)
    except (SessionStoreUnavailable, DatabaseError):
        end = None
    with _language_of(request):
        message = _("Your session has ended while this page was loading. Nothing was saved.")
        page = page_of(request)
        login_url = redirect_to_login(page).url
        facts = {"why": end and end.why, "next": page, "login_url": login_url}
        said = {"why": end and end.words, "next": page, "login_url": login_url}
        response = _answer(request, 400, "session_ended", message, facts, said)
    add_never_cache_headers(response)
    return response


def _answer(
    request: HttpRequest,
    status: int,
    name: str,
    message: str,
    facts: dict[str, Any],
    said: dict[str, Any] | None = None,
) -> HttpResponse:
    kind = kind_for(request)
    response: HttpResponse
    if kind is Kind.JSON:
        response = JsonResponse({"error": name, "message": message, **facts}, status=status)
    else:
        page = _page(name, {"message": message, **(said or facts)}) if kind is Kind.PAGE else None
        content_type = "text/html" if page else "text/plain"
        response = HttpResponse(page or message, f"{content_type}; charset=utf-8", status)
    patch_vary_headers(response, ("Accept", "Accept-Language"))
    return response


def _page(name: str, context: dict[str, Any]) -> str | None:
    try:
        return render_to_string(f"sessionstore/{name}.html", context)
    except Exception:  # noqa: BLE001 - a project's own template may need what is not there
        return None


def _language_of(request: HttpRequest) -> Any:
    """Speak as LocaleMiddleware does, also where the request has not come so far."""
    language = getattr(request, "LANGUAGE_CODE", None)
    if language is None and any(name.endswith("LocaleMiddleware") for name in conf.middleware):
        language = translation.get_language_from_request(request)
    return translation.override(language or conf.language)
