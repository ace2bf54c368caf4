"""Fifty requests at once change one session: how many of the changes are there afterwards?

The browser sends them, first all to Django's own engine, then all to ours. One view answers both,
so that nothing but the engine differs.
"""

import time
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from demo_site.rivals import RIVALS, Rival

REQUESTS = 50
WORK = 0.03  # seconds; what a view does between reading the session and saving it
PER_LINE = 10
STEP = 20  # units of the drawing from one square to the next


@dataclass(frozen=True, slots=True)
class Square:
    """One request in the drawing, and whether its change is in the table."""

    x: int
    y: int
    kept: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """What one engine has kept."""

    rival: Rival
    squares: list[Square]
    kept: int
    lost: int


@never_cache
@require_safe
def race_page(request: HttpRequest) -> HttpResponse:
    """Show what the two tables hold of the last race of this browser."""
    lanes = [lane for rival in RIVALS.values() if (lane := _lane(rival, request))]
    context = {
        "title": _("Fifty requests at once"),
        "rivals": RIVALS.values(),
        "requests": REQUESTS,
        "work": round(WORK * 1000),
        "lanes": lanes if any(lane.kept for lane in lanes) else [],
    }
    return render(request, "demo_site/race.html", context)


@require_POST
def start(_request: HttpRequest) -> HttpResponse:
    """Make a new row in either table."""
    response = HttpResponse(status=204)
    for rival in RIVALS.values():
        rival.begin(response)
    return response


@require_POST
def change(request: HttpRequest, name: str) -> HttpResponse:
    """Add one value to the session of an engine, under a name that no other request uses."""
    number = request.POST.get("number", "")
    if name not in RIVALS or number not in map(str, range(REQUESTS)):
        raise Http404
    session = RIVALS[name].open(request)
    if session is None:
        raise Http404
    time.sleep(WORK)
    session[_value(int(number))] = "kept"
    session.save()
    return HttpResponse(status=204)


def _value(number: int) -> str:
    return f"request_{number}"


def _lane(rival: Rival, request: HttpRequest) -> Lane | None:
    session = rival.open(request)
    if session is None:
        return None
    squares = [
        Square(number % PER_LINE * STEP, number // PER_LINE * STEP, _value(number) in session)
        for number in range(REQUESTS)
    ]
    kept = sum(square.kept for square in squares)
    return Lane(rival, squares, kept, REQUESTS - kept)
