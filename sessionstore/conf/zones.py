"""Moments as Django shows them: aware, or with USE_TZ = False naive in TIME_ZONE."""

from datetime import UTC, datetime, tzinfo

from django.utils import timezone

from sessionstore.conf import conf


def zone() -> tzinfo:
    """Return the zone in which a naive datetime counts: with USE_TZ = False always TIME_ZONE."""
    return timezone.get_current_timezone() if conf.use_tz else timezone.get_default_timezone()


def shown(moment: datetime) -> datetime:
    """Return an aware datetime as Django shows it: naive in TIME_ZONE when USE_TZ is False.

    In the hour that an autumn clock change repeats, ``fold`` tells which of the two it is.
    """
    return moment if conf.use_tz else timezone.make_naive(moment, zone())


def aware(moment: datetime, *, naive_in: tzinfo | None = None) -> datetime:
    """Return a moment in UTC: sums and differences in a zone of its own follow the wall clock."""
    if timezone.is_naive(moment):
        moment = timezone.make_aware(moment, naive_in or zone())
    return moment.astimezone(UTC)
