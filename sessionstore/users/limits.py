"""SESSIONSTORE_MAX_PER_USER: how many sessions one user may have, exact also under a rush.

Each login writes its own row first and looks at all of them afterwards, so whoever looks last sees
every row. A login counts as the newest for its own look, wherever its clock stands. All others rank
by the stamps that are stored, and never by the clock of whoever looks.

Two logins at once would therefore end each other. So whoever finds too many looks again with the
rows locked: one of the two finds that its own row is gone, and ends nothing for it.
"""

from typing import Any

from django.db.models.functions import Coalesce

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.session.ending import tell_revoked
from sessionstore.session.saving import in_round
from sessionstore.signals import Reason
from sessionstore.table.routed import BATCH, parts
from sessionstore.users.ended import remember

_ROUNDS = 100


def keep_limit_after_commit(session: Any, user_id: str, *, own: bytes | None = None) -> None:
    """Keep the limit once the row of ``session``, which has got this user, is there to stay."""
    if conf.max_per_user is not None:
        session.table.on_commit(lambda: keep_limit(session, user_id, own=own))


def keep_limit(session: Any, user_id: str, *, own: bytes | None = None) -> None:
    """End what this user has too much of: the oldest sign-ins, but not the one of the row ``own``.

    That is the one that has just happened; none where a session was moved in.
    """
    limit, table = conf.max_per_user, session.table
    if limit is None:
        return
    live = table.objects.filter(user_id=user_id, expires_at__gt=expiry.now_ms())
    started = live.annotate(started=Coalesce("authenticated_at", "created_at"))
    ranked = started.order_by("-started", "-created_at", "-pk")

    def end() -> list[Any]:
        surplus = _surplus(ranked.select_for_update(), limit=limit, own=own)
        for part in parts(surplus):
            table.remove_many([bytes(row.pk) for row in part])
        return surplus

    for _ in range(_ROUNDS):
        # Optimization: as a number, since a limit that is not reached needs no row. Those of
        # another site count too, so there are as many at least.
        if live.order_by().values("pk")[: limit + 1].count() <= limit:
            return
        if not _surplus(ranked.all(), limit=limit, own=own):
            return
        ended = in_round(table, end, lock=True)
        remember(ended, Reason.LIMIT)
        for row in ended:
            handle = table.handle_of(bytes(row.pk))
            tell_revoked(session, handle=handle, user_id=user_id, reason=Reason.LIMIT)


def _surplus(ranked: Any, *, limit: int, own: bytes | None) -> list[Any]:
    """Return what is too much of these rows, as much as a round ends.

    A round reads twice as much as it ends at most: else a user with many would cost their square.
    """
    # A user of another site that shares the table may have the same key.
    rows = ranked.own(limit + max(limit, BATCH), ending=True)
    # A stable sort: all but the own one keep their order. An own one that is not among them, for
    # its clock is behind, is among those of a later round.
    rows.sort(key=lambda row: bytes(row.pk) != own)
    return list(rows[limit:])
