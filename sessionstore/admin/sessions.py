"""Sessions in the admin: who is signed in where, and end it. Never a key, never what is stored.

Rows go by their handle, in checkboxes and links too. The list has what one chooses by, and a page
of each row the rest.
"""

from collections import defaultdict
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from sessionstore.admin.charts import draw, size_in_words
from sessionstore.admin.ending import ask, is_confirmed, tell
from sessionstore.admin.filters import LastSeenFilter, OwnerFilter, StateFilter
from sessionstore.admin.rows import HandledAdmin, time_of
from sessionstore.admin.users import names_of, users_of
from sessionstore.answers.places import url_of
from sessionstore.conf import conf
from sessionstore.conf.zones import aware
from sessionstore.core import expiry
from sessionstore.core.text import printable
from sessionstore.known_devices.belonging import ISSUER
from sessionstore.links.rows import links
from sessionstore.models import Session
from sessionstore.signals import Reason
from sessionstore.table.rows import SqlTable
from sessionstore.users.revocation import revoke_all_of_each, revoke_each, site_session
from sessionstore.users.words import browser_in_words, sign_ins_in_words

# No address may ask for these: it would tell them letter by letter, and sizes byte by byte.
_HIDDEN = {"pk", "id", "digest", "previous_digest", "data", "device_key", "bytes"}
# A line of the history names so many devices.
_TOLD = 5


