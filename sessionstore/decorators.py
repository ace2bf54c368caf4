"""Decorators for views, sync and async alike, and the mixin for class-based ones."""

from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from asgiref.sync import sync_to_async
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _

from sessionstore.answers import demands
from sessionstore.answers.demands import Demand, MaxAge, only_they
from sessionstore.answers.places import page_of
from sessionstore.answers.refusals import ask_who
from sessionstore.backends.base import SessionBackend
from sessionstore.conf import conf
from sessionstore.users.impersonation import is_impersonated

# A mixin for views says so to the type checker only: as a base it would spoil the order.
if TYPE_CHECKING:
    from django.views import View

    _AnyView = View
else:
    _AnyView = object
Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Methods = Collection[str] | None
RECENTLY = timedelta(minutes=15)
# Browsers bind a session beside the page that follows the login.
_BINDS_WITHIN = timedelta(seconds=15)


def does_not_touch(view: Decorated) -> Decorated:
    """Let requests to this view, such as polling, not count as use of the session."""

    def hold_still(request: HttpRequest) -> None:
        session_of(request).slides = False

    return _after(hold_still, view)


@overload
def recent_login_required(
    view: Decorated, *, max_age: MaxAge = ..., level: int = ..., methods: Methods = ...
) -> Decorated: ...
@overload
def recent_login_required(
    *, max_age: MaxAge = ..., level: int = ..., methods: Methods = ...
) -> Callable[[Decorated], Decorated]: ...
def recent_login_required(
    view: Any = None, *, max_age: MaxAge = RECENTLY, level: int = 1, methods: Methods = None
) -> Any:
    """Ask who it is again when that was last proved more than ``max_age`` (seconds) ago.

    ASVS 7.5.1 and 7.5.3. With ``level=2`` a second factor has to be among what was proved since,
    with ``methods`` one of these, such as ["webauthn"]. Whoever is not signed in is sent to sign
    in; whoever is, to SESSIONSTORE_REAUTH_URL or to our page that asks for the password. Both come
    back by `next`: to this address, or after a POST to a page that offers the form again, or where
    that was not kept, to the one it was on. Who comes back without what is wanted reads so.

    For views of Django, django-ninja and Django REST framework; of the last below ``api_view``, or
    on a method of the class. The user has to be the one who has signed in to the session: who acts
    as another, or has sent a token, never passes. Raises ImproperlyConfigured where no page can
    give what is wanted.
    """
    demand = Demand.of(max_age, level, methods)

    def decorate(view: Decorated) -> Decorated:
        wrapped: Any = _guarded(lambda request: refusal(request, demand), view)
        wrapped.recent_login_level = level
        return cast("Decorated", wrapped)

    return decorate if view is None else decorate(view)


class RecentLoginRequiredMixin(_AnyView):
    """The same for a class-based view, sync or async; put it first among the bases."""

    recent_login_max_age: MaxAge = RECENTLY
    recent_login_level = 1
    recent_login_methods: Methods = None
    recent_login_next: str | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Ask first; an async view asks when it is awaited."""

        def ask() -> HttpResponse | None:
            age, level = self.recent_login_max_age, self.recent_login_level
            demand = Demand.of(age, level, self.recent_login_methods)
            return refusal(request, demand, come_back_to=self.recent_login_next)

        return _asked_first(self, super().dispatch, ask, request, args, kwargs)


class SignedInMixin(_AnyView):
    """Ask visitors to sign in, in a way that scripts can follow; put it first among the bases."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Ask first; an async view asks when it is awaited."""

        def ask() -> HttpResponse | None:
            return None if request.user.is_authenticated else ask_who(request, page_of(request))

        return _asked_first(self, super().dispatch, ask, request, args, kwargs)


def refusal(
    request: HttpRequest, demand: Demand, *, come_back_to: str | None = None
) -> HttpResponse | None:
    """Return where to send somebody who has not given what is demanded; None to go on."""
    return demands.refusal(request, session_of, demand, come_back_to=come_back_to)


def bound_device_required(view: Decorated) -> Decorated:
    """Let in only who proves to be the device that the session is bound to.

    Whoever is not signed in is sent to sign in. A browser that was asked a moment ago to bind the
    session is told to come back in a second; one that has not, to give the password again, which
    asks it once more. Raises ImproperlyConfigured without SESSIONSTORE_BIND_DEVICE, rather than
    letting everybody in.
    """
    return _guarded(unbound, view)


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
        page_of(request), resolve_url(conf.reauth_url() or "sessionstore:confirm")
    ).url
    response = render(request, "sessionstore/unbound.html", context, status=403)
    if is_under_way and request.method == "GET":
        # With the address: where it has a fragment, browsers would else stay where they are.
        response.headers["Refresh"] = f"1; url={request.get_full_path()}"
    return response


def not_impersonated(view: Decorated) -> Decorated:
    """Refuse whoever acts as another user: the page is for that user alone."""

    def refuse(request: HttpRequest) -> HttpResponse | None:
        return only_they(demands.plain(request)) if is_impersonated(request) else None

    return _guarded(refuse, view)


def session_of(request: HttpRequest) -> SessionBackend:
    """Return the request's session; raises ImproperlyConfigured when it is not one of ours."""
    if isinstance(request.session, SessionBackend):
        return request.session
    message = "This page needs SESSION_ENGINE to name an engine of sessionstore."
    raise ImproperlyConfigured(message)


def is_recent(
    request: HttpRequest, *, max_age: MaxAge, level: int = 1, methods: Methods = None
) -> bool:
    """Tell whether the user of this session proved lately enough, and well enough, who they are.

    Security: a session that does not know counts as too old, and what one user has proved says
    nothing about another in whose name the request acts, or who has sent a token.
    """
    return Demand.of(max_age, level, methods).is_met(request, session_of(request))


def _asked_first(
    view: Any,
    go_on: Callable[..., Any],
    ask: Callable[[], HttpResponse | None],
    request: HttpRequest,
    args: Any,
    kwargs: Any,
) -> Any:
    """Return what ``ask`` returns, else what a class-based view does."""
    _refuse_outside(view, request)

    async def ask_and_go_on() -> Any:
        return await sync_to_async(ask)() or await go_on(request, *args, **kwargs)

    if view.view_is_async:
        return ask_and_go_on()
    return ask() or go_on(request, *args, **kwargs)


def _guarded(step: Callable[[HttpRequest], HttpResponse | None], view: Decorated) -> Decorated:
    """Wrap a view by a step that asks who the user is."""
    inner: Any = view.func if isinstance(view, partial) else view
    owner = getattr(inner, "__self__", None) or getattr(inner, "cls", None)

    def ask(request: HttpRequest) -> HttpResponse | None:
        _refuse_outside(owner, request)
        return step(request)

    return _after(ask, view)


def _refuse_outside(view: Any, request: Any) -> None:
    """Raise ImproperlyConfigured around a view of Django REST framework.

    Security: it says only inside who the user is, and by a token it may be another one.
    """
    if isinstance(request, HttpRequest) and hasattr(view, "perform_authentication"):
        message = (
            "Django REST framework tells only inside of a view who the user is: put the decorator "
            "below @api_view, or by method_decorator on a method such as post of the class."
        )
        raise ImproperlyConfigured(message)


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
