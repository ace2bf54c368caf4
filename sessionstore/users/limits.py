"""SESSIONSTORE_MAX_PER_USER: how many sessions one user may have, exact also under a rush.

Each login writes its own row first and looks at all of them afterwards. Whoever looks last sees
every row, and whoever looks deletes only what has enough others before it in one fixed order. So
the rows that stay are always the same, whatever the order of the looks, without any lock.

The order is that of the sign-ins, by the clocks of the hosts on which they happened. One that lies
ahead of the clock of whoever looks would outrank the login that has just happened, and sign it out.
So it does not count as newer.
"""

from typing import Any

from django.db.models import BigIntegerField, Case, F, Value, When
from django.db.models.functions import Coalesce

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.session.ending import tell_revoked
from sessionstore.signals import Reason
from sessionstore.table.routed import BATCH

_ROUNDS = 100
# What signs in at once, on hosts whose clocks are as good as they get, keeps the one order.
_AT_ONCE_MS = 1000


def keep_limit_after_commit(session: Any, user_id: str) -> None:
    """Keep the limit once the row of ``session``, which has got this user, is there to stay."""
    if conf.max_per_user is not None:
        session.table.on_commit(lambda: keep_limit(session, user_id))


def keep_limit(session: Any, user_id: str) -> None:
    """End what this user has too much of: the oldest sign-ins."""
    limit, table = conf.max_per_user, session.table
    if limit is None:
        return
    now = expiry.now_ms()
    live = table.objects.filter(user_id=user_id, expires_at__gt=now)
    started = live.annotate(started=Coalesce("authenticated_at", "created_at"))
    ahead = When(started__gt=now + _AT_ONCE_MS, then=Value(now - expiry.CLOCKS_DIFFER_MS))
    rank = Case(ahead, default=F("started"), output_field=BigIntegerField())
    ranked = started.annotate(rank=rank)
    ranked = ranked.order_by("-rank", "-created_at", "-pk")
    for _ in range(_ROUNDS):
        # A user of another site that shares the table may have the same key.
        surplus = [bytes(row.pk) for row in ranked.all().own()[limit : limit + BATCH]]
        if not surplus:
            return
        table.remove_many(surplus)
        for row_id in surplus:
            handle = table.handle_of(row_id)
            tell_revoked(session, handle=handle, user_id=user_id, reason=Reason.LIMIT)
