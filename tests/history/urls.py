"""Pages that sign in, renew and end inside blocks of their own."""

from django.contrib import admin
from django.contrib.auth import get_user_model, login, logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from sessionstore.conf import conf


class TakeBack(Exception):  # noqa: N818 - it says what is wanted
    """Rolls a block back."""


def act(request: HttpRequest, what: str) -> None:
    """Do one thing to the session of the request."""
    if what == "login":
        user = get_user_model().objects.get(username="ann")
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    elif what == "logout":
        logout(request)
    elif what == "code":
        request.session.mark_authenticated("otp")
    elif what == "link":
        request.session.link("https://id.example.com", "1f6a2c")
    elif what == "confirm":
        request.session.mark_authenticated()
    elif what == "flush":
        request.session.flush()
    elif what == "renew":
        request.session.cycle_key()
    elif what == "save":
        request.session.save()


def in_blocks(request: HttpRequest, steps: str) -> HttpResponse:
    """Run steps such as ``login-save``; ``!`` behind one takes back the block of all."""
    keeps = not steps.endswith("!")
    try:
        with transaction.atomic(using=conf.database or "default"):
            for step in steps.rstrip("!").split("-"):
                with transaction.atomic(using=conf.database or "default"):
                    act(request, step)
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
