"""What a login means for a binding: a new one, with a new key of the device."""

from typing import Any

from sessionstore.conf import conf
from sessionstore.session.ending import delete_when_moved, tell_revoked
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
    session.unbind()
    row = session.withheld
    if row is None or row.user_id is None or row.user_id != str(user_id):
        return

    def end() -> None:
        if table.remove(row.id, digest=row.digest):
            handle = table.handle_of(row.id)
            tell_revoked(session, handle=handle, user_id=row.user_id, reason=Reason.REPLACED)

    # A login that is rolled back has not replaced anything.
    delete_when_moved(end, table.alias, to=table.alias)
