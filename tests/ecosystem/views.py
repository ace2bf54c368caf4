"""The views that a site of the tests has: they show, change and end the session."""

from django.contrib import messages
from django.contrib.auth import aauthenticate, alogin, alogout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token

from sessionstore.decorators import recent_login_required


@login_not_required
def data(request: HttpRequest) -> JsonResponse:
    """Answer what the session holds."""
    return JsonResponse(dict(request.session))


@login_not_required
def set_value(request: HttpRequest, name: str, value: str) -> JsonResponse:
    request.session[name] = value
    return JsonResponse({name: value})


@login_not_required
def note(request: HttpRequest, text: str) -> JsonResponse:
    """Leave a message for the next page."""
    messages.info(request, text)
    return JsonResponse({})


def page(request: HttpRequest) -> HttpResponse:
    """A page that shows the messages and, under LoginRequiredMiddleware, asks for a login."""
    shown = ", ".join(str(message) for message in messages.get_messages(request))
    return HttpResponse(f"<html><body>page {request.user} [{shown}]</body></html>")


@recent_login_required
def careful(request: HttpRequest) -> HttpResponse:
    """A page that wants to know for sure who this is."""
    return HttpResponse("careful")


@recent_login_required(level=2)
def strong(request: HttpRequest) -> HttpResponse:
    """A page that wants a second factor."""
    return HttpResponse("strong")


@login_not_required
def form(request: HttpRequest) -> HttpResponse:
    """Answer the CSRF token; a POST passes the CSRF check only with it."""
    return HttpResponse(get_token(request))


@login_not_required
async def async_login(request: HttpRequest) -> JsonResponse:
    user = await aauthenticate(request, username="ann", password="secret")
    assert user is not None
    await alogin(request, user)
    return JsonResponse({"key": request.session.session_key})


@login_not_required
async def async_logout(request: HttpRequest) -> JsonResponse:
    await alogout(request)
    return JsonResponse({})
