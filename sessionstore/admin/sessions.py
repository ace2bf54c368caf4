# ruff: noqa: ARG002 - Django's signatures
"""Sessions in the admin: who is signed in where, and end it. Never a key, never what is stored.

Rows go by their handle, in checkboxes and links too, and there is no page of a single row.
"""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.db.models.functions import Length
from django.forms import CheckboxInput
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from sessionstore.admin.charts import draw, size_in_words
from sessionstore.admin.filters import LastSeenFilter, OwnerFilter, StateFilter
from sessionstore.admin.users import ids_named, names_of
from sessionstore.conf.zones import aware, zone
from sessionstore.models import Session
from sessionstore.signals import Reason
from sessionstore.table.rows import SqlTable
from sessionstore.users.revocation import revoke_all_of_each, revoke_each, site_session
from sessionstore.users.words import browser_in_words, place_of

# No address may ask for these: it would tell them letter by letter, and sizes byte by byte.
_HIDDEN = {"pk", "id", "digest", "previous_digest", "data", "device_key", "bytes"}


class SessionList(ChangeList):
    """A page of the list, with the names of its users: one query for all of them.

    Of a row that another site has written the name would be a stranger's: the user's key stays.
    """

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        own = [row for row in self.result_list if not row.is_foreign]
        names = names_of({row.user_id for row in own if row.user_id})
        for row in self.result_list:
            row.user_name = row.user_id
        for row in own:
            row.user_name = names.get(row.user_id, row.user_id)


