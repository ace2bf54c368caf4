"""The project's own pages, around ours."""

from datetime import timedelta

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import RequestContext, Template
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import View

from sessionstore.decorators import RecentLoginRequiredMixin, does_not_touch, recent_login_required
from sessionstore.signals import Reason
from sessionstore.users.revocation import revoke_all_of
from sessionstore.views import LogoutView

HOUR = timedelta(hours=1)


def plain(request: HttpRequest) -> HttpResponse:
    """A page that knows its visitor."""
    return HttpResponse(request.user.get_username())


def remember(request: HttpRequest) -> HttpResponse:
    """A page that remembers something of its visitor."""
    request.session["seen"] = True
    return plain(request)


@does_not_touch
def poll(request: HttpRequest) -> HttpResponse:
    """A page that a script asks for again and again."""
    return plain(request)


@does_not_touch
async def async_poll(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    return HttpResponse((await request.auser()).get_username())


@recent_login_required
def careful(request: HttpRequest) -> HttpResponse:
    """A page that wants to know for sure."""
    return HttpResponse("careful")


@recent_login_required(max_age=3600)
def careful_for_an_hour(request: HttpRequest) -> HttpResponse:
    """The same, less strict."""
    return HttpResponse("careful")


@recent_login_required(max_age=HOUR)
async def async_careful(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    return HttpResponse("careful")


class Careful(RecentLoginRequiredMixin, View):
    """The same as a class."""

    recent_login_max_age = HOUR

    def get(self, _request: HttpRequest) -> HttpResponse:
        """Answer."""
        return HttpResponse("careful")

    post = get


class AsyncCareful(RecentLoginRequiredMixin, View):
    """The same as an async class."""

    recent_login_max_age = HOUR

    async def get(self, _request: HttpRequest) -> HttpResponse:
        """Answer."""
        return HttpResponse("careful")


@recent_login_required
def handed(request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
    """Say what the address has handed over."""
    return HttpResponse(f"{args} {kwargs}")


@recent_login_required
async def async_handed(request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
    """The same, async."""
    return HttpResponse(f"{args} {kwargs}")


class Handed(RecentLoginRequiredMixin, View):
    """The same as a class."""

    def get(self, _request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
        """Answer."""
        return HttpResponse(f"{args} {kwargs}")


class AsyncHanded(RecentLoginRequiredMixin, View):
    """The same as an async class."""

    async def get(self, _request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
        """Answer."""
        return HttpResponse(f"{args} {kwargs}")


HANDED = [handed, async_handed, Handed.as_view(), AsyncHanded.as_view()]


def overtaken(request: HttpRequest) -> HttpResponse:
    """A page whose session is ended by somebody while it works."""
    request.session["seen"] = True
    revoke_all_of(str(request.user.pk), reason=Reason[request.GET["why"]])
    return HttpResponse("saved")


@recent_login_required
def sent(request: HttpRequest) -> HttpResponse:
    """A form that matters: say what has arrived."""
    fields = {name: value for name, value in request.POST.items() if "csrf" not in name}
    return JsonResponse(fields)


def broken(request: HttpRequest) -> HttpResponse:
    """A page that fails with the session among its variables."""
    session, user = request.session, request.user
    everything = dict(session.items()), session.handle
    message = f"{user} {session!r} {len(everything)}"
    raise RuntimeError(message)


def template(request: HttpRequest) -> HttpResponse:
    """Render the tag that the test asks for."""
    source = "{% load sessionstore %}" + request.GET["tag"]
    return HttpResponse(Template(source).render(RequestContext(request)))


urlpatterns = [
    path("admin/", admin.site.urls),
    path(
        "password/",
        auth_views.PasswordChangeView.as_view(success_url="/plain/"),
        name="password_change",
    ),
    path("forgotten/", auth_views.PasswordResetView.as_view(), name="password_reset"),
    path("reset/<uidb64>/<token>/", auth_views.PasswordResetConfirmView.as_view(success_url="/")),
    path("account/", include("sessionstore.urls")),
    path("of/<str:tenant>/logout/", LogoutView.as_view()),
    path("plain/", plain),
    path("remember/", remember),
    path("poll/", poll),
    path("async-poll/", async_poll),
    path("careful/", careful),
    path("careful-hour/", careful_for_an_hour),
    path("async-careful/", async_careful),
    path("class/", Careful.as_view()),
    path("async-class/", AsyncCareful.as_view()),
    *(path(f"handed/{n}/<str:name>/", view) for n, view in enumerate(HANDED)),
    *(re_path(rf"^handed/{n}/by/position/(\w+)/$", view) for n, view in enumerate(HANDED)),
    path("template/", template),
    path("overtaken/", overtaken),
    path("sent/", sent),
    path("by-django/", login_required(plain)),
    path("exempt/", csrf_exempt(sent)),
    path("sensitive/", sensitive_post_parameters()(sent)),
    path("broken/", broken),
]
