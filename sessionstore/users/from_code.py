"""The sessions of a user for code outside a request: a job, a command, the shell.

On the table of SESSION_ENGINE. The ends are those of the pages: a cache in front hears of each, and
``session_revoked`` is sent. In a transaction of the caller an end is a part of it.
"""

from typing import Any

from sessionstore.conf import conf
from sessionstore.exceptions import NoSuchSession, WrongSetting
from sessionstore.models import user_id_of
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.users.devices import Device, described, is_blind
from sessionstore.users.revocation import revoke_all_of, revoke_named, site_session


def sessions_of(user: Any) -> list[Device]:
    """Return the live sessions of a user, the last used first; one query, however many there are.

    ``user`` is an instance, or a primary key of any type. Raises WrongSetting where SESSION_ENGINE
    is none of ours, or its table does not tell whose its sessions are.
    """
    table = _session_of_users().table
    return [described(row) for row in table.live_of(user_id_of(user))]


def end_session(handle: str, *, reason: Reason = Reason.DELETED) -> bool:
    """End the session that a handle names; False when there is none (any more).

    Also one that is encrypted, or bound to a device. Raises WrongSetting where SESSION_ENGINE is
    none of ours.
    """
    return revoke_named(handle, reason=reason, session=_session()) > 0


def end_sessions_of(user: Any, *, but: str | None = None, reason: Reason = Reason.DELETED) -> int:
    """End every session of a user, apart from the one with the handle ``but``; return how many.

    Raises NoSuchSession when ``but`` is no live session of this user: nothing has ended then.
    Raises WrongSetting as ``sessions_of`` does.
    """
    session, user_id = _session_of_users(), user_id_of(user)
    kept = None if but is None else _live_row(session, user_id, but)
    return revoke_all_of(user_id, reason=reason, but=kept, session=session)


def _live_row(session: SessionBackend, user_id: str, handle: str) -> bytes:
    for row in session.table.of_handle(user_id, handle):
        if row.is_live:
            return bytes(row.pk)
    message = f"{handle!r} is no live session of the user {user_id!r}: none was ended."
    raise NoSuchSession(message)


def _session() -> SessionBackend:
    session = site_session()
    if session is None:
        message = (
            f"SESSION_ENGINE is {conf.engine_path!r}: its sessions are in no table of ours. Set it "
            f"to sql, cached_sql or express of sessionstore.backends."
        )
        raise WrongSetting(message)
    return session


def _session_of_users() -> SessionBackend:
    session = _session()
    if is_blind(session):
        message = (
            f"The table {session.table.table} does not tell whose its sessions are: run manage.py "
            f"expresstable --add-user first."
        )
        raise WrongSetting(message)
    return session
