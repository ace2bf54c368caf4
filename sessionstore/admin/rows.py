# ruff: noqa: ARG002 - Django's signatures
"""What the lists of sessions, known devices and events share in the admin.

Rows are looked at and searched by their user, never written. Where they are chosen to be ended they
go by their handle, which opens nothing, and Django's own way to delete is left out.
"""

from typing import Any

from django.contrib import admin
from django.contrib.admin import helpers
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.forms import CheckboxInput
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessionstore.admin.ending import located
from sessionstore.admin.users import ids_named, names_of
from sessionstore.conf.zones import aware, zone
from sessionstore.users.words import address_in_words


class NamedList(ChangeList):
    """A page of a list, with the names of its users: one query for all of them.

    Of a row that another site has written the name would be a stranger's: the user's key stays.
    """

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        own = [row for row in self.result_list if not getattr(row, "is_foreign", False)]
        ids = {getattr(row, column, None) for row in own for column in ("user_id", "actor_id")}
        names = names_of({one for one in ids if one})
        for row in self.result_list:
            row.user_name = row.user_id
        for row in own:
            row.user_name = names.get(row.user_id, row.user_id)
            if actor := getattr(row, "actor_id", None):
                row.actor_name = names.get(actor, actor)


class RowsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list of rows to look at and to search; nobody adds or changes one."""

    list_display_links = None
    list_per_page = 50
    # Counting a table of any size twice is once too much.
    show_full_result_count = False
    search_fields = ("user_id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Call the page by what it shows: Django would ask to select one to look at."""
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return NamedList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find rows by the name or the id of their user, and by handle where they have one."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found = Q(user_id__in=[term, *ids_named(term)]) | self.called(term)
        return queryset.filter(found), False

    def called(self, handle: str) -> Q:
        """Return the condition that finds the row with a handle; none has one here."""
        return Q()

    @admin.display(description=_("user"), ordering="user_id")
    def user(self, obj: Any) -> str:
        """Link to all rows of the user."""
        if obj.user_id is None:
            return gettext("anonymous")
        query = urlencode({"user_id__exact": obj.user_id})
        return format_html('<a href="?{}">{}</a>', query, obj.user_name)

    @admin.display(description=_("address"), ordering="ip")
    def address(self, obj: Any) -> str | None:
        return address_in_words(obj.ip) or None


class HandledAdmin(RowsAdmin):
    """Such a list, of which some rows may be chosen, by their handles, and ended."""

    # "Select the session %(handle)s", for who does not see the box.
    select_label: Any

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> Any:
        """Leave out Django's own way to delete: it ends no session, and no cache would hear."""
        actions = super().get_actions(request, **located(action_location))
        actions.pop("delete_selected", None)
        return actions

    def action_checkbox(self, obj: Any) -> Any:
        """Name the row by its handle."""
        label = self.select_label % {"handle": obj.handle}
        box = CheckboxInput({"class": "action-select", "aria-label": label}, lambda _: False)
        return box.render(helpers.ACTION_CHECKBOX_NAME, obj.handle)

    def response_action(
        self, request: Any, queryset: QuerySet[Any], action_location: Any = None
    ) -> Any:
        """Choose the rows by the handles of the checkboxes, where Django would by primary key."""
        fields = request.POST.copy()
        handles = fields.getlist(helpers.ACTION_CHECKBOX_NAME)
        if handles and fields.get("select_across") != "1":
            queryset = queryset.filter(pk__in=self.ids_of(handles))
            fields["select_across"] = "1"
            # The page that asks must send what was chosen, and not all.
            request.as_sent, request.POST = request.POST, fields
        return super().response_action(request, queryset, **located(action_location))

    def ids_of(self, handles: list[str]) -> list[bytes]:
        """Return the primary keys of the rows with these handles."""
        raise NotImplementedError


def time_of(moment: Any) -> str | None:
    """Return a moment as the lists show it, in the server's zone."""
    if moment is None:
        return None
    at = localtime(aware(moment), zone())
    shown = date_format(at, "SHORT_DATETIME_FORMAT")
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), shown)
