"""The demo site, and pages that it has no use for."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.utils.html import format_html
from django.views.decorators.csrf import csrf_exempt

from sessionstore.decorators import bound_device_required


@csrf_exempt
def echo(request: HttpRequest) -> HttpResponse:
    """Say who asks and what was sent."""
    return JsonResponse({"user": request.user.get_username(), "body": request.body.decode()})


@bound_device_required
def guarded(request: HttpRequest) -> HttpResponse:
    """Show what only the bound device may see."""
    return HttpResponse("<h1>Guarded</h1>")


def link(request: HttpRequest) -> HttpResponse:
    """Show a link to another site."""
    return HttpResponse(format_html('<a href="{}">there</a>', request.GET["to"]))


urlpatterns = [
    path("echo/", echo),
    path("guarded/", guarded),
    path("link/", link),
    path("", include("demo_site.urls")),
]
