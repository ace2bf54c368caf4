"""What a page wants of its user's sign-in, and what is told to somebody who has not given it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _

from sessionstore.conf import conf
from sessionstore.core.expiry import MINUTE_MS, now_ms
from sessionstore.core.merge import USER_KEY
from sessionstore.core.sign_ins.facts import HIGHEST_LEVEL
from sessionstore.core.sign_ins.methods import PASSWORD
from sessionstore.session.store import SessionBackend
from sessionstore.users.impersonation import is_impersonated, is_own

from . import kept
from .kinds import Kind, is_by_script, is_htmx, kind_for
from .places import page_of
from .refusals import ask_who

MaxAge = timedelta | float
_BY_SESSION = ("rest_framework.authentication", "SessionAuthentication")
# Since when, and how often, the user has been sent to prove more, and to which level.
_ASKED = "_session_asked"
_ASKED_LATELY_MS, _MOST_TIMES = 10 * MINUTE_MS, 3


@dataclass(frozen=True, slots=True)
class Demand:
    """How lately, how well and by what a user has to have proved who they are."""

    max_age_ms: int
    level: int = 1
    methods: frozenset[str] | None = None

    @classmethod
    def of(cls, max_age: MaxAge, level: int = 1, methods: Iterable[str] | None = None) -> "Demand":
        """Return what a view has asked for. Raises ImproperlyConfigured for what is no demand."""
        if isinstance(level, bool) or level not in range(1, HIGHEST_LEVEL + 1):
            message = f"level is a whole number from 1 to {HIGHEST_LEVEL}; it is {level!r}."
            raise ImproperlyConfigured(message)
        named = None if methods is None else frozenset(methods)
        if isinstance(methods, str) or (named is not None and not named):
            message = f'methods is a list such as ["webauthn"]; it is {methods!r}.'
            raise ImproperlyConfigured(message)
        age = max_age if isinstance(max_age, timedelta) else timedelta(seconds=max_age)
        return cls(age // timedelta(milliseconds=1), level, named)

    @property
    def wants_more(self) -> bool:
        """Tell whether a recent login of any kind is not enough."""
        return self.level > 1 or self.methods is not None

    @property
    def challenge(self) -> str:
        """The header that says so, by RFC 9470."""
        error = 'Bearer error="insufficient_user_authentication"'
        return f'{error}, acr_values="{self.level}", max_age="{self.max_age_ms // 1000}"'

    def is_met(self, request: Any, session: SessionBackend) -> bool:
        """Tell whether the user of a request has done so, in the session of the request.

        Security: a session that does not know counts as too old, and what one user has proved says
        nothing about another in whose name the request acts, or who has sent a token.
        """
        if not is_own(session, request.user) or not _is_vouched_for(request):
            return False
        since = now_ms() - self.max_age_ms
        if not self.wants_more:
            proved_at = session.authenticated_at_ms
            return proved_at is not None and proved_at >= since
        return any(
            fact.at_ms >= since
            and fact.level >= self.level
            and (self.methods is None or fact.method in self.methods)
            for fact in session.sign_ins
        )

    @property
    def page(self) -> str:
        """The page where users give what is wanted.

        Raises ImproperlyConfigured where there is none: they would be sent to and fro.
        """
        url = conf.reauth_url(self.level)
        if url is None and (self.level > 1 or (self.methods and PASSWORD not in self.methods)):
            by = "" if self.methods is None else f" by {', '.join(sorted(self.methods))}"
            message = (
                f"This page needs a sign-in of level {self.level}{by}, and our own page asks for a "
                f"password. Name one of yours: SESSIONSTORE_REAUTH_URL = {{{self.level}: ...}}."
            )
            raise ImproperlyConfigured(message)
        return url or "sessionstore:confirm"


def refusal(
    request: Any,
    session_of: Callable[[Any], SessionBackend],
    demand: Demand,
    *,
    come_back_to: str | None = None,
) -> HttpResponse | None:
    """Return where to send somebody who has not given what is demanded; None to go on.

    The session is asked for where there is a user.
    """
    asked: HttpRequest = plain(request)
    if request.user.is_authenticated:
        if demand.is_met(request, session_of(request)):
            kept.forget_sent(asked)
            session_of(request).pop(_ASKED, None)
            return None
        if is_impersonated(request):
            return only_they(asked)
    to_login = partial(ask_who, asked, is_api=_is_api(request))
    kept_at = None if come_back_to else kept.keep(asked)
    come_back = resolve_url(come_back_to) if come_back_to else kept_at or page_of(asked)
    if not request.user.is_authenticated:
        return to_login(come_back)
    session = session_of(request)
    if USER_KEY not in session:
        # A header says who this is: a session without a login can keep no proof of it.
        return to_login(come_back)
    page = resolve_url(demand.page)
    if demand.wants_more and _is_in_vain(asked, session, demand):
        return _in_vain(asked, page, come_back)
    return to_login(come_back, page, challenge=demand.challenge)


def plain(request: Any) -> HttpRequest:
    """Return Django's request: that of Django REST framework is another around it."""
    inner: HttpRequest = request if isinstance(request, HttpRequest) else request._request
    return inner


def only_they(request: HttpRequest) -> HttpResponse:
    """Return the 403 for who acts as another user."""
    context = {"title": _("Confirm that it is you"), "acts_as": request.user.get_username()}
    return render(request, "sessionstore/confirm.html", context, status=403)


def _is_api(request: Any) -> bool:
    """Tell whether a framework for APIs has asked who this is, and nobody wants a page."""
    by_framework = hasattr(request, "auth")
    return by_framework and kind_for(plain(request)) is not Kind.PAGE


def _is_vouched_for(request: Any) -> bool:
    """Tell whether the session says who the user is, and not a token, a test or another header.

    Django REST framework knows what has said so; django-ninja keeps in ``auth`` what was found.
    """
    if not isinstance(request, HttpRequest):
        bases = type(request.successful_authenticator).__mro__
        return _BY_SESSION in ((one.__module__, one.__qualname__) for one in bases)
    found = getattr(request, "auth", None)
    return found is None or isinstance(found, bool) or bool(found == request.user)


def _is_in_vain(request: HttpRequest, session: SessionBackend, demand: Demand) -> bool:
    """Tell whether the page that asks has sent the user back without what is demanded.

    It may have taken a proof that is not enough, or it takes none of who is signed in, and the
    browser would go to and fro. It is noted in the session that one is sent there.
    """
    if is_by_script(request) and not is_htmx(request):
        return False  # It is told, and led nowhere.
    now, asked = now_ms(), session.get(_ASKED)
    at, times, level = asked if asked is not None and _is_note(asked) else (0, 0, 0)
    if level != demand.level or not 0 <= now - at <= _ASKED_LATELY_MS:
        at, times = now, 0
    proved_at = session.authenticated_at_ms
    if times and ((proved_at is not None and proved_at >= at) or times >= _MOST_TIMES):
        del session[_ASKED]  # Who comes again is asked again.
        return True
    session[_ASKED] = [at, times + 1, demand.level]
    return False


def _is_note(asked: Any) -> bool:
    is_three = isinstance(asked, list | tuple) and len(asked) == len(("at", "times", "level"))
    return is_three and all(type(one) is int for one in asked)


def _in_vain(request: HttpRequest, page: str, come_back: str) -> HttpResponse:
    """Return the 403 for who has been there and has not given it."""
    url = redirect_to_login(come_back, page).url
    context = {"title": _("This page needs more"), "confirm_url": url}
    return render(request, "sessionstore/insufficient.html", context, status=403)
