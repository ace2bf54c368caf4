# ruff: noqa: ARG002 - Django's signatures
"""The history in the admin: to read, and nothing else."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from sessionstore.admin.rows import RowsAdmin, time_of
from sessionstore.history.table import events
from sessionstore.history.words import words_for, words_of
from sessionstore.history.writing import is_on
from sessionstore.models import SessionEvent, What
from sessionstore.signals import Reason
from sessionstore.users.words import browser_in_words, sign_ins_in_words


class WhatFilter(admin.SimpleListFilter):
    """By what happened."""

    title = _("event")
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        return list(What.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(what=self.value()) if self.value() in What.values else queryset


class ReasonFilter(admin.SimpleListFilter):
    """By why a session has ended."""

    title = _("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        return [(str(reason), f"{words_for(reason)} ({reason})") for reason in Reason]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(reason=self.value()) if self.value() in set(Reason) else queryset


@admin.register(SessionEvent)
class SessionEventAdmin(RowsAdmin):
    """Look and search; the newest first. Shown where the site keeps a history."""

    list_display = ("when", "event", "user", "by", "device", "address", "handle")
    list_filter = (WhatFilter, ReasonFilter)
    ordering = ("-pk",)
    # A table of any size comes in the order of its key, and in no other.
    sortable_by = ()
    search_help_text = _("A user's name or id.")
    actions = None
    change_list_template = "sessionstore/admin/change_list.html"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_on() and super().has_module_permission(request)

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return what this site has written, from where it is written."""
        return events.objects.own().order_by("-pk")

    # --- columns

    @admin.display(description=_("when"))
    def when(self, event: Any) -> str | None:
        return time_of(event.happened_at)

    @admin.display(description=_("what"))
    def event(self, event: Any) -> str:
        words, how = words_of(event), sign_ins_in_words(event.sign_ins)
        more = event.reason or how
        return f"{words} ({more})" if more else words

    @admin.display(description=_("by"))
    def by(self, event: Any) -> str:
        return str(getattr(event, "actor_name", "") or event.facts.get("ran_by") or "")

    @admin.display(description=_("browser"))
    def device(self, event: Any) -> str:
        return browser_in_words(event.user_agent) if event.user_agent else ""
