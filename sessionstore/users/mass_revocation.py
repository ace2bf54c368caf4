"""Ends many sessions for an administrator: those of a user, old ones, all.

Never by one big DELETE: it would stall live traffic.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import router
from django.db.models import Q

from sessionstore.cleaning import nap
from sessionstore.core import expiry
from sessionstore.core.keys import id_of
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.table.rows import SqlTable
from sessionstore.users.revocation import revoke_each

_PAGE = 500
# A table of Express does not tell the sessions that began after the command.
_PASSES_ON_EXPRESS = 5


@dataclass(frozen=True, slots=True)
class Which:
    """Sessions to end, as a condition on their columns and in words."""

    words: str
    condition: Q = field(default_factory=Q)


def of_user(user_id: str) -> Which:
    return Which(f"of the user with the id {user_id}", Q(user_id=user_id))


def all_until_now() -> Which:
    """Everybody's; without an end in time, new visitors would make it endless.

    A table of Express knows no creation: there the passes are counted instead.
    """
    return Which("of everybody", Q(created_at__lte=expiry.now_ms()))


def started_before(moment_ms: int) -> Which:
    """Those whose login, or creation where nobody signed in, lies before a moment."""
    signed_in = Q(authenticated_at__lt=moment_ms)
    never = Q(authenticated_at__isnull=True, created_at__lt=moment_ms)
    moment = expiry.to_datetime(moment_ms)
    return Which(f"that began before {moment:%Y-%m-%d %H:%M} UTC", signed_in | never)


def of_handle(handle: str) -> Which:
    """The one that a handle names. Raises ValueError when it is no handle."""
    return Which(f"with the handle {handle}", Q(pk=id_of(handle)))


def count(session: SessionBackend, which: Which) -> int:
    """Count those in the table of ``session``, an empty one of the engine to use."""
    if not isinstance(session.table, SqlTable):
        return int(session.table.count())
    return int(session.table.objects.filter(which.condition).count())


def revoke(
    session: SessionBackend,
    which: Which,
    *,
    stop: Callable[[], bool] = lambda: False,
    on_batch: Callable[[int], object] = lambda _: None,
) -> int:
    """End sessions; return how many. What a stop leaves is still there.

    Ends with a pass that ends nothing: a server whose clock is behind may have put a row among
    those that were read already. On a table of Express the fifth pass is the last: visitors come
    all the time, and their new sessions look like any other there.
    """
    removed, passes, ended = 0, 0, 1
    most = None if isinstance(session.table, SqlTable) else _PASSES_ON_EXPRESS
    while ended and passes != most and not stop():
        passes, ended = passes + 1, 0
        for batch in _batches(session, which):
            begun = time.monotonic()
            count = batch()
            ended += count
            on_batch(count)
            if stop():
                break
            nap(time.monotonic() - begun, stop)
        removed += ended
    return removed


def inactive_user_ids(session: SessionBackend) -> Iterator[str]:
    """Return the ids of users who have sessions, but are disabled or gone.

    The users are asked for where they are written: on a replica that lags, new ones are gone.
    """
    after = ""
    while page := list(
        session.table.objects.filter(user_id__gt=after)
        .order_by("user_id")
        .values_list("user_id", flat=True)
        .distinct()[:_PAGE]
    ):
        active = _active_among(page)
        yield from (user_id for user_id in page if user_id not in active)
        after = page[-1]


def _active_among(user_ids: list[str]) -> set[str]:
    model: Any = get_user_model()
    key = model._meta.pk
    wanted = []
    for user_id in user_ids:
        try:
            wanted.append(key.to_python(user_id))
        except ValidationError:
            continue
    users = model._base_manager.using(router.db_for_write(model)).filter(pk__in=wanted)
    try:
        model._meta.get_field("is_active")
    except FieldDoesNotExist:
        return {key.value_to_string(user) for user in users if getattr(user, "is_active", True)}
    return {key.value_to_string(user) for user in users.filter(is_active=True).only("pk")}


def _batches(session: SessionBackend, which: Which) -> Iterator[Callable[[], int]]:
    """Return what ends each page of them, by primary key: a table of any size is read once."""
    table = session.table
    if not isinstance(table, SqlTable):
        sid = b""
        while ids := table.live_after(sid, _PAGE):
            yield partial(table.remove_many, ids)
            sid = ids[-1]
        return
    chosen = table.objects.filter(which.condition).order_by("pk")
    last = b""
    while found := list(chosen.filter(pk__gt=last).only("user_id")[:_PAGE]):
        yield partial(revoke_each, found, reason=Reason.COMMAND, session=session)
        last = bytes(found[-1].pk)
