"""Django's session middleware, with what a server-side store can do better."""

import time
from dataclasses import replace
from functools import partial
from http.cookies import Morsel
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, parse_cookie
from django.http.response import HttpResponseBase
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.utils.http import http_date

from sessionstore.answers import failures, kept
from sessionstore.backends.base import SessionBackend
from sessionstore.binding import requests as binding
from sessionstore.cleaning.background import cleaner
from sessionstore.clients import client_of, remote_addr
from sessionstore.conf import conf
from sessionstore.core import journal
from sessionstore.core.crypto import HiddenText
from sessionstore.core.headers import cookies
from sessionstore.core.headers.set_cookie import CookieOptions, extend
from sessionstore.exceptions import SessionStoreUnavailable
from sessionstore.housekeeping import all_to_clear
from sessionstore.known_devices import logins
from sessionstore.moving.adoption import opens_another
from sessionstore.signals import Refusal, session_refused
from sessionstore.users.accounts import end_if_account_is_lost, may_have_lost_account

_SERVER_ERROR = 500
# On a request whose browser has sent several cookies that can be the session's.
_AMBIGUOUS = "_sessionstore_ambiguous"
_INTERRUPTED = (
    "The request's session was deleted before the request completed. The user may have logged out "
    "in a concurrent request, for example."
)


