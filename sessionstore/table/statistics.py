"""How many sessions there are, whose, how old and how large; cheap on a table of any size.

Digests are hashes, so the rows that follow a random digest are a random sample of the table, found
by the index of its keys. How densely they lie tells how many rows there are: k digests are off by
1/sqrt(k).

Digests lie side by side in their index, and their rows anywhere in the table: in one that is larger
than memory each is a read of the disk. So fewer rows are read than digests.
"""

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections
from django.db.models import Count, Q
from django.db.models.functions import Length, Substr

from sessionstore.conf.zones import aware
from sessionstore.core import expiry
from sessionstore.core.codec import COMPRESSED, ENCRYPTED, MARKED, SEALED
from sessionstore.models import FixedBytesField
from sessionstore.models.fields import column_in_order

from .rows import Rows, SqlTable

SAMPLE = 10_000
# So many of them are read as rows. A share of the table is then right within 2 %, as its size is.
READ = 4_000
# A user's sessions are counted up to here.
COUNTED = 10_000
_DIGEST_BYTES = 32
_ALL_DIGESTS = 1 << 8 * _DIGEST_BYTES
_FORMATS = {SEALED: "sealed", ENCRYPTED: "encrypted"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, and whether it was counted or estimated."""

    value: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Spread:
    """How values spread over the rows that were looked at."""

    median: int
    p95: int
    largest: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows there are; ``signed_in`` and ``anonymous`` are parts of ``live``.

    ``bound`` are those of ``signed_in`` that need a key of a device, ``clearable`` those of
    ``expired`` that clearsessions deletes: what ended ten minutes ago.
    """

    rows: Figure
    live: Figure
    signed_in: Figure
    anonymous: Figure
    expired: Figure
    bound: Figure
    clearable: Figure


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known of a table; ``looked_at`` rows of it were read."""

    table: str
    database: str
    looked_at: int
    counts: Counts
    oldest_end: datetime | None
    table_bytes: Figure | None
    data_bytes: Spread | None
    age_s: Spread | None
    unused_s: Spread | None
    writes: Spread | None
    formats: dict[str, int]
    top_users: list[tuple[str, int]]
    top_is_complete: bool


@dataclass(frozen=True, slots=True)
class Row:
    """What is read of a row; never its digest, key or contents."""

    user_id: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_bound: bool
    version: int
    user_agent: str | None
    size: int
    header: bytes


@dataclass(frozen=True, slots=True)
class Sample:
    """Random rows, and how many there are in all."""

    rows: Sequence[Row]
    total: Figure

    def scaled(self, count: int) -> Figure:
        """Return how many rows of the table ``count`` rows of the sample stand for."""
        if self.total.is_exact:
            return Figure(count, is_exact=True)
        return Figure(round(self.total.value * count / max(1, len(self.rows))), is_exact=False)


def collect(table: SqlTable, *, exact: bool = False, top: int = 10) -> Statistics:
    """Look at a sample of ``table``; with ``exact`` count every row as well.

    Sizes and ages always come from the sample.
    """
    objects = table.objects
    sample = take_sample(objects)
    now = expiry.to_datetime(expiry.now_ms())
    live = [row for row in sample.rows if row.expires_at > now]
    if exact and not sample.total.is_exact:
        counts = _counted(objects)
    else:
        users = sum(row.user_id is not None for row in live)
        bound = sum(row.is_bound for row in live)
        waited = expiry.to_datetime(expiry.now_ms() - expiry.CLOCKS_DIFFER_MS)
        old = sum(row.expires_at < waited for row in sample.rows)
        over = len(sample.rows) - len(live)
        parts = (len(live), users, len(live) - users, over, bound, old)
        counts = Counts(sample.total, *map(sample.scaled, parts))
    is_whole = exact or sample.total.is_exact
    return Statistics(
        table=table.table,
        database=table.alias,
        looked_at=len(sample.rows),
        counts=counts,
        oldest_end=oldest_end(objects),
        table_bytes=_table_bytes(table),
        data_bytes=_spread([row.size for row in sample.rows]),
        age_s=_spread([_seconds(now, row.created_at) for row in live]),
        unused_s=_spread([_seconds(now, row.last_seen_at) for row in live]),
        writes=_spread([row.version for row in sample.rows]),
        formats=dict(Counter(map(_format, sample.rows))),
        top_users=_top(objects, top) if is_whole else _top_of(live, objects, top),
        top_is_complete=is_whole,
    )


def take_sample(objects: Rows) -> Sample:
    """Read random rows of a queryset of the table: all, where there are fewer than ``SAMPLE``."""
    start = secrets.token_bytes(_DIGEST_BYTES)
    digests = _following(column_in_order(objects.order_by("digest"), "digest"), start, SAMPLE)
    rows = objects.annotate(
        size=Length("data"),
        header=Substr("data", 1, 1, output_field=FixedBytesField(max_length=1)),
    ).values_list(
        *("user_id", "created_at", "last_seen_at", "expires_at", "bound_at"),
        *("version", "user_agent", "size", "header"),
    )
    if len(digests) < SAMPLE:
        found = [_row(*values) for values in rows.order_by("digest")[:SAMPLE]]
        return Sample(found, Figure(len(found), is_exact=True))
    found = [
        _row(*values) for values in _following(rows.order_by("digest"), start, min(READ, SAMPLE))
    ]
    last = int.from_bytes(bytes(digests[-1]), "big")
    width = (last - int.from_bytes(start, "big")) % _ALL_DIGESTS
    return Sample(found, Figure(round((SAMPLE - 1) * _ALL_DIGESTS / width), is_exact=False))


def _following(ordered: Rows, start: bytes, count: int) -> Rows:
    """Return what comes first from a digest on, and then from the first digest of all."""
    found = list(ordered.filter(digest__gte=start)[:count])
    if len(found) < count:
        found += ordered.filter(digest__lt=start)[: count - len(found)]
    return found


def _row(user_id: str | None, *values: Any) -> Row:
    # Ages are differences, which naive times have wrong when the clock has changed in between.
    columns: list[Any] = [aware(at) for at in values[:3]]
    columns += [values[3] is not None, *values[4:]]
    return Row(user_id, *columns)


def oldest_end(objects: Rows) -> datetime | None:
    """Return when the session ended that ended first, of those that are still there."""
    ends = column_in_order(objects.expired().order_by("expires_at"), "expires_at")
    found: datetime | None = ends.first()
    return None if found is None else aware(found)


def _counted(objects: Rows) -> Counts:
    """Count by one scan of the table."""
    now = expiry.now_ms()
    live = Q(expires_at__gt=now)
    found = objects.aggregate(
        rows=Count("pk"),
        live=Count("pk", filter=live),
        signed_in=Count("pk", filter=live & Q(user_id__isnull=False)),
        bound=Count("pk", filter=live & Q(bound_at__isnull=False)),
        clearable=Count("pk", filter=Q(expires_at__lt=now - expiry.CLOCKS_DIFFER_MS)),
    )
    rows, living, signed_in = found["rows"], found["live"], found["signed_in"]
    parts = (signed_in, living - signed_in, rows - living, found["bound"], found["clearable"])
    numbers = (rows, living, *parts)
    return Counts(*(Figure(number, is_exact=True) for number in numbers))


def _top(objects: Rows, top: int) -> list[tuple[str, int]]:
    """Return who has most live sessions, counted."""
    live = objects.live().filter(user_id__isnull=False).order_by()
    counted = live.values_list("user_id").annotate(sessions=Count("pk"))
    return list(counted.order_by("-sessions", "user_id")[:top])


def _top_of(live: Sequence[Row], objects: Rows, top: int) -> list[tuple[str, int]]:
    """Return who of a sample has most sessions, counted up to ``COUNTED`` by the index of users.

    Those that have ended count too: whether a session lives, only its row tells.
    """
    seen = Counter(row.user_id for row in live if row.user_id is not None)
    counts = {
        user_id: objects.filter(user_id=user_id).order_by().values("user_id")[:COUNTED].count()
        for user_id, _ in seen.most_common(top)
    }
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def _table_bytes(table: SqlTable) -> Figure | None:
    """Return what the table takes on disk with its indexes, where the database knows."""
    connection = connections[table.alias]
    statements = {
        "postgresql": "SELECT pg_total_relation_size(%s::regclass)",
        "mysql": "SELECT data_length + index_length FROM information_schema.tables "
        "WHERE table_schema = DATABASE() AND table_name = %s",
    }
    if connection.vendor not in statements:
        return None
    name = table.table
    if connection.vendor == "postgresql":
        name = connection.ops.quote_name(name)
    with connection.cursor() as cursor:
        cursor.execute(statements[connection.vendor], [name])
        found = cursor.fetchone()
    if not found or found[0] is None:
        return None
    return Figure(int(found[0]), is_exact=connection.vendor == "postgresql")


def _format(row: Row) -> str:
    header = bytes(row.header or b"\0")[0]
    name = _FORMATS.get(header & ~(COMPRESSED | MARKED), "unknown")
    return f"{name}, compressed" if header & COMPRESSED else name


def _seconds(later: datetime, earlier: datetime) -> int:
    return max(0, int((later - earlier).total_seconds()))


def _spread(values: list[int]) -> Spread | None:
    if not values:
        return None
    ordered = sorted(values)
    last = len(ordered) - 1
    return Spread(ordered[last // 2], ordered[round(last * 0.95)], ordered[-1])
