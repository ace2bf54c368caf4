# ruff: noqa: ARG002 - Django's signatures
"""Known devices in the admin: who signs in where, and forget it. Never a token, never a digest."""

from contextlib import suppress
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q
from django.forms import CheckboxInput
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from sessionstore.admin.ending import ask, is_confirmed, located, tell
from sessionstore.admin.users import ids_named, names_of
from sessionstore.conf import conf
from sessionstore.core.keys import id_of
from sessionstore.known_devices.belonging import forget
from sessionstore.models import KnownDevice
from sessionstore.signals import Reason
from sessionstore.users.words import browser_in_words, place_of

_SHOWN = {"user_id", "user_id__exact", "signed_in_at", "created_at"}


class KnownDeviceList(ChangeList):
    """A page of the list, with the names of its users: one query. A stranger has a key alone."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        names = names_of({row.user_id for row in self.result_list if not row.is_foreign})
        for row in self.result_list:
            row.user_name = row.user_id if row.is_foreign else names.get(row.user_id, row.user_id)


@admin.register(KnownDevice)
class KnownDeviceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Look, search and forget; the action is for whoever may delete known devices."""

    list_display = ("device", "user", "address", "created_at", "signed_in_at", "trusted_until")
    list_display_links = None
    list_per_page = 50
    show_full_result_count = False
    ordering = ("-signed_in_at",)
    search_fields = ("user_id",)
    search_help_text = _("A user's name or id, or the handle of a device.")
    actions = ("forget_selected",)
    change_list_template = "sessionstore/admin/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the list alone: rows are not changed by hand."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        return [path("", self.admin_site.admin_view(self.changelist_view), name=name)]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show it where the site knows devices."""
        return conf.known_devices is not None and super().has_module_permission(request)

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """Leave it out of the index elsewhere; its app has other models."""
        perms = super().get_model_perms(request)
        return perms if conf.known_devices is not None else dict.fromkeys(perms, False)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Call the page by what it shows."""
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Refuse addresses that would tell a digest bit by bit."""
        return lookup in _SHOWN and super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request: HttpRequest) -> Any:
        """Leave out what proves anything. Security: what is not read is in no error report."""
        return super().get_queryset(request).defer("digest", "previous_digest", "seal")

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return KnownDeviceList

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> Any:
        """Leave out Django's own way to delete: the sessions would live on."""
        actions = super().get_actions(request, **located(action_location))
        actions.pop("delete_selected", None)
        return actions

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Find devices by handle, and by the name or the id of their user."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found = Q(user_id__in=[term, *ids_named(term)])
        with suppress(ValueError):
            found |= Q(pk=id_of(term))
        return queryset.filter(found), False

    # --- columns

    def action_checkbox(self, obj: Any) -> Any:
        """Name the row by its handle."""
        label = gettext("Select the device %(handle)s") % {"handle": obj.handle}
        box = CheckboxInput({"class": "action-select", "aria-label": label}, lambda _: False)
        return box.render(helpers.ACTION_CHECKBOX_NAME, obj.handle)

    @admin.display(description=_("device"))
    def device(self, obj: Any) -> str:
        words = browser_in_words(obj.user_agent)
        return format_html("{} ({})", obj.name, words) if obj.name else words

    @admin.display(description=_("user"), ordering="user_id")
    def user(self, obj: Any) -> str:
        query = urlencode({"user_id__exact": obj.user_id})
        return format_html('<a href="?{}">{}</a>', query, obj.user_name)

    @admin.display(description=_("address"))
    def address(self, obj: Any) -> str | None:
        return " · ".join(filter(None, (obj.ip, place_of(obj.ip)))) or None

    # --- the action

    def response_action(self, request: Any, queryset: Any, action_location: Any = None) -> Any:
        """Choose the rows by the handles of the checkboxes, where Django would by primary key."""
        fields = request.POST.copy()
        handles = fields.getlist(helpers.ACTION_CHECKBOX_NAME)
        if handles and fields.get("select_across") != "1":
            queryset = queryset.filter(pk__in=list(_ids(handles)))
            fields["select_across"] = "1"
            request.as_sent, request.POST = request.POST, fields
        return super().response_action(request, queryset, **located(action_location))

    @admin.action(description=_("Forget the selected devices"), permissions=["delete"])
    def forget_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Ask, then forget them and end their sessions; those of another site are left alone."""
        rows = [row for row in queryset if not row.is_foreign]
        names = names_of({row.user_id for row in rows})
        devices = [
            f"{names.get(row.user_id, row.user_id)}: {browser_in_words(row.user_agent)}"
            for row in rows
        ]
        if rows and not is_confirmed(request):
            back = reverse(f"{self.admin_site.name}:sessionstore_knowndevice_changelist")
            title = gettext("Forget the selected devices")
            return ask(request, self, title=title, ended=devices, back=back)
        forgotten, ended = forget([bytes(row.pk) for row in rows], reason=Reason.ADMIN)
        text = ngettext("%(n)d device is forgotten.", "%(n)d devices are forgotten.", forgotten) % {
            "n": forgotten
        }
        self.message_user(request, text, messages.SUCCESS if forgotten else messages.INFO)
        told = gettext("A known device was forgotten.")
        tell(request, self, ended, ended={row.user_id: told for row in rows})
        return None


def _ids(handles: list[str]) -> Any:
    for handle in handles:
        try:
            yield id_of(handle)
        except ValueError:
            continue
