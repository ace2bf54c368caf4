# ruff: noqa: ARG002 - Django's signatures
"""The filters beside the list of sessions in the admin."""

from datetime import timedelta
from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from sessionstore.core import expiry

Choices = list[tuple[Any, Any]]


class StateFilter(SimpleListFilter):
    """Live, or only waiting to be cleaned up."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Choices:
        return [("live", _("live")), ("expired", _("expired"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = expiry.now_ms()
        if self.value() == "live":
            return queryset.filter(expires_at__gt=now)
        return queryset.filter(expires_at__lte=now) if self.value() == "expired" else queryset


class LastSeenFilter(SimpleListFilter):
    """By the time of last use."""

    title = _("last seen")
    parameter_name = "seen"
    spans = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Choices:
        return [
            ("hour", _("within the last hour")),
            ("day", _("within the last day")),
            ("week", _("within the last week")),
            ("older", _("longer ago")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = expiry.to_datetime(expiry.now_ms())
        if self.value() == "older":
            return queryset.filter(last_seen_at__lt=now - self.spans["week"])
        span = self.spans.get(self.value() or "")
        return queryset.filter(last_seen_at__gte=now - span) if span else queryset


class OwnerFilter(SimpleListFilter):
    """Of users, or of visitors who have not signed in."""

    title = _("who")
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Choices:
        return [("users", _("signed in")), ("visitors", _("anonymous"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in {"users", "visitors"}:
            return queryset.filter(user_id__isnull=self.value() == "visitors")
        return queryset
