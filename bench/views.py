"""The site of the whole-request benchmark: three views, and nothing else."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from bench import shopper


def no_session(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a view
    return HttpResponse("hello")


def read(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.session["cart"]["coupon"])


def write(request: HttpRequest) -> HttpResponse:
    request.session["cart"] = shopper.cart(int(request.META["QUERY_STRING"]))
    return HttpResponse("saved")


urlpatterns = [path("none/", no_session), path("read/", read), path("write/", write)]
