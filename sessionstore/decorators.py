"""Decorators for views, sync and async alike, and the mixin for class-based ones."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from asgiref.sync import sync_to_async
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _

from sessionstore.answers import kept
from sessionstore.answers.places import page_of
from sessionstore.answers.refusals import ask_who
from sessionstore.backends.base import SessionBackend
from sessionstore.conf import conf
from sessionstore.core.expiry import now_ms
from sessionstore.core.merge import USER_KEY
from sessionstore.users.impersonation import is_impersonated, is_own

# A mixin for views says so to the type checker only: as a base it would spoil the order.
if TYPE_CHECKING:
    from django.views import View

    _AnyView = View
else:
    _AnyView = object
Decorated = TypeVar("Decorated", bound=Callable[..., Any])
MaxAge = timedelta | float
RECENTLY = timedelta(minutes=15)
# Browsers bind a session beside the page that follows the login.
_BINDS_WITHIN = timedelta(seconds=15)


def does_not_touch(view: Decorated) -> Decorated:
    """Let requests to this view, such as polling, not count as use of the session."""

    def hold_still(request: HttpRequest) -> None:
        session_of(request).slides = False

    return _after(hold_still, view)


@overload
def recent_login_required(view: Decorated, *, max_age: MaxAge = ...) -> Decorated: ...
@overload
def recent_login_required(*, max_age: MaxAge = ...) -> Callable[[Decorated], Decorated]: ...
def recent_login_required(view: Any = None, *, max_age: MaxAge = RECENTLY) -> Any:
    """Ask for the password again when that was last done more than ``max_age`` (seconds) ago.

    ASVS 7.5.1. Whoever is not signed in is sent to sign in; whoever is, to SESSIONSTORE_REAUTH_URL
    or to our page that asks for the password. Both come back by `next`: to this address, or after
    a POST to a page that offers the form again, or where that was not kept, to the one it was on.
    """

    def decorate(view: Decorated) -> Decorated:
        return _after(lambda request: refusal(request, max_age=max_age), view)

    return decorate if view is None else decorate(view)


class RecentLoginRequiredMixin(_AnyView):
    """The same for a class-based view, sync or async; put it first among the bases."""

    recent_login_max_age: MaxAge = RECENTLY
    recent_login_next: str | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Ask first; an async view asks when it is awaited."""

        def ask() -> HttpResponse | None:
            age, come_back_to = self.recent_login_max_age, self.recent_login_next
            return refusal(request, max_age=age, come_back_to=come_back_to)

        return _asked_first(self, super().dispatch, ask, request, args, kwargs)


class SignedInMixin(_AnyView):
    """Ask visitors to sign in, in a way that scripts can follow; put it first among the bases."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Ask first; an async view asks when it is awaited."""

        def ask() -> HttpResponse | None:
            return None if request.user.is_authenticated else ask_who(request, page_of(request))

        return _asked_first(self, super().dispatch, ask, request, args, kwargs)


def refusal(
    request: HttpRequest, *, max_age: MaxAge, come_back_to: str | None = None
) -> HttpResponse | None:
    """Return where to send somebody who has not proved lately who they are; None to go on."""
    if request.user.is_authenticated:
        if is_recent(request, max_age=max_age):
            kept.forget_sent(request)
            return None
        if is_impersonated(request):
            return _only_they(request)
    if come_back_to:
        come_back = resolve_url(come_back_to)
    else:
        come_back = kept.keep(request) or page_of(request)
    if not request.user.is_authenticated:
        return ask_who(request, come_back)
    if USER_KEY not in request.session:
        # A header says who this is: a session without a login can keep no proof of it.
        return ask_who(request, come_back)
    return ask_who(request, come_back, resolve_url(conf.reauth_url or "sessionstore:confirm"))


def bound_device_required(view: Decorated) -> Decorated:
    """Let in only who proves to be the device that the session is bound to.

    Whoever is not signed in is sent to sign in. A browser that was asked a moment ago to bind the
    session is told to come back in a second; one that has not, to give the password again, which
    asks it once more. Raises ImproperlyConfigured without SESSIONSTORE_BIND_DEVICE, rather than
    letting everybody in.
    """
    return _after(unbound, view)