@admin.register(Session)
class SessionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Look, search and end; for whoever may delete sessions, the two actions."""

    list_display = (
        *("session", "user", "state", "device", "address"),
        *("signed_in", "bound", "last_seen", "expires", "size"),
    )
    list_display_links = None
    list_filter = (StateFilter, LastSeenFilter, OwnerFilter)
    list_per_page = 50
    # Counting a table of any size twice is once too much; and this order has an index.
    show_full_result_count = False
    ordering = ("-expires_at",)
    search_fields = ("user_id",)
    search_help_text = _("A user's name or id, or the handle of a session.")
    actions = ("end_selected", "end_all_of_users")
    change_list_template = "sessionstore/admin/change_list.html"

    # --- what there is, and what one may

    def get_urls(self) -> list[URLPattern]:
        """Return the list and the statistics; there is no page of one row."""
        wrap = self.admin_site.admin_view
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path("", wrap(self.changelist_view), name=f"{name}_changelist"),
            path("statistics/", wrap(self.statistics_view), name=f"{name}_statistics"),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Call the page by what it shows: Django would ask to select one to look at."""
        title = capfirst(str(self.opts.verbose_name_plural))
        if request.method == "GET":
            self._tell_if_elsewhere(request)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> Any:
        """Leave out Django's own way to delete: no cache would hear of it."""
        actions = super().get_actions(request, **_location(action_location))
        actions.pop("delete_selected", None)
        return actions

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Refuse addresses that ask for a digest, for contents or for their size, bit by bit."""
        if lookup.partition("__")[0] in _HIDDEN:
            return False
        return super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request: HttpRequest) -> Any:
        rows: Any = super().get_queryset(request)
        return rows.with_head().annotate(bytes=Length("data"))

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return SessionList

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Find sessions by handle, and by the name or the id of their user."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found = Q(user_id__in=[term, *ids_named(term)])
        by_handle = self.model._default_manager.by_handle(term).values("pk")
        return queryset.filter(found | Q(pk__in=by_handle)), False

    # --- columns

    def action_checkbox(self, obj: Any) -> Any:
        """Name the row by its handle."""
        label = gettext("Select the session %(handle)s") % {"handle": obj.handle}
        box = CheckboxInput({"class": "action-select", "aria-label": label}, lambda _: False)
        return box.render(helpers.ACTION_CHECKBOX_NAME, obj.handle)

    @admin.display(description=_("session"))
    def session(self, obj: Any) -> str:
        return format_html("<code>{}</code>", obj.handle)

    @admin.display(description=_("user"), ordering="user_id")
    def user(self, obj: Any) -> str:
        if obj.user_id is None:
            return gettext("anonymous")
        query = urlencode({"user_id__exact": obj.user_id})
        return format_html('<a href="?{}">{}</a>', query, obj.user_name)

    @admin.display(description=_("device"))
    def device(self, obj: Any) -> str | None:
        return browser_in_words(obj.user_agent) if obj.user_agent else None

    @admin.display(description=_("address"), ordering="ip")
    def address(self, obj: Any) -> str | None:
        return " · ".join(filter(None, (obj.ip, place_of(obj.ip)))) or None

    @admin.display(description=_("signed in"), ordering="authenticated_at")
    def signed_in(self, obj: Any) -> str | None:
        return _time(obj.authenticated_at)

    @admin.display(description=_("bound to the device"), ordering="bound_at")
    def bound(self, obj: Any) -> str | None:
        return _time(obj.bound_at)

    @admin.display(description=_("last seen"), ordering="last_seen_at")
    def last_seen(self, obj: Any) -> str | None:
        return _time(obj.last_seen_at)

    @admin.display(description=_("expires"), ordering="expires_at")
    def expires(self, obj: Any) -> str | None:
        return _time(obj.expires_at)

    @admin.display(description=_("size"))
    def size(self, obj: Any) -> str:
        """Tell the size in coarse steps, and sort by nothing finer.

        Security: who sees exact sizes, and has somebody's browser send requests, measures what
        else the session holds.
        """
        return size_in_words(obj.bytes)

    @admin.display(description=_("state"))
    def state(self, obj: Any) -> str:
        return gettext("live") if obj.is_live else gettext("expired")

    # --- actions

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], action_location: Any = None
    ) -> Any:
        """Choose the rows by the handles of the checkboxes, where Django would by primary key."""
        fields = request.POST.copy()
        handles = fields.getlist(helpers.ACTION_CHECKBOX_NAME)
        if handles and fields.get("select_across") != "1":
            by_handle = self.model._default_manager.by_handle
            ids = [row.pk for handle in handles for row in by_handle(handle).only("pk")]
            queryset = queryset.filter(pk__in=ids)
            fields["select_across"] = "1"
            request.POST = fields  # type: ignore[assignment]
        return super().response_action(request, queryset, **_location(action_location))

    @admin.action(description=_("End selected sessions"), permissions=["delete"])
    def end_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """End them all but the one that asks: signing out is for that.

        Those of another site, which shares the table, are left alone: it would not hear of it.
        """
        if self._tell_if_elsewhere(request):
            return
        asks = getattr(request.session, "handle", None)
        rows = [row for row in queryset.only("user_id", "digest") if row.handle != asks]
        own = [row for row in rows if not row.is_foreign]
        self._tell(request, revoke_each(own, reason=Reason.ADMIN))
        if left := len(rows) - len(own):
            text = ngettext(
                "%(n)d session of another site was left alone.",
                "%(n)d sessions of another site were left alone.",
                left,
            )
            self.message_user(request, text % {"n": left}, messages.WARNING)

    @admin.action(description=_("End all sessions of the selected users"), permissions=["delete"])
    def end_all_of_users(self, request: HttpRequest, queryset: Any) -> None:
        """End whatever the users of these rows have, apart from the session that asks."""
        if self._tell_if_elsewhere(request):
            return
        own = getattr(request.session, "row_id", None)
        rows = queryset.exclude(user_id=None).only("user_id").own()
        users = {row.user_id for row in rows}
        self._tell(request, revoke_all_of_each(users, reason=Reason.ADMIN, but=own))

    def _tell_if_elsewhere(self, request: HttpRequest) -> bool:
        """Tell whether, and say that, these rows are left over: the site's are in another table."""
        session = site_session()
        if session is None or isinstance(session.table, SqlTable):
            return False
        text = gettext("This site shares its sessions with Express: they are not in this table.")
        self.message_user(request, text, messages.WARNING)
        return True

    def _tell(self, request: HttpRequest, ended: int) -> None:
        text = ngettext("%(n)d session was ended.", "%(n)d sessions were ended.", ended)
        text %= {"n": ended}
        LogEntry.objects.create(
            user_id=cast("int", request.user.pk),
            object_repr=str(self.opts.verbose_name_plural),
            action_flag=DELETION,
            change_message=text,
        )
        self.message_user(request, text, messages.SUCCESS if ended else messages.INFO)

    # --- statistics

    def statistics_view(self, request: HttpRequest) -> HttpResponse:
        """Show how many sessions there are, how old and how large, as pictures."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Session statistics"),
            "opts": self.opts,
            "page": draw(self.model._default_manager.all()),
        }
        return TemplateResponse(request, "sessionstore/admin/statistics.html", context)


def _location(action_location: Any) -> dict[str, Any]:
    """Compat: Django 6.1 says on which page the actions stand; before it there was only one."""
    return {} if action_location is None else {"action_location": action_location}


def _time(moment: Any) -> str | None:
    if moment is None:
        return None
    at = localtime(aware(moment), zone())
    shown = date_format(at, "SHORT_DATETIME_FORMAT")
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), shown)
