"""What Django keeps in a session's JSON for itself, under a seal that nobody else can make.

Express writes the JSON as it likes: a form that is assigned to ``req.session`` may name any user
and any time. So Django's login and its times count only as Django wrote them: under this id, and
while Express says the same of who is signed in. The session has two halves that sign users in;
what the one has written last counts, or neither.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from secrets import token_urlsafe
from typing import Any, Final, TypeGuard

from sessionstore.conf import conf
from sessionstore.core.crypto import derive, is_tag, tag
from sessionstore.core.express_format import canonical
from sessionstore.core.merge import AUTH_KEYS
from sessionstore.express.users import Said, drop_login, stored_id

OURS: Final = "_sessionstore"
_SIGN_INS: Final = "sign_ins"
_PURPOSE: Final = "express.1"
_TAG_BYTES: Final = 16
_length = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class Sealed:
    """What Django has sealed: two times and the facts of sign-ins, None where none count.

    ``is_stale`` tells to write the row again: what is void in it would count once more when Express
    says what it said then.
    """

    created_at: int | None = None
    authenticated_at: int | None = None
    is_stale: bool = False
    sign_ins: Any = None


def seal(
    sid: bytes,
    data: Mapping[str, Any],
    said: Said,
    created_at: int,
    authenticated_at: int | None,
    sign_ins: Any = None,
) -> dict[str, Any]:
    """Return what stands under OURS in the JSON of ``data``, without the facts of its sign-ins.

    The nonce makes each text unique: a writer recognises its own after a lost connection.
    """
    times = {"created_at": created_at, "authenticated_at": authenticated_at}
    ours: dict[str, Any] = {"nonce": token_urlsafe(6)}
    ours |= {name: at for name, at in times.items() if at is not None}
    if sign_ins is not None:
        ours[_SIGN_INS] = sign_ins
    message = _message(sid, data, said, created_at, authenticated_at, sign_ins)
    if message is not None:
        ours["mac"] = tag(derive(conf.secrets[0], _PURPOSE), *message, length=_TAG_BYTES).hex()
    return ours


def opened(ours: Any, sid: bytes, data: dict[str, Any], said: Said) -> Sealed:
    """Return what ``ours``, the value under OURS, says of ``data``, which has that key no more.

    A login of Django's is taken out of ``data`` where it does not count, and where Django could not
    read it, which would be an error at each request.
    """
    sealed = _verified(ours, sid, data, said) if isinstance(ours, dict) else None
    if sealed is not None and stored_id(data) is not None:
        return sealed
    # What nobody can compare is no evidence: the login counts again when that can be told.
    has_lost_login = drop_login(data) and said.state is not None
    sealed = sealed or Sealed()
    return replace(sealed, is_stale=sealed.is_stale or has_lost_login)


def _verified(
    ours: Mapping[str, Any], sid: bytes, data: Mapping[str, Any], said: Said
) -> Sealed | None:
    created_at, authenticated_at = ours.get("created_at"), ours.get("authenticated_at")
    candidate, sign_ins = _candidate(ours.get("mac")), ours.get(_SIGN_INS)
    if not _is_time(created_at) or not (authenticated_at is None or _is_time(authenticated_at)):
        return None
    message = _message(sid, data, said, created_at, authenticated_at, sign_ins)
    if candidate is None or message is None:
        return None
    for secret in conf.secrets:
        if is_tag(candidate, derive(secret, _PURPOSE), *message):
            is_stale = secret is not conf.secrets[0]
            return Sealed(created_at, authenticated_at, is_stale, sign_ins)
    return None


def _message(
    sid: bytes,
    data: Mapping[str, Any],
    said: Said,
    created_at: int,
    authenticated_at: int | None,
    sign_ins: Any,
) -> tuple[bytes, ...] | None:
    """Return what is sealed, with its length where it could run into what follows."""
    login = {name: data[name] for name in AUTH_KEYS if name in data}
    facts = [] if sign_ins is None else [sign_ins]
    try:
        stated = canonical([created_at, authenticated_at, login, said.state, *facts])
    except (RecursionError, TypeError, ValueError):
        return None
    return None if said.state is None else (_length.pack(len(sid)), sid, stated.encode())


def _candidate(mac: Any) -> bytes | None:
    try:
        candidate = bytes.fromhex(mac)
    except (TypeError, ValueError):
        return None
    return candidate if len(candidate) == _TAG_BYTES else None


def _is_time(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
