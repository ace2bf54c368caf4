"""The Django half of the tests: runs the steps that a test names, as the Express half does."""

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import alogout, get_user, login, logout, update_session_auth_hash
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from sessionstore.backends.express import SessionStore

_gates: dict[str, tuple[threading.Event, threading.Event]] = {}


def gate(name: str) -> tuple[threading.Event, threading.Event]:
    """Return the two events "it has arrived" and "it may go on" of a request that is held."""
    return _gates.setdefault(name, (threading.Event(), threading.Event()))


def hold(_request: HttpRequest, name: str) -> None:
    arrived, released = gate(name)
    arrived.set()
    assert released.wait(30)


def missing(_request: HttpRequest) -> None:
    raise Http404


def sign_in(request: HttpRequest, user_id: int) -> None:
    login(request, User.objects.get(pk=user_id), "django.contrib.auth.backends.ModelBackend")


def confirm(request: HttpRequest) -> None:
    """Do what our page does that asks for the password again."""
    request.session.mark_authenticated()
    request.session.cycle_key()


def change_password(request: HttpRequest) -> None:
    """Do what Django's page does."""
    user = request.user
    user.set_password("another")
    user.save()
    update_session_auth_hash(request, user)


STEPS: dict[str, Any] = {
    "set": lambda request, name, value: request.session.__setitem__(name, value),
    "delete": lambda request, name: request.session.pop(name, None),
    "expiry": lambda request, seconds: request.session.set_expiry(seconds),
    "expiry_at": lambda request, start, seconds: request.session.set_expiry(
        datetime.fromisoformat(start) + timedelta(seconds=seconds)
    ),
    "save": lambda request: request.session.save(),
    "reload": lambda request: request.session.reload(),
    "cycle": lambda request: request.session.cycle_key(),
    "flush": lambda request: request.session.flush(),
    "login": sign_in,
    "logout": logout,
    "confirm": confirm,
    "password": change_password,
    "hold": hold,
    "read": lambda request: request.session.get("anything"),
    "fail": lambda _request: 1 / 0,
    "missing": missing,
    "replace": lambda request: setattr(request, "session", SessionStore()),
    "end": lambda request: SessionStore().delete(request.session.session_key),
}


@csrf_exempt
def run(request: HttpRequest) -> JsonResponse | StreamingHttpResponse:
    """Run [["set", "a", 1], ...] and answer what the session holds then.

    Those after ["head"] run in the stream, when the head of the answer has been made.
    """
    steps = json.loads(request.body)
    if ["head"] in steps:
        head = steps.index(["head"])
        take(request, steps[:head])
        return StreamingHttpResponse(stream(request, steps[head + 1 :]))
    take(request, steps)
    return JsonResponse(held(request))


def take(request: HttpRequest, steps: list[list[Any]]) -> None:
    for step, *arguments in steps:
        STEPS[step](request, *arguments)


def held(request: HttpRequest) -> dict[str, Any]:
    user = get_user(request)
    session = dict(request.session.items())
    recent = user.is_authenticated and request.session.authenticated_at_ms is not None
    key = request.session.session_key
    return {"session": session, "user": user.pk, "key": key, "recent": recent}


def stream(request: HttpRequest, steps: list[list[Any]]) -> Iterator[str]:
    take(request, steps)
    yield json.dumps(held(request))


@csrf_exempt
async def run_async(request: HttpRequest) -> JsonResponse | StreamingHttpResponse:
    """Run the same steps in an async view."""
    return await sync_to_async(run)(request)


@csrf_exempt
async def leave(request: HttpRequest) -> JsonResponse:
    """Log out in an async view."""
    await alogout(request)
    return JsonResponse({})


urlpatterns = [
    path("run/", run),
    path("app/run/", run),
    path("app/async/", run_async),
    path("leave/", leave),
]
