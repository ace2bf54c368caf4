"""Known devices in the admin: who signs in where, and forget it. Never a token, never a digest."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from sessionstore.admin.ending import ask, is_confirmed, tell
from sessionstore.admin.rows import HandledAdmin, time_of
from sessionstore.admin.users import names_of
from sessionstore.conf import conf
from sessionstore.core.keys import id_of
from sessionstore.known_devices.belonging import forget
from sessionstore.models import KnownDevice
from sessionstore.signals import Reason
from sessionstore.users.words import browser_in_words

_SHOWN = {"user_id", "user_id__exact", "signed_in_at", "created_at"}


@admin.register(KnownDevice)
class KnownDeviceAdmin(HandledAdmin):
    """Look, search and forget; the action is for whoever may delete known devices."""

    list_display = ("device", "user", "address", "first_at", "last_at", "trusted")
    ordering = ("-signed_in_at",)
    search_help_text = _("A user's name or id, or the handle of a device.")
    select_label = _("Select the device %(handle)s")
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

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Refuse addresses that would tell a digest bit by bit."""
        return lookup in _SHOWN and super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request: HttpRequest) -> Any:
        """Leave out what proves anything. Security: what is not read is in no error report."""
        return super().get_queryset(request).defer("digest", "previous_digest", "seal")

    def called(self, handle: str) -> Q:
        return Q(pk__in=self.ids_of([handle]))

    def ids_of(self, handles: list[str]) -> list[bytes]:
        return list(_ids(handles))

    # --- columns

    @admin.display(description=_("device"))
    def device(self, obj: Any) -> str:
        words = browser_in_words(obj.user_agent)
        return format_html("{} ({})", obj.name, words) if obj.name else words

    @admin.display(description=_("first sign-in"), ordering="created_at")
    def first_at(self, obj: Any) -> str | None:
        return time_of(obj.created_at)

    @admin.display(description=_("last sign-in"), ordering="signed_in_at")
    def last_at(self, obj: Any) -> str | None:
        return time_of(obj.signed_in_at)

    @admin.display(description=_("trusted until"), ordering="trusted_until")
    def trusted(self, obj: Any) -> str | None:
        return time_of(obj.trusted_until)

    # --- the action

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


def _ids(handles: list[str]) -> Iterator[bytes]:
    for handle in handles:
        with suppress(ValueError):
            yield id_of(handle)
