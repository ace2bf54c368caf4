"""Ends sessions for an administrator: those of a user, old ones, all; never by one big DELETE.

A session that is being renamed escapes a DELETE, so each function looks again until it finds none.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import router
from django.db.models import Q

from . import expiry
from .cleaning import nap

security_log = logging.getLogger("sessionstore.security")
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Which:
    """Sessions to end, as a condition on their columns and in words."""

    words: str
    condition: Q = field(default_factory=Q)


def of_user(user_id: str) -> Which:
    return Which(f"of the user with the id {user_id}", Q(user_id=user_id))


def all_until_now() -> Which:
    """Everybody's; without an end in time, new visitors would make it endless."""
    return Which("of everybody", Q(created_at__lte=expiry.now_ms()))


def started_before(moment_ms: int) -> Which:
    """Those whose login, or creation where nobody signed in, lies before a moment."""
    signed_in = Q(authenticated_at__lt=moment_ms)
    never = Q(authenticated_at__isnull=True, created_at__lt=moment_ms)
    moment = expiry.to_datetime(moment_ms)
    return Which(f"that began before {moment:%Y-%m-%d %H:%M} UTC", signed_in | never)


def has_users(rows: Any) -> bool:
    """Tell whether the table has columns to choose by; that of Express has none."""
    return hasattr(rows, "model")


def count(rows: Any, which: Which) -> int:
    if not has_users(rows):
        return int(rows.count())
    return int(_objects(rows).filter(which.condition).count())


def revoke(
    rows: Any,
    which: Which,
    *,
    stop: Callable[[], bool] = lambda: False,
    on_batch: Callable[[int], object] = lambda _: None,
) -> int:
    """End sessions; answer how many. What a stop leaves is still there.

    A pass that deletes nothing is not the end: all that it found may have been renamed. One that
    finds nothing is, because it is a single SELECT.
    """
    removed, found = 0, True
    while found and not stop():
        found = False
        for digests in _pages(rows, which):
            found = True
            begun = time.monotonic()
            batch = rows.remove_many(digests)
            removed += batch
            on_batch(batch)
            if stop():
                break
            nap(time.monotonic() - begun, stop)
    security_log.info("Revoked %d sessions %s", removed, which.words)
    return removed


def count_handle(rows: Any, handle: str) -> int:
    return int(_objects(rows).by_handle(handle).count())


def revoke_handle(rows: Any, handle: str) -> int:
    """End the session that a handle names, also when a login is just renaming it."""
    removed = 0
    for row in _objects(rows).by_handle(handle).only("created_at", "user_id"):
        removed += rows.remove(bytes(row.pk)) or (
            rows.remove_renamed(row.user_id, expiry.to_ms(row.created_at)) if row.user_id else 0
        )
    security_log.info("Revoked %d sessions by the handle %s", removed, handle)
    return removed


def inactive_user_ids(rows: Any) -> Iterator[str]:
    """Answer the ids of users who have sessions, but are disabled or gone.

    The users are asked for where they are written: on a replica that lags, new ones are gone.
    """
    after = ""
    while page := list(
        _objects(rows)
        .filter(user_id__gt=after)
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


def _pages(rows: Any, which: Which) -> Iterator[list[bytes]]:
    """Answer the ids in pages, by primary key: a table of any size is read once."""
    if not has_users(rows):
        yield from _express_pages(rows)
        return
    found = _objects(rows).filter(which.condition).order_by("pk").values_list("pk", flat=True)
    after = b""
    while page := [bytes(pk) for pk in found.filter(pk__gt=after)[:_PAGE]]:
        yield page
        after = page[-1]


def _express_pages(rows: Any) -> Iterator[list[bytes]]:
    after = ""
    while page := rows.page(after, _PAGE):
        yield [sid.encode() for sid, _ in page]
        after = page[-1][0]


def _objects(rows: Any) -> Any:
    return rows.model._default_manager.using(rows.alias)
