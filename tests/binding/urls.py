"""Pages that must not open without the device."""

from django.contrib import admin
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


urlpatterns = [
    path("guarded/0/", guarded),
    path("guarded/1/", async_guarded),
    path("guarded/2/", Guarded.as_view()),
    path("guarded/3/", AsyncGuarded.as_view()),
    path("staff/", Staff(name="staff").urls),
    *pages,
]
