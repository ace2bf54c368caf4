"""The names that a login comes with, until its session is there to be linked."""

from collections.abc import Mapping, Sequence
from typing import Any

from sessionstore.conf import conf
from sessionstore.links.names import SID, SUB, Name
from sessionstore.session.store import SessionBackend

_ON_REQUEST = "_sessionstore_names"


def names_in(claims: Any) -> list[Name]:
    """Return what an ID token calls a session and its user.

    None where its issuer is not in SESSIONSTORE_OIDC: nobody would ever ask for them.
    """
    if not isinstance(claims, Mapping) or claims.get("iss") not in conf.oidc:
        return []
    return [
        Name(claims["iss"], value, kind)
        for kind in (SID, SUB)
        if isinstance(value := claims.get(kind), str) and value
    ]


def remember(request: Any, names: Sequence[Name]) -> None:
    """Link the session of a request to names: at once, and again when somebody has signed in.

    A login that finds somebody else there ends that session, and with it what was linked. One that
    finds its own user, as a renewed proof does, tells nobody that it is one.
    """
    if request is not None and names:
        setattr(request, _ON_REQUEST, names)
        link(getattr(request, "session", None), names)


def link_remembered(request: Any) -> None:
    """Link the session that a login has left in its request."""
    link(getattr(request, "session", None), getattr(request, _ON_REQUEST, ()))


def link(session: Any, names: Sequence[Name]) -> None:
    """Link a session to names, where it is one of ours."""
    if isinstance(session, SessionBackend):
        for name in names:
            session.link(name.issuer, name.value, kind=name.kind)