class SessionMiddleware(DjangoSessionMiddleware):
    """Takes the place of Django's, sync and async.

    Beyond it: the session knows its client; a database that is down answers 503 and leaves the
    cookie alone; a DELETE that a rollback took back is repeated; after an error page the browser
    holds a key that works; a cookie is deleted only after a flush.
    """

    # Django's error page asks for the CSRF token, so with CSRF_USE_SESSIONS it fails as the request
    # did, and the error passes all middleware. Here it ends.

    def __call__(self, request: HttpRequest) -> Any:
        if self.async_mode:
            return self.__acall__(request)
        try:
            if self._begin(request):
                _settle_cookie(self.SessionStore, request)
            return super().__call__(request)
        except SessionStoreUnavailable:
            journal.end()
            return failures.unavailable(request)
        except SessionInterrupted:
            return failures.interrupted(request)

    async def __acall__(self, request: HttpRequest) -> Any:
        try:
            if self._begin(request):
                # Receivers of the signal, and the look at an old cookie, may need the database.
                await sync_to_async(_settle_cookie)(self.SessionStore, request)
            return await self._respond(request)
        except SessionStoreUnavailable:
            journal.end()
            return failures.unavailable(request)
        except SessionInterrupted:
            return await sync_to_async(failures.interrupted)(request)

    async def _respond(self, request: HttpRequest) -> Any:
        """Do what Django's does, in a thread only where code of the site or a statement may run.

        Optimization: Django's goes to a thread before the view and after it. Under uvicorn that is
        a quarter of a request that does not look at its session.
        """
        if self._is_ready():
            response = self.process_request(request)
        else:
            response = await sync_to_async(self.process_request)(request)
        response = response or await cast("Any", self.get_response(request))
        is_ours = type(self).process_response is SessionMiddleware.process_response
        if is_ours and _is_settled(request, response):
            journal.end()
            session: Any = request.session
            return _for_caches(response, session) if session.accessed else response
        return await sync_to_async(self.process_response)(request, response)

    def _is_ready(self) -> bool:
        """Tell whether a request gets its session by code of ours, which waits for nothing."""
        return (
            type(self).process_request is SessionMiddleware.process_request
            and issubclass(self.SessionStore, SessionBackend)
            and self.SessionStore.__init__ is SessionBackend.__init__
            and conf.client_ip is remote_addr
            and conf.device_age_ms is None
        )

    def _begin(self, request: HttpRequest) -> bool:
        """Do what no subclass can leave out: its own process_request may not call ours.

        Tell whether the session's cookie has to be settled, too.
        """
        # Ours, and the engine `leaving`, which is Django's with two tables to clear.
        if hasattr(self.SessionStore, "get_table"):
            cleaner.start(partial(all_to_clear, self.SessionStore))
        journal.begin(request)
        header = HiddenText(request.META.get("HTTP_COOKIE", ""))
        longer = conf.device_cookie_name, conf.visitor_cookie_name
        return not cookies.is_plain(header, conf.cookie_name, *longer)

    def process_request(self, request: HttpRequest) -> HttpResponse | None:  # type: ignore[override]
        super().process_request(request)
        journal.begin(request)  # Also for whoever calls this method alone.
        if not isinstance(request.session, SessionBackend):
            return None
        instead = binding.receive(request)
        request.session.client = client_of(request)
        return instead

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 400 when a view itself meets the end of its session, as when the save does."""
        if isinstance(exception, UpdateError) and hasattr(request, "session"):
            return failures.interrupted(request)
        return None

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        events = journal.of(request)
        # Compat: Django's serves a request from which a view has deleted the session.
        session = getattr(request, "session", None)
        try:
            events.repeat()
            if not isinstance(session, SessionBackend):
                response = super().process_response(request, response)
            elif events.failure is not None and response.status_code >= _SERVER_ERROR:
                response = _unavailable(request, response)
            elif not session.failed_to_load and not binding.concerns_binding(request):
                end_if_account_is_lost(request)
                kept.keep_what_a_redirect_loses(request, response)
                self._finish(request, response, session, left=events.left)
                binding.answer(request, response, session)
                logins.answer(request, response, session)
            if getattr(request, _AMBIGUOUS, False):
                _delete_elsewhere(request, response)
        except SessionStoreUnavailable:
            return _unavailable(request, response)
        finally:
            journal.end()
        return response

    def _finish(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        session: SessionBackend,
        *,
        left: CookieOptions | None,
    ) -> None:
        """Save the session and tell the browser what has become of its key.

        ``left`` is where it holds that of a session which this request has flushed.
        """
        accessed, was_loaded = session.accessed, session.is_loaded
        wants_save = session.modified or conf.save_every_request
        if wants_save:
            session.keys()  # A valid key whose row is gone makes the session empty.
        is_error = response.status_code >= _SERVER_ERROR
        # Optimization: where nothing has become of the key nobody has to open it: 8 % of a request.
        if (wants_save or is_error or left is not None) and session.is_empty():
            # A late answer to an old request must not wipe the cookie of a newer login.
            _delete_left(request, response, session.cookie_name, left)
        elif is_error:
            # The changes of a request that failed are dropped, but not a key that is in the table.
            if session.session_key != request.COOKIES.get(session.cookie_name):
                if session.is_stored():
                    _send_key(response, session, left)
                else:
                    _delete_left(request, response, session.cookie_name, left)
        elif wants_save:
            _save(session)
            is_new = session.session_key != request.COOKIES.get(session.cookie_name)
            is_wanted = is_new or conf.save_every_request or session.cookie_is_due()
            if is_wanted and (not was_loaded or session.may_send_key()):
                _send_key(response, session, left)
        if accessed:
            _for_caches(response, session)


def _is_settled(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Tell whether an answer can go out as it is: no statement is due, and no cookie.

    Nothing has changed or failed, nobody has signed in, there is no deletion to repeat, and no user
    who may be lost.
    """
    session, events = getattr(request, "session", None), journal.of(request)
    return (
        isinstance(session, SessionBackend)
        and not (events.deletions or events.failure or events.left or events.login)
        and not (session.failed_to_load or session.is_large)
        and not (conf.save_every_request or conf.device_age_ms or hasattr(request, _AMBIGUOUS))
        and response.status_code < _SERVER_ERROR
        and request.method != "POST"  # Its form may be kept.
        and not may_have_lost_account(request)
        and not session.modified
    )


def _for_caches(response: HttpResponseBase, session: SessionBackend) -> HttpResponseBase:
    """Say that the page depends on the session, where it does."""
    if session.is_shared:
        # Security: the back button shows nothing to the next person at this computer.
        add_never_cache_headers(response)
    patch_vary_headers(response, ("Cookie",))
    return response


def _settle_cookie(engine: Any, request: HttpRequest) -> None:
    """Leave one cookie at most under the session's name, and tell why another was refused.

    Security: what stands under a name that is only nearly the right one was set by a sibling
    domain, and is not looked at. Of several under the right one that counts which alone can be a
    session. Where more can, or none, nobody knows whose session is meant.
    """
    header, name = HiddenText(request.META["HTTP_COOKIE"]), conf.cookie_name
    sent = [HiddenText(parse_cookie(one)[name]) for one in cookies.named(header, name)]
    refusal = Refusal.AMBIGUOUS if sent else Refusal.DISGUISED
    # Compat: of several Django takes the last, and so does its own engine here.
    able = list(dict.fromkeys(reversed(sent)))
    if len(able) > 1 and issubclass(engine, SessionBackend):
        able = _able(engine(), able)
        setattr(request, _AMBIGUOUS, len(able) > 1)
        able = able if len(able) == 1 else []
    taken = HiddenText(request.COOKIES.pop(name, ""))
    if able:
        request.COOKIES[name] = able[0]
    if taken and taken not in able:
        session_refused.send(engine, handle=None, reason=refusal, client=client_of(request))


