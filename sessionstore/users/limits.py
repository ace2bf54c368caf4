"""SESSIONSTORE_MAX_PER_USER: how many sessions one user may have, exact also under a rush.

Each login writes its own row first and looks at all of them afterwards. Whoever looks last sees
every row, and whoever looks deletes only what has enough others before it in one fixed order. So
the rows that stay are always the same, whatever the order of the looks, without any lock.
"""

from typing import Any

from django.db.models.functions import Coalesce

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.session.ending import tell_revoked
from sessionstore.signals import Reason
from sessionstore.table.routed import BATCH

_ROUNDS = 100


def keep_limit_after_commit(session: Any, user_id: str) -> None:
    """Keep the limit once the row of ``session``, which has got this user, is there to stay."""
    if conf.max_per_user is not None:
        session.table.on_commit(lambda: keep_limit(session, user_id))


def keep_limit(session: Any, user_id: str) -> None:
    """End what this user has too much of: the oldest sign-ins."""
    limit, table = conf.max_per_user, session.table
    if limit is None:
        return
    live = table.objects.filter(user_id=user_id, expires_at__gt=expiry.now_ms())
    ranked = live.annotate(started=Coalesce("authenticated_at", "created_at"))
    ids = ranked.order_by("-started", "-created_at", "-pk").values_list("pk", flat=True)
    for _ in range(_ROUNDS):
        surplus = [bytes(row_id) for row_id in ids[limit : limit + BATCH]]
        if not surplus:
            return
        table.remove_many(surplus)
        for row_id in surplus:
            handle = table.handle_of(row_id)
            tell_revoked(session, handle=handle, user_id=user_id, reason=Reason.LIMIT)
