"""What a login means for a binding: a new one, with a new key of the device."""

from functools import partial
from typing import Any

from sessionstore.conf import conf
from sessionstore.session.ending import delete_for_good, tell_revoked
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason


def bind_anew(session: SessionBackend, user_id: object) -> None:
    """Let a login begin without a binding, and end the row that it could not prove to be its own.

    So whoever has bound a session that somebody else had signed in to, by a stolen answer to the
    login, loses it as soon as its user signs in again.
    """
    if conf.device_age_ms is None:
        return
    session.may_bind = True
    table: Any = session.table
    if session.bound_at_ms is not None and session.row_id is not None:
        table.unbind(session.row_id)
    row = session.withheld
    if row is None or row.user_id is None or row.user_id != str(user_id):
        return
    if delete_for_good(partial(table.remove, row.id, digest=row.digest), table.alias):
        handle = table.handle_of(row.id)
        tell_revoked(session, handle=handle, user_id=row.user_id, reason=Reason.REPLACED)
