"""The pages of tests.web, and those of a site that knows devices."""

from datetime import timedelta

from django.contrib.auth import alogin, get_user_model, login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path

from sessionstore import known_devices

BACKEND = "django.contrib.auth.backends.ModelBackend"


def somebody(request: HttpRequest):
    """Return the user whom the address names."""
    return get_user_model().objects.get(username=request.GET.get("user", "ann"))


def trusts(request: HttpRequest) -> HttpResponse:
    """The second factor was given: trust the browser."""
    days = int(request.GET.get("days", "30"))
    until = timedelta(days=days) if days else None
    return JsonResponse({"trusted": known_devices.trust(request, until)})


def asks(request: HttpRequest) -> HttpResponse:
    """Whether this browser is known, and trusted."""
    user = somebody(request)
    known = known_devices.is_known(request, user)
    return JsonResponse([known, known_devices.is_trusted(request, user)], safe=False)


def signs_in(request: HttpRequest) -> HttpResponse:
    """Sign in by code, with what the test wants around it."""
    wants, trusted = request.GET.getlist("wants"), None
    try:
        with transaction.atomic():
            if request.GET.get("user") == "new":
                get_user_model().objects.create_user("new")
            login(request, somebody(request), backend=BACKEND)
            if "trust" in wants:
                trusted = known_devices.trust(request, timedelta(days=30))
            if "rollback" in wants:
                raise LookupError
    except LookupError:
        return HttpResponse("rolled back")
    if "error" in wants:
        raise LookupError
    return HttpResponse(f"signed in, {trusted}")


def acts_as_ann(get_response):
    """Put another user on each request of somebody, as django-impersonate does."""

    def act(request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            request.user = get_user_model().objects.get(username="ann")
        return get_response(request)

    return act


async def signs_in_async(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    user = await get_user_model().objects.aget(username="ann")
    await alogin(request, user, backend=BACKEND)
    if "saved" in request.GET:
        await request.session.asave()
        request.session.modified = False
    return HttpResponse("signed in")


urlpatterns = [
    path("trusts/", trusts),
    path("asks/", asks),
    path("signs-in/", signs_in),
    path("signs-in-async/", signs_in_async),
    path("", include("tests.web.urls")),
]
