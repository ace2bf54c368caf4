"""SESSIONSTORE_MAX_PER_USER: how many sessions one user may have, exact also under a rush.

Each login writes its own row first and looks at all of them afterwards. Who looks last sees every
row, and whoever looks deletes only what has enough others before it in one fixed order. So the
rows that stay are always the same, whatever the order of the looks, without any lock.
"""

from typing import Any

from django.db.models.functions import Coalesce

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.keys import handle_of
from sessionstore.signals import Reason, session_revoked

_ROUNDS = 100
_BATCH = 500


def has_room(session: Any, user_id: str) -> bool:
    """Tell whether this user may have one session more, apart from the one that asks."""
    limit = conf.max_per_user
    if limit is None or not session.rows.knows_users:
        return True
    others = _live(session.rows, user_id)
    session.keys()  # reads the row
    if session.user_id == user_id:
        others = others.exclude(pk=session.row_id)
    return bool(others.count() < limit)


def keep_limit(session: Any, user_id: str) -> None:
    """End what this user has too much of: the oldest sign-ins, or the newest where those yield.

    Sets ``session.is_surplus`` when that was the session itself.
    """
    limit, rows = conf.max_per_user, session.rows
    if limit is None or not rows.knows_users:
        return
    first = "" if session.yields else "-"
    names = [f"{first}{name}" for name in ("started", "created_at", "pk")]
    ranked = _live(rows, user_id).annotate(started=Coalesce("authenticated_at", "created_at"))
    ids = ranked.order_by(*names).values_list("pk", flat=True)
    for _ in range(_ROUNDS):
        # A row that is renamed meanwhile escapes its DELETE, and is found by the next look.
        surplus = [bytes(digest) for digest in ids[limit : limit + _BATCH]]
        if not surplus:
            return
        rows.remove_many(surplus)
        for digest in surplus:
            session.is_surplus = session.is_surplus or digest == session.row_id
            session_revoked.send(
                type(session), handle=handle_of(digest), user_id=user_id, reason=Reason.LIMIT
            )


def _live(rows: Any, user_id: str) -> Any:
    return rows.objects.filter(user_id=user_id, expires_at__gt=expiry.now_ms())
