"""A small site whose views do to the session what the faults are then tried on."""

import threading
from typing import Any

from django.contrib import auth
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from sessionstore.exceptions import SessionStoreUnavailable

MARK = "a"
MEETINGS: dict[str, threading.Barrier] = {}
MEETINGS_LOCK = threading.Lock()


def answer(request: HttpRequest) -> HttpResponse:
    """Answer who the user is and what the session holds, or fail when the address says so."""
    if "fail" in request.GET:
        raise RuntimeError("the view fails")
    user = request.session.get("_auth_user_id")
    return JsonResponse({"user": user, "value": request.session.get(MARK)})


def read(request: HttpRequest) -> HttpResponse:
    """Read the session."""
    return answer(request)


def write(request: HttpRequest) -> HttpResponse:
    """Set a value."""
    request.session[request.GET.get("key", MARK)] = request.GET.get("value", "new")
    return answer(request)


def login(request: HttpRequest) -> HttpResponse:
    """Sign in as the one user there is."""
    auth.login(request, User.objects.get(), "django.contrib.auth.backends.ModelBackend")
    return answer(request)


def logout(request: HttpRequest) -> HttpResponse:
    """Sign out."""
    auth.logout(request)
    return answer(request)


def cycle(request: HttpRequest) -> HttpResponse:
    """Change the key."""
    request.session.cycle_key()
    return answer(request)


def together(request: HttpRequest) -> HttpResponse:
    """Read the session, wait until others have, and set a value."""
    request.session.get(MARK)
    meeting(request).wait(30)
    return write(request)


def arrive(request: HttpRequest) -> HttpResponse:
    """Wait with the others, without a session."""
    meeting(request).wait(30)
    return HttpResponse("done")


def waiting(request: HttpRequest) -> HttpResponse:
    """Answer how many wait."""
    return JsonResponse({"waiting": meeting(request).n_waiting})


def meeting(request: HttpRequest) -> threading.Barrier:
    """Return the place where as many requests meet as the address says."""
    with MEETINGS_LOCK:
        new = threading.Barrier(int(request.GET["of"]))
        return MEETINGS.setdefault(request.GET["meeting"], new)


def logout_in_a_block(request: HttpRequest) -> HttpResponse:
    """Sign out inside a block that is rolled back, and answer well."""
    try:
        with transaction.atomic(using=request.GET["alias"]):
            auth.logout(request)
            raise RuntimeError("the block is taken back")
    except RuntimeError:
        return HttpResponse("done")


def end_another(request: HttpRequest) -> HttpResponse:
    """End the session of a given key, and fail."""
    type(request.session)().delete(request.GET["key"])
    raise RuntimeError("the view fails")


def broken_page(request: HttpRequest) -> HttpResponse:
    """Ask for the session again and again, as the parts of an error page do."""
    for _ in range(6):
        try:
            request.session.get(MARK)
        except Exception as error:  # noqa: BLE001 - what it is does not matter here
            last = error
        else:
            return answer(request)
    raise last


def careless(request: HttpRequest) -> HttpResponse:
    """Get along without the session when it cannot be read."""
    try:
        request.session.get(MARK)
    except SessionStoreUnavailable:
        return HttpResponse("without")
    return HttpResponse("with")


def as_async(view: Any) -> Any:
    """Return the view as a coroutine function that uses the async names of the session."""

    async def read_async(request: HttpRequest) -> HttpResponse:
        user = await request.session.aget("_auth_user_id")
        return JsonResponse({"user": user, "value": await request.session.aget(MARK)})

    async def write_async(request: HttpRequest) -> HttpResponse:
        await request.session.aset(request.GET.get("key", MARK), request.GET.get("value", "new"))
        return await read_async(request)

    return {"read": read_async, "write": write_async}[view]


urlpatterns = [
    path("read/", read),
    path("write/", write),
    path("login/", login),
    path("logout/", logout),
    path("cycle/", cycle),
    path("together/", together),
    path("arrive/", arrive),
    path("waiting/", waiting),
    path("block/", logout_in_a_block),
    path("end/", end_another),
    path("broken/", broken_page),
    path("careless/", careless),
    path("async/read/", as_async("read")),
    path("async/write/", as_async("write")),
]
