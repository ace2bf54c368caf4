"""Pages that sign in, renew and end inside blocks of their own."""

from collections.abc import Callable

from django.contrib import admin
from django.contrib.auth import get_user_model, login, logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from sessionstore.conf import conf


class TakeBack(Exception):  # noqa: N818 - it says what is wanted
    """Rolls a block back."""


def sign_in(request: HttpRequest) -> None:
    user = get_user_model().objects.get(username="ann")
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")


# What one step does to the session of a request.
STEPS: dict[str, Callable[[HttpRequest], object]] = {
    "login": sign_in,
    "logout": logout,
    "code": lambda request: request.session.mark_authenticated("otp"),
    "link": lambda request: request.session.link("https://id.example.com", "1f6a2c"),
    "confirm": lambda request: request.session.mark_authenticated(),
    "flush": lambda request: request.session.flush(),
    "delete": lambda request: request.session.delete(),
    "drop": lambda request: type(request.session)().delete(request.COOKIES["sessionid"]),
    "renew": lambda request: request.session.cycle_key(),
    "save": lambda request: request.session.save(),
}


def in_blocks(request: HttpRequest, steps: str) -> HttpResponse:
    """Run steps such as ``login-save``; ``!`` behind one takes back the block of all."""
    keeps = not steps.endswith("!")
    try:
        with transaction.atomic(using=conf.database or "default"):
            for step in steps.rstrip("!").split("-"):
                with transaction.atomic(using=conf.database or "default"):
                    STEPS[step](request)
            if not keeps:
                raise TakeBack
    except TakeBack:
        if request.GET.get("fails"):
            raise
    return HttpResponse("done")


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username())


urlpatterns = [
    path("account/", include("sessionstore.urls")),
    path("admin/", admin.site.urls),
    path("plain/", plain),
    path("do/<str:steps>/", in_blocks),
]
