"""What is told to somebody who has to sign in, or to prove again who they are, to go on."""

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils.cache import add_never_cache_headers, patch_vary_headers

from .kinds import is_by_script, is_htmx
from .places import page_of

_VARIES_BY = ("Accept", "HX-Request", "X-Requested-With", "Sec-Fetch-Dest")


def ask_who(
    request: HttpRequest,
    come_back: str,
    page: str | None = None,
    *,
    challenge: str = "",
    is_api: bool = False,
) -> HttpResponse:
    """Send somebody to the login, or to another page that asks who they are, and back by ``next``.

    A script would follow a redirect and put that page where the part of another one belongs. It
    gets a 401, which says in JSON where to go, and by the ``challenge`` what is wanted; htmx goes
    there by itself. So does who ``is_api``, whatever it says of itself.
    """
    response: HttpResponse = redirect_to_login(come_back, page)
    if is_api or is_by_script(request):
        response = told(request, response.headers["Location"], come_back)
        if challenge:
            response.headers["WWW-Authenticate"] = challenge
    patch_vary_headers(response, _VARIES_BY)
    return response


def ask_script(request: HttpRequest, given: str) -> HttpResponse | None:
    """Return the 401 where a script has come to a page that asks who somebody is; None for others.

    It has followed a redirect, of Django's ``login_required`` for instance. ``given`` is the place
    that this named, which may be a part of a page: one comes back to the page, if it is known.
    """
    if request.method not in {"GET", "HEAD"} or not is_by_script(request):
        return None
    page = page_of(request)
    if page in {"/", request.get_full_path()}:
        page = given or page
    return told(request, redirect_to_login(page, request.path).url, page)


def go_on(request: HttpRequest, url: str) -> HttpResponse:
    """Lead on after a login; a script that has sent the form is told where."""
    response: HttpResponse
    if is_htmx(request):
        response = HttpResponse(status=204, headers={"HX-Redirect": url})
    elif is_by_script(request):
        response = JsonResponse({"next": url})
    else:
        response = HttpResponseRedirect(url)
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
