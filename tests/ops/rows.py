"""Makes rows of the session table without going through an engine."""

import secrets
from typing import Any

from sessionstore.core import expiry
from sessionstore.core.keys import DIGEST_BYTES, new_id
from sessionstore.models import Session


def add_rows(count: int, *, expires_in_s: float, alias: str, **columns: Any) -> list[Session]:
    """Insert ``count`` rows whose session ends in so many seconds (negative: has ended)."""
    now = expiry.now_ms()
    values = {
        "data": b"",
        "version": 1,
        "created_at": now - 3_600_000,
        "last_seen_at": now - 3_600_000,
        "expires_at": now + int(expires_in_s * 1000),
    } | columns
    names = [{"id": new_id(now), "digest": secrets.token_bytes(DIGEST_BYTES)} for _ in range(count)]
    rows = [Session(**name, **values) for name in names]
    return Session.objects.using(alias).bulk_create(rows, batch_size=500)


def count_rows(alias: str) -> int:
    return Session.objects.using(alias).count()
