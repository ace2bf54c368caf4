"""What browsers ask on their own behalf: to bind a session to their device, and to go on with it.

Their answers are more than pages: most 4xx, and any redirect, make a browser forget its key, and
its user has to sign in again. So a refusal says ``continue: false`` only where the binding is over,
403 where another proof may do, and a database that is down is a 5xx, which the browser takes for a
moment's trouble.
"""

from django.contrib.auth.decorators import login_not_required
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseForbidden,
    JsonResponse,
)
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from sessionstore import telemetry
from sessionstore.binding.requests import REFRESH
from sessionstore.clients import client_of
from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.binding import dbsc, tokens
from sessionstore.core.binding.dbsc import Proof
from sessionstore.core.keys import Key
from sessionstore.core.record import Device
from sessionstore.signals import Refusal, session_bound, session_refused
from sessionstore.table.rows import SqlTable
from sessionstore.users.revocation import site_session

_ATTRIBUTES = {"samesite": "SameSite", "domain": "Domain", "path": "Path"}


@login_not_required
@csrf_exempt
@never_cache
@require_POST
def register(request: HttpRequest) -> HttpResponse:
    """Bind the session to the key that the browser has made: one UPDATE.

    Whoever comes first is bound. The same key may come again: the browser repeats what it has had
    no answer to.
    """
    text = request.headers.get(dbsc.PROOF)
    if text is None:
        return HttpResponseForbidden()
    proof = dbsc.read_proof(text, registers=True) if _binds() else None
    key, now = _key_of(request), expiry.now_ms()
    asked = proof and tokens.registered(conf.secrets, proof.challenge, now=now)
    if proof is None or proof.public_key is None or key is None or not asked:
        return _refused(request, None)
    row_id, asked_at = asked
    table = _table()
    if table is None or not proof.is_signed_by(proof.public_key):
        return _refused(request, None)
    device = Device(row_id, now, proof.public_key)
    handle = table.handle_of(row_id)
    if table.bind(row_id, key.digest, proof.public_key, now):
        session_bound.send(type(site_session()), handle=handle, request=request)
    else:
        bound = table.device_of(key.digest, now)
        if bound is None or (bound.row_id, bound.public_key) != (row_id, proof.public_key):
            return _refused(request, handle)
        device = bound
    return _proved(device, asked_at, now)


@login_not_required
@csrf_exempt
@never_cache
@require_POST
def refresh(request: HttpRequest) -> HttpResponse:
    """Ask for a proof, without SQL, and answer one with the cookie: one SELECT."""
    name = dbsc.session_id(request.headers.get(dbsc.SESSION_ID))
    if name is None:
        return HttpResponseForbidden()
    key, table, now = _key_of(request), _table(), expiry.now_ms()
    if key is None or table is None:
        return _ended(name)
    if not _binds():
        _turn_off(table, key, name, now)
        return _ended(name)
    text = request.headers.get(dbsc.PROOF)
    proof = dbsc.read_proof(text, registers=False)
    if text and proof is None:
        return _refused(request, None)
    asked_at = proof and tokens.challenged_at(conf.secrets, proof.challenge, name, now=now)
    if proof is None or not asked_at:
        return _challenged(name, now)
    device = table.device_of(key.digest, now)
    if device is None or not _is_of(device, name, proof):
        return _ended(name)
    return _proved(device, asked_at, now)


def _binds() -> bool:
    return conf.device_age_ms is not None and dbsc.is_available()


def _key_of(request: HttpRequest) -> Key | None:
    return conf.keyring.open(request.COOKIES.get(conf.cookie_name))


def _table() -> SqlTable | None:
    session = site_session()
    table = None if session is None else session.table
    return table if isinstance(table, SqlTable) else None


def _is_of(device: Device, name: str, proof: Proof) -> bool:
    """Tell whether a proof is of this binding, and not of one that it has replaced."""
    is_named = tokens.identifier(device.row_id, device.bound_at) == name
    return is_named and proof.is_signed_by(device.public_key)


def _turn_off(table: SqlTable, key: Key, name: str, now: int) -> None:
    """Forget the binding as the browser does, so that it may be turned on again some day."""
    device = table.device_of(key.digest, now)
    if device is not None and tokens.identifier(device.row_id, device.bound_at) == name:
        table.unbind(device.row_id)


def _proved(device: Device, asked_at: int, now: int) -> HttpResponse:
    """Give the cookie for a proof, and tell what the browser is to keep up."""
    age_ms = conf.device_age_ms or 0
    scope, cookie = conf.cookie_options.scope(), conf.device_cookie_name
    flags = [f"{_ATTRIBUTES[name]}={value}" for name, value in scope.items() if value]
    told = dbsc.instructions(
        tokens.identifier(device.row_id, device.bound_at),
        refresh_path=reverse(REFRESH),
        cookie=cookie,
        attributes=[*flags, "Secure", "HttpOnly"],
    )
    response = JsonResponse(told)
    value = tokens.cookie(conf.secrets, device.row_id, device.bound_at, proved_at=asked_at)
    left_s = max(1, (age_ms - max(0, now - asked_at)) // 1000)
    response.set_cookie(cookie, value, max_age=left_s, secure=True, httponly=True, **scope)
    patch_vary_headers(response, ("Cookie",))
    return response


def _challenged(name: str, now: int) -> HttpResponse:
    response = HttpResponse(status=403)
    text = tokens.refresh_challenge(conf.secrets, name, now=now)
    response.headers[dbsc.CHALLENGE] = dbsc.challenge(text, name)
    patch_vary_headers(response, ("Cookie",))
    return response


def _ended(name: str) -> HttpResponse:
    response = JsonResponse(dbsc.end(name))
    patch_vary_headers(response, ("Cookie",))
    return response


def _refused(request: HttpRequest, handle: str | None) -> HttpResponse:
    """Refuse what no browser sends, or what comes too late."""
    telemetry.refused("proof")
    engine, client = type(site_session()), client_of(request)
    session_refused.send(engine, handle=handle, reason=Refusal.UNPROVED, client=client)
    return HttpResponseBadRequest()
