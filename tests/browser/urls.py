"""The demo site, and pages that it has no use for."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.urls import include, path
from django.utils.html import format_html
from django.views.decorators.csrf import csrf_exempt

from sessionstore.decorators import bound_device_required, recent_login_required


@csrf_exempt
def echo(request: HttpRequest) -> HttpResponse:
    """Say who asks and what was sent."""
    return JsonResponse({"user": request.user.get_username(), "body": request.body.decode()})


@bound_device_required
def guarded(request: HttpRequest) -> HttpResponse:
    """Show what only the bound device may see."""
    return HttpResponse("<h1>Guarded</h1>")


@recent_login_required(level=2)
def strong(request: HttpRequest) -> HttpResponse:
    """Show what only a second factor opens."""
    return HttpResponse("<h1>Strong</h1>")


def code(request: HttpRequest) -> HttpResponse:
    """Ask for a code, as a site's own page does."""
    if request.POST.get("code") == "123456":
        request.session.mark_authenticated("otp")
        return redirect(request.GET["next"])
    form = '<form method="post"><input type="hidden" name="csrfmiddlewaretoken" value="{}">'
    form += '<label>Code <input name="code"></label><button>Go on</button></form>'
    return HttpResponse(format_html(form, get_token(request)))


def link(request: HttpRequest) -> HttpResponse:
    """Show a link to another site."""
    return HttpResponse(format_html('<a href="{}">there</a>', request.GET["to"]))


urlpatterns = [
    path("echo/", echo),
    path("guarded/", guarded),
    path("link/", link),
    path("strong/", strong),
    path("code/", code, name="code"),
    path("", include("demo_site.urls")),
]