@admin.register(Session)
class SessionAdmin(HandledAdmin):
    """Look, search and end; for whoever may delete sessions, the two actions."""

    list_display = ("device", "user", "address", "last_seen", "state")
    list_filter = (StateFilter, LastSeenFilter, OwnerFilter)
    # This order has an index.
    ordering = ("-expires_at",)
    search_help_text = _("A user's name or id, or the handle of a session.")
    select_label = _("Select the session %(handle)s")
    actions = ("end_selected", "end_all_of_users")
    change_list_template = "sessionstore/admin/sessions.html"

    # --- what there is, and what one may

    def get_urls(self) -> list[URLPattern]:
        """Return the list, the statistics, and the page of one row."""
        wrap = self.admin_site.admin_view
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path("", wrap(self.changelist_view), name=f"{name}_changelist"),
            path("statistics/", wrap(self.statistics_view), name=f"{name}_statistics"),
            path("<str:handle>/", wrap(self.session_view), name=f"{name}_detail"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if request.method == "GET":
            self._tell_if_elsewhere(request)
        return super().changelist_view(request, extra_context)

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Refuse addresses that ask for a digest, for contents or for their size, bit by bit."""
        if lookup.partition("__")[0] in _HIDDEN:
            return False
        return super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request: HttpRequest) -> Any:
        rows: Any = super().get_queryset(request)
        return rows.with_head().annotate(bytes=Length("data"))

    def called(self, handle: str) -> Q:
        return Q(pk__in=self.model._default_manager.by_handle(handle).values("pk"))

    def ids_of(self, handles: list[str]) -> list[bytes]:
        by_handle = self.model._default_manager.by_handle
        return [row.pk for handle in handles for row in by_handle(handle).only("pk")]

    # --- columns

    @admin.display(description=_("device"))
    def device(self, obj: Any) -> str:
        """Link to the row's own page, which one without an id has not."""
        browser = browser_in_words(obj.user_agent)
        if not obj.handle:
            return browser
        url = reverse(f"{self._pages}_detail", args=[obj.handle])
        return format_html('<a href="{}">{}</a>', url, browser)

    @admin.display(description=_("last seen"), ordering="last_seen_at")
    def last_seen(self, obj: Any) -> str | None:
        return time_of(obj.last_seen_at)

    @admin.display(description=_("state"))
    def state(self, obj: Any) -> str:
        return gettext("live") if obj.is_live else why_over(obj)

    # --- the page of a row

    def session_view(self, request: HttpRequest, handle: str) -> HttpResponse:
        """Show all that may be known of a session; one that is gone leads back to the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows: Any = self.get_queryset(request)
        row = rows.by_handle(handle).first()
        if row is None:
            text = gettext("There is no such session (any more).")
            self.message_user(request, text, messages.WARNING)
            return redirect(self._list)
        owner = None if row.is_foreign else users_of(filter(None, [row.user_id])).get(row.user_id)
        is_this = row.handle == getattr(request.session, "handle", None)
        how: Any = getattr(request.session, "sign_ins", ()) if is_this else ()
        context = {
            **self.admin_site.each_context(request),
            "title": browser_in_words(row.user_agent),
            "opts": self.opts,
            "back": self._list,
            "row": row,
            "facts": [(name, fact) for name, fact in self._facts(row, owner, how) if fact],
            "may_end": self.has_delete_permission(request),
            "is_this": is_this,
            "has_owner": row.user_id is not None and not row.is_foreign,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "sessionstore/admin/session.html", context)

    def _facts(self, row: Any, owner: Any, how: Any) -> list[tuple[Any, Any]]:
        """Return what the page tells, as label and value; what is not known is left out.

        Security: sizes go in coarse steps. Who sees exact ones, and has somebody's browser send
        requests, measures what else the session holds.
        """
        name = row.user_id if owner is None else owner.get_username()
        page = self._page_of(owner)
        return [
            (_("user"), format_html('<a href="{}">{}</a>', page, name) if page else name),
            (_("name"), row.device_name),
            (_("state"), self.state(row)),
            (_("address"), self.address(row)),
            (_("signed in"), time_of(row.authenticated_at)),
            (_("signed in with"), sign_ins_in_words(how)),
            (_("created"), time_of(row.created_at)),
            (_("last seen"), time_of(row.last_seen_at)),
            (_("expires"), time_of(row.expires_at)),
            (_("bound to the device"), time_of(row.bound_at)),
            (_("linked to"), ", ".join(_issuers_of(row))),
            (_("size"), size_in_words(row.bytes)),
            (_("what the browser says"), row.user_agent and printable(row.user_agent)),
            (_("session"), format_html("<code>{}</code>", row.handle)),
        ]

    def _page_of(self, owner: Any) -> str:
        """Return the address of a user's page; "" where these users are not in this admin."""
        opts = get_user_model()._meta
        name = f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}_change"
        return (url_of((name,), quote(owner.pk)) if owner else None) or ""

    @property
    def _pages(self) -> str:
        """What the names of these pages begin with."""
        return f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}"

    @property
    def _list(self) -> str:
        """The address of the list."""
        return reverse(f"{self._pages}_changelist")

    # --- actions

    @admin.action(description=_("End selected sessions"), permissions=["delete"])
    def end_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask, then end them all but the one that asks: signing out is for that.

        Those of another site, which shares the table, are left alone: it would not hear of it.
        """
        if self._tell_if_elsewhere(request):
            return None
        asks = getattr(request.session, "handle", None)
        chosen = queryset.only("user_id", "digest", "user_agent")
        rows = [row for row in chosen if row.handle != asks]
        own = [row for row in rows if not row.is_foreign]
        if own and not is_confirmed(request):
            names = names_of({row.user_id for row in own if row.user_id})
            ended = [_named(row, names) for row in own]
            title = gettext("End the selected sessions")
            return ask(request, self, title=title, ended=ended, back=self._list)
        devices = defaultdict(list)
        for row in own:
            devices[row.user_id].append(browser_in_words(row.user_agent))
        count = revoke_each(own, reason=Reason.ADMIN)
        tell(request, self, count, ended={user: _told(have) for user, have in devices.items()})
        self._tell_of_strangers(request, len(rows) - len(own))
        return None

    def _tell_of_strangers(self, request: HttpRequest, left: int) -> None:
        if left:
            text = ngettext(
                "%(n)d session of another site was left alone.",
                "%(n)d sessions of another site were left alone.",
                left,
            )
            self.message_user(request, text % {"n": left}, messages.WARNING)

    @admin.action(description=_("End all sessions of the selected users"), permissions=["delete"])
    def end_all_of_users(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Ask, then end whatever the users of these rows have, apart from the session that asks."""
        if self._tell_if_elsewhere(request):
            return None
        users = {row.user_id for row in queryset.exclude(user_id=None).only("user_id").own()}
        if users and not is_confirmed(request):
            names = names_of(users)
            ended = sorted(names.get(user, user) for user in users)
            title = gettext("End all sessions of the selected users")
            return ask(request, self, title=title, ended=ended, back=self._list)
        asks = getattr(request.session, "row_id", None)
        count = revoke_all_of_each(users, reason=Reason.ADMIN, but=asks)
        told = gettext("All sessions were ended.")
        tell(request, self, count, ended=dict.fromkeys(users, told))
        return None

    def _tell_if_elsewhere(self, request: HttpRequest) -> bool:
        """Tell whether, and say that, these rows are left over: the site's are in another table."""
        session = site_session()
        if session is None or isinstance(session.table, SqlTable):
            return False
        text = gettext("This site shares its sessions with Express: they are not in this table.")
        self.message_user(request, text, messages.WARNING)
        return True

    # --- statistics

    def statistics_view(self, request: HttpRequest) -> HttpResponse:
        """Show how many sessions there are, how old and how large, as pictures."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Session statistics"),
            "opts": self.opts,
            "back": self._list,
            "page": draw(self.model._default_manager.all()),
        }
        return TemplateResponse(request, "sessionstore/admin/statistics.html", context)


def _issuers_of(row: Any) -> list[str]:
    """Return who else has names of their own for a session; never the names."""
    found = {link.issuer for link in links.of_sessions([bytes(row.pk)])}
    return sorted(map(printable, found - {ISSUER}))


def why_over(row: Any) -> str:
    """Return why a session that has expired did, as far as its times and the settings tell."""
    policy, ends_at = conf.policy, expiry.to_ms(aware(row.expires_at))
    started_at = expiry.to_ms(aware(row.authenticated_at or row.created_at))
    if policy.absolute_ms is not None and ends_at - started_at >= policy.absolute_ms:
        return gettext("expired: longest time reached")
    return gettext("expired: not used") if policy.slides else gettext("expired")


def _named(row: Any, names: dict[str, str]) -> str:
    """Return "ann: Firefox on Windows"."""
    owner = names.get(row.user_id, row.user_id) or gettext("anonymous")
    return f"{owner}: {browser_in_words(row.user_agent)}"


def _told(devices: list[str]) -> str:
    """Return a sentence for the history: the first devices, and how many others."""
    shown = ", ".join(devices[:_TOLD])
    shown += f" +{len(devices) - _TOLD}" if len(devices) > _TOLD else ""
    return gettext("Sessions were ended: %(devices)s.") % {"devices": shown}
