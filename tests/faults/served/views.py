"""The pages of the site, as functions and as coroutines: each tells whose session it has seen."""

import os
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from tests.faults.served.pauses import apause, pause

COUNTER = "count"
KEPT = {"visitor", COUNTER}


def add_one(session: Any) -> None:
    """Count."""
    session[COUNTER] = session.get(COUNTER, 0) + 1


def told(data: dict[str, Any], user: Any) -> HttpResponse:
    """Return the answer of each page."""
    return JsonResponse(
        {
            "pid": os.getpid(),
            "user": user.get_username(),
            "visitor": data.get("visitor"),
            "count": data.get(COUNTER, 0),
            "keys": [key for key in data if key not in KEPT and not key.startswith("_")],
        }
    )


def login(request: HttpRequest) -> HttpResponse:
    auth.login(request, User.objects.get(username=request.GET["name"]))
    request.session["visitor"] = request.GET["name"]
    pause(request, "unsaved")
    return told(dict(request.session.items()), request.user)


async def login_async(request: HttpRequest) -> HttpResponse:
    user = await User.objects.aget(username=request.GET["name"])
    await auth.alogin(request, user)
    await request.session.aset("visitor", request.GET["name"])
    await apause(request, "unsaved")
    return told(dict(await request.session.aitems()), user)


def put(request: HttpRequest) -> HttpResponse:
    request.session[request.GET["key"]] = 1
    pause(request, "unsaved")
    return told(dict(request.session.items()), request.user)


async def put_async(request: HttpRequest) -> HttpResponse:
    await request.session.aset(request.GET["key"], 1)
    await apause(request, "unsaved")
    return told(dict(await request.session.aitems()), await request.auser())


def count(request: HttpRequest) -> HttpResponse:
    getattr(request.session, "transact", lambda change: change(request.session))(add_one)
    return told(dict(request.session.items()), request.user)


async def count_async(request: HttpRequest) -> HttpResponse:
    if hasattr(request.session, "atransact"):
        await request.session.atransact(add_one)
    else:
        await request.session.aset(COUNTER, await request.session.aget(COUNTER, 0) + 1)
    return told(dict(await request.session.aitems()), await request.auser())


def cycle(request: HttpRequest) -> HttpResponse:
    request.session.cycle_key()
    pause(request, "unsaved")
    return told(dict(request.session.items()), request.user)


async def cycle_async(request: HttpRequest) -> HttpResponse:
    await request.session.acycle_key()
    await apause(request, "unsaved")
    return told(dict(await request.session.aitems()), await request.auser())


def logout(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return told({}, request.user)


async def logout_async(request: HttpRequest) -> HttpResponse:
    await auth.alogout(request)
    return told({}, await request.auser())


def read(request: HttpRequest) -> HttpResponse:
    return told(dict(request.session.items()), request.user)


async def read_async(request: HttpRequest) -> HttpResponse:
    return told(dict(await request.session.aitems()), await request.auser())


BOTH = {
    "login": (login, login_async),
    "put": (put, put_async),
    "count": (count, count_async),
    "cycle": (cycle, cycle_async),
    "logout": (logout, logout_async),
    "read": (read, read_async),
}
urlpatterns = [path(f"{name}/", pair[settings.SITE["is_async"]]) for name, pair in BOTH.items()]
