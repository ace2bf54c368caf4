"""What is told to somebody who has to sign in, or to prove again who they are, to go on."""

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import add_never_cache_headers, patch_vary_headers

from .kinds import is_by_script, is_htmx

_VARIES_BY = ("Accept", "HX-Request", "X-Requested-With", "Sec-Fetch-Dest")


def ask_who(request: HttpRequest, come_back: str, page: str | None = None) -> HttpResponse:
    """Send somebody to the login, or to another page that asks who they are, and back by ``next``.

    A script would follow a redirect and put that page where the part of another one belongs. It
    gets a 401, which says in JSON where to go; htmx goes there by itself.
    """
    redirect = redirect_to_login(come_back, page)
    response = told(request, redirect.url, come_back) if is_by_script(request) else redirect
    patch_vary_headers(response, _VARIES_BY)
    return response


def told(request: HttpRequest, url: str, come_back: str) -> HttpResponse:
    """Return the 401 for a script: at ``url`` its user signs in, and comes back to a page."""
    told = {"error": "login_required", "login_url": url, "next": come_back}
    response = JsonResponse(told, status=401)
    if is_htmx(request):
        response.headers["HX-Redirect"] = url
    add_never_cache_headers(response)
    return response