class BoundDeviceRequiredMixin(_AnyView):
    """The same for a class-based view, sync or async; put it first among the bases."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Ask first; an async view asks when it is awaited."""
        return _asked_first(self, super().dispatch, lambda: unbound(request), request, args, kwargs)


class BoundDeviceAdminMixin:
    """The same for all pages of an ``AdminSite`` but its login; put it first among the bases."""

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Ask who may see the page first, then for the device."""
        site: Any = super()
        return site.admin_view(bound_device_required(view), cacheable)


def unbound(request: HttpRequest) -> HttpResponse | None:
    """Return the page for who does not prove to be the session's device; None to go on."""
    if conf.device_age_ms is None:
        message = "A page under @bound_device_required needs SESSIONSTORE_BIND_DEVICE."
        raise ImproperlyConfigured(message)
    if not request.user.is_authenticated:
        return ask_who(request, page_of(request))
    session = session_of(request)
    if session.proved_at_ms is not None:
        return None
    is_under_way = is_recent(request, max_age=_BINDS_WITHIN)
    context = {"title": _("This page needs your device"), "waits": is_under_way}
    context["confirm_url"] = redirect_to_login(
        page_of(request), resolve_url(conf.reauth_url or "sessionstore:confirm")
    ).url
    response = render(request, "sessionstore/unbound.html", context, status=403)
    if is_under_way and request.method == "GET":
        # With the address: where it has a fragment, browsers would else stay where they are.
        response.headers["Refresh"] = f"1; url={request.get_full_path()}"
    return response


def not_impersonated(view: Decorated) -> Decorated:
    """Refuse whoever acts as another user: the page is for that user alone."""

    def refuse(request: HttpRequest) -> HttpResponse | None:
        return _only_they(request) if is_impersonated(request) else None

    return _after(refuse, view)


def session_of(request: HttpRequest) -> SessionBackend:
    """Return the request's session; raises ImproperlyConfigured when it is not one of ours."""
    if isinstance(request.session, SessionBackend):
        return request.session
    message = "This page needs SESSION_ENGINE to name an engine of sessionstore."
    raise ImproperlyConfigured(message)


def is_recent(request: HttpRequest, *, max_age: MaxAge) -> bool:
    """Tell whether the user of this session proved lately enough who they are.

    Security: a session that does not know counts as too old, and what one user has proved says
    nothing about another in whose name the request acts.
    """
    if not is_own(session_of(request), request.user):
        return False
    limit = max_age if isinstance(max_age, timedelta) else timedelta(seconds=max_age)
    proved_at = session_of(request).authenticated_at_ms
    return proved_at is not None and now_ms() - proved_at <= limit // timedelta(milliseconds=1)


def _only_they(request: HttpRequest) -> HttpResponse:
    context = {"title": _("Confirm that it is you"), "acts_as": request.user.get_username()}
    return render(request, "sessionstore/confirm.html", context, status=403)


def _asked_first(
    view: Any,
    go_on: Callable[..., Any],
    ask: Callable[[], HttpResponse | None],
    request: HttpRequest,
    args: Any,
    kwargs: Any,
) -> Any:
    """Return what ``ask`` returns, else what a class-based view does."""

    async def ask_and_go_on() -> Any:
        return await sync_to_async(ask)() or await go_on(request, *args, **kwargs)

    if view.view_is_async:
        return ask_and_go_on()
    return ask() or go_on(request, *args, **kwargs)


def _after(step: Callable[[HttpRequest], HttpResponse | None], view: Decorated) -> Decorated:
    """Wrap a view: first the step, whose answer, if there is one, takes the place of the view's."""
    wrapped: Any

    if iscoroutinefunction(view):

        @wraps(view)
        async def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            # One hop to a thread: the step may read the session and the user.
            return await sync_to_async(step)(request) or await view(request, *args, **kwargs)

    else:

        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return step(request) or view(request, *args, **kwargs)

    return cast("Decorated", wrapped)
