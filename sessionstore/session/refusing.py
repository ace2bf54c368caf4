"""Tells why a cookie opens no session; nothing here changes what the visitor gets."""

from typing import Any

from sessionstore.core.keys import Key
from sessionstore.signals import Refusal, session_expired, session_refused


def tell_refused(session: Any, key: Key | None) -> None:
    """Send the signal of a cookie that is forged, unknown, or of a session that has expired.

    Only the last two cost a SELECT: a row that has expired is there until it is cleaned up.
    """
    if key is None:
        session_refused.send(
            type(session), handle=None, reason=Refusal.FORGED, client=session.client
        )
        return
    row = session.rows.fetch(key.id, 0)
    if row is None:
        session_refused.send(
            type(session), handle=key.handle, reason=Refusal.UNKNOWN, client=session.client
        )
    else:
        session_expired.send(type(session), handle=key.handle, user_id=row.user_id)
