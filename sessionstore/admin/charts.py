"""The statistics page as bars: how many live sessions of which age, size and browser.

From the same random sample as ``sessionstats``, so that the page costs the same on a table of any
size. Above the size of the sample, numbers are estimates and say so.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sessionstore.core import expiry
from sessionstore.table.statistics import Figure, Row, Sample, take_sample
from sessionstore.users.words import browser_family

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
# The width of the widest bar, in units of the picture, which is 400 wide.
FULL = 160
_BARS_AT, _ROW, _TOP = 150, 26, 2
_MOST_BROWSERS = 7

Steps = Sequence[tuple[float, Any]]
_AGES: Steps = (
    (5 * _MINUTE_S, gettext_lazy("up to 5 minutes")),
    (_HOUR_S, gettext_lazy("up to an hour")),
    (_DAY_S, gettext_lazy("up to a day")),
    (7 * _DAY_S, gettext_lazy("up to a week")),
    (30 * _DAY_S, gettext_lazy("up to 30 days")),
    (float("inf"), gettext_lazy("longer")),
)
_SIZES: Steps = (
    (256, gettext_lazy("up to 256 bytes")),
    (1024, gettext_lazy("up to 1 KiB")),
    (4 * 1024, gettext_lazy("up to 4 KiB")),
    (16 * 1024, gettext_lazy("up to 16 KiB")),
    (64 * 1024, gettext_lazy("up to 64 KiB")),
    (float("inf"), gettext_lazy("larger")),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar with its place in the picture."""

    label: str
    number: str
    width: int
    y: int

    @property
    def text_y(self) -> int:
        return self.y + 15

    @property
    def number_x(self) -> int:
        """Where the number starts: behind the bar."""
        return _BARS_AT + self.width + 8


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture: its bars from the top down, and what it shows in words."""

    name: str
    title: str
    bars: tuple[Bar, ...]

    @property
    def height(self) -> int:
        return 2 * _TOP + _ROW * len(self.bars)


@dataclass(frozen=True, slots=True)
class Page:
    """What the page shows: totals as label and number, then pictures."""

    totals: tuple[tuple[str, str], ...]
    charts: tuple[Chart, ...]
    looked_at: int
    is_exact: bool


def draw(objects: Any) -> Page:
    """Draw the pictures of the table behind a queryset."""
    sample = take_sample(objects)
    now_ms = expiry.now_ms()
    now = expiry.to_datetime(now_ms)
    live = [row for row in sample.rows if row.expires_at > now]
    expired = [row for row in sample.rows if row.expires_at <= now]

    def ages(rows: Iterable[Row], name: str) -> Counter[str]:
        return _count(_AGES, (_seconds(now, getattr(row, name)) for row in rows))

    pictures = (
        ("age", _("Live sessions by age"), ages(live, "created_at")),
        ("activity", _("Live sessions by last activity"), ages(live, "last_seen_at")),
        ("expired", _("Expired, not cleaned up yet, by time since"), ages(expired, "expires_at")),
        ("size", _("Stored size"), _count(_SIZES, (row.size for row in sample.rows))),
        ("browser", _("Browsers of who is signed in"), _browsers(live)),
    )
    signed_in = sum(row.user_id is not None for row in live)
    totals = (
        (_("live"), len(live)),
        (_("signed in"), signed_in),
        (_("anonymous"), len(live) - signed_in),
        (_("expired"), len(expired)),
    )
    return Page(
        tuple((label, _in_words(sample.scaled(count))) for label, count in totals),
        tuple(_chart(sample, name, title, counts) for name, title, counts in pictures),
        len(sample.rows),
        sample.total.is_exact,
    )


def _count(steps: Steps, values: Iterable[float]) -> Counter[str]:
    """Count values into steps; each step is there, also when it is empty."""
    counts = Counter({str(label): 0 for _, label in steps})
    counts.update(_step(steps, value) for value in values)
    return counts


def _step(steps: Steps, value: float) -> str:
    return str(next(label for limit, label in steps if value <= limit))


def size_in_words(size: int) -> str:
    """Return such as "up to 4 KiB", in the steps of the picture."""
    return _step(_SIZES, size)


def _browsers(rows: list[Row]) -> Counter[str]:
    counts = Counter(browser_family(row.user_agent) for row in rows if row.user_id is not None)
    most = Counter(dict(counts.most_common(_MOST_BROWSERS)))
    if len(counts) > len(most):
        most[_("others")] = counts.total() - most.total()
    return most


def _chart(sample: Sample, name: str, title: str, counts: Counter[str]) -> Chart:
    highest = max(counts.values(), default=0)
    if not highest:
        return Chart(name, title, ())
    bars = tuple(
        Bar(
            label=label,
            number=_in_words(sample.scaled(count)),
            # What is there at all shows at all.
            width=max(2, round(FULL * count / highest)) if count else 0,
            y=_TOP + place * _ROW,
        )
        for place, (label, count) in enumerate(counts.items())
    )
    return Chart(name, title, bars)


def _in_words(figure: Figure) -> str:
    number = number_format(figure.value, force_grouping=True)
    return number if figure.is_exact else _("about %(number)s") % {"number": number}


def _seconds(later: Any, earlier: Any) -> float:
    return max(0.0, float((later - earlier).total_seconds()))
