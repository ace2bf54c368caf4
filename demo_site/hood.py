"""The buttons of the panel: do one thing to the session, then look at it again."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

SECONDS_LEFT = 5


@require_POST
def set_value(request: HttpRequest) -> HttpResponse:
    """Store a value under a name; the row is written, the cookie stays as it is."""
    name = request.POST.get("name", "").strip()[:40] or "colour"
    request.session[f"note_{name}"] = request.POST.get("value", "")[:200]
    messages.success(request, _("Stored: the row was written, the cookie did not change."))
    return _back(request)


@require_POST
def change_key(request: HttpRequest) -> HttpResponse:
    """Give the row a new key; the old cookie is worth nothing from now on."""
    request.session.cycle_key()
    messages.success(request, _("New key: the same row, the same data. The old cookie is void."))
    return _back(request)


@require_POST
def expire_soon(request: HttpRequest) -> HttpResponse:
    """Let the session end in a few seconds."""
    request.session.set_expiry(SECONDS_LEFT)
    text = _("This session ends in %(seconds)d seconds. Wait, then reload the page.")
    messages.success(request, text % {"seconds": SECONDS_LEFT})
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    """Go back to the page whose button was pressed, if it is one of ours."""
    back = request.POST.get("next")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = resolve_url("shop")
    return HttpResponseRedirect(back)