def _able(session: SessionBackend, texts: list[HiddenText]) -> list[HiddenText]:
    """Return which of several cookies can be a session: of ours, or one that has yet to move in.

    Everybody can write what looks like a cookie of an old engine. So where the looks of one do not
    decide, it counts only when it opens a session; nobody else pays for that look.
    """
    keys = {text: session.keyring.open(text) for text in texts}
    # One of each session: a former SECRET_KEY may have signed its key as well.
    ours = list({key.digest: text for text, key in reversed(keys.items()) if key}.values())
    old = [text for text in texts if not keys[text] and session.adoption.takes(text)]
    if len(ours) > 1 or len(ours) + len(old) == 1:
        return ours + old
    digests = {key.digest for key in keys.values() if key}
    return ours + [text for text in old if opens_another(session.table, text, digests)]


def _save(session: SessionBackend) -> None:
    try:
        session.save()
    except UpdateError as error:
        raise SessionInterrupted(_INTERRUPTED) from error


def _delete_left(
    request: HttpRequest, response: HttpResponseBase, name: str, left: CookieOptions | None
) -> None:
    """Delete the cookie of a session that was flushed, where the browser holds it."""
    if left is not None and name in request.COOKIES:
        response.cookies[name] = _deletion(name, left)
        patch_vary_headers(response, ("Cookie",))


def _send_key(
    response: HttpResponseBase, session: SessionBackend, left: CookieOptions | None
) -> None:
    max_age = expires = None
    name, cookie = session.cookie_name, session.cookie_options
    before = left or session.cookie_options_before
    if cookie.place != before.place:
        # Ahead of the new one: should both be one place to the browser, the new one stays.
        response.cookies[f"{name} before"] = _deletion(name, before)
    if not session.get_expire_at_browser_close():
        max_age = session.get_expiry_age()
        expires = http_date(time.time() + max_age)
    response.set_cookie(
        name,
        session.session_key or "",
        max_age=max_age,
        expires=expires,
        **cookie.scope(),
        **cookie.flags(),
    )
    extend(response, name, cookie)
    patch_vary_headers(response, ("Cookie",))


def _deletion(name: str, cookie: CookieOptions) -> Morsel[str]:
    """Return what deletes the session's cookie from where it is.

    Django keeps one cookie under each name of ``response.cookies``; what is sent is the name in the
    cookie itself.
    """
    response = HttpResponse()
    response.delete_cookie(name, **cookie.scope())
    extend(response, name, cookie)
    deletion = response.cookies[name]
    if cookie.partitioned:
        deletion["secure"] = True  # Without it Chrome drops the whole line.
    return deletion


def _delete_elsewhere(request: HttpRequest, response: HttpResponseBase) -> None:
    """Delete the session's cookie wherever the browser may hold it, but in its right place.

    Else a site that has changed SESSION_COOKIE_DOMAIN or SESSION_COOKIE_PATH would refuse its
    visitors until the older cookie ends.
    """
    name, session = conf.cookie_name, getattr(request, "session", None)
    right = session.cookie_options if isinstance(session, SessionBackend) else conf.cookie_options
    try:
        host = request.get_host()
    except DisallowedHost:
        return
    places = cookies.other_places(
        name,
        host=host,
        path=request.path,
        domain=right.domain,
        cookie_path=right.path or "/",
    )
    for number, (domain, path) in enumerate(cookies.as_many_as_fit(places)):
        place = replace(right, domain=domain, path=path)
        response.cookies[f"{name} {number}"] = _deletion(name, place)
    patch_vary_headers(response, ("Cookie",))


def _unavailable(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Answer 503 in place of an error page; the debug page is kept for whoever develops."""
    if not conf.debug or response.status_code < _SERVER_ERROR:
        return failures.unavailable(request)
    response.status_code = 503
    response.headers["Retry-After"] = str(failures.RETRY_AFTER_S)
    return response
