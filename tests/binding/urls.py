"""Pages that must not open without the device, and odd ways to sign in."""

from django.contrib import admin
from django.contrib.auth import get_user_model, login
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.generic import View

from sessionstore.decorators import (
    BoundDeviceAdminMixin,
    BoundDeviceRequiredMixin,
    bound_device_required,
)
from tests.web.urls import urlpatterns as pages


@bound_device_required
def guarded(request: HttpRequest) -> HttpResponse:
    """A page for the device alone."""
    return HttpResponse("guarded")


@bound_device_required
async def async_guarded(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    return HttpResponse("guarded")


class Guarded(BoundDeviceRequiredMixin, View):
    """The same as a class."""

    def get(self, _request: HttpRequest) -> HttpResponse:
        """Answer."""
        return HttpResponse("guarded")


class AsyncGuarded(BoundDeviceRequiredMixin, View):
    """The same as an async class."""

    async def get(self, _request: HttpRequest) -> HttpResponse:
        """Answer."""
        return HttpResponse("guarded")


class Staff(BoundDeviceAdminMixin, admin.AdminSite):
    """An admin for devices alone."""


def token(request: HttpRequest) -> HttpResponse:
    """Sign in by a token, which is none of the session's, as knox does; and tell of it."""
    user = get_user_model().objects.get(username=request.POST["username"])
    user_logged_in.send(type(user), request=request, user=user)
    return HttpResponse("a token")


@transaction.atomic
def failing_login(request: HttpRequest) -> HttpResponse:
    """Sign in, and fail behind it."""
    login(request, get_user_model().objects.get(username=request.POST["username"]))
    raise RuntimeError


def another_app(request: HttpRequest) -> HttpResponse:
    """Sign in, and ask for a binding of its own."""
    login(request, get_user_model().objects.get(username=request.POST["username"]))
    return HttpResponse(headers={"Secure-Session-Registration": '(ES256);path="/theirs"'})


urlpatterns = [
    path("token/", token),
    path("failing-login/", failing_login),
    path("another-app/", another_app),
    path("guarded/0/", guarded),
    path("guarded/1/", async_guarded),
    path("guarded/2/", Guarded.as_view()),
    path("guarded/3/", AsyncGuarded.as_view()),
    path("staff/", Staff(name="staff").urls),
    *pages,
]
