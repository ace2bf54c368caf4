"""Where a user is signed in, on the user's own page of the admin; and the end of all of it."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessionstore.admin.ending import SHOWN, ask, is_confirmed, located, tell
from sessionstore.answers.places import url_of
from sessionstore.history.writing import is_on
from sessionstore.models import Session, user_id_of
from sessionstore.signals import Reason
from sessionstore.users.devices import is_blind, not_seen
from sessionstore.users.revocation import revoke_all_of_each, site_session
from sessionstore.users.words import address_in_words, browser_in_words

_FIELD, _ACTION = "live_sessions", "end_sessions"


class UserSessionsMixin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Show the sessions of a user on the user's page, and end all of them there or in the list.

    Put it before the class of your users' admin. Who may view sessions sees them, who may delete
    sessions ends them. On a table of Express too, as far as that knows its users.
    """

    class Media:
        css = {"all": ["sessionstore/admin.css"]}

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        view = path(
            "<path:object_id>/end-sessions/", wrap(self.end_sessions_view), name=self._name(_ACTION)
        )
        return [view, *super().get_urls()]

    # --- on the user's page

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Return the user, who remembers what the page needs: who asks."""
        user: Any = super().get_object(request, object_id, from_field)
        if user is not None:
            user.sessions_asked_by = request
        return user

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_readonly_fields(request, obj), _FIELD)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out what has a part of the page for itself."""
        return [name for name in super().get_fields(request, obj) if name != _FIELD]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not _may(request, "view"):
            return fieldsets
        return [*fieldsets, (_("Sessions"), {"fields": [_FIELD], "classes": ["ss-sessions"]})]

    @admin.display(description=_("Signed in now"))
    def live_sessions(self, obj: Any) -> str:
        """Show where this user is signed in, the last used first: one query."""
        request = obj.sessions_asked_by
        session = site_session()
        if session is None:
            return gettext("The sessions of this site are kept by another engine.")
        found: list[Any] = []
        if not is_blind(session):
            found = list(
                session.table.live_of(
                    user_id_of(obj), first=_own_row(request), start=0, most=SHOWN + 1
                )
            )
        context = {
            "rows": [self._described(row, request) for row in found[:SHOWN]],
            "more": len(found) > SHOWN,
            "not_seen": not_seen(session),
            "history": self._history_of(obj, request),
            "end": self._url(_ACTION, quote(obj.pk)) if found and _may(request, "delete") else "",
        }
        return render_to_string("sessionstore/admin/_user_sessions.html", context)

    def _described(self, row: Any, request: HttpRequest) -> dict[str, Any]:
        return {
            "device": browser_in_words(row.user_agent),
            "name": row.device_name or "",
            "address": address_in_words(row.ip),
            "seen": row.last_seen_at,
            "is_this": bytes(row.pk) == _own_row(request),
            "url": self._page_of(row),
        }

    def _page_of(self, row: Any) -> str:
        """Return the address of a session's own page; "" where its table is not in this admin."""
        if not isinstance(row, Session):
            return ""
        name = f"{self.admin_site.name}:sessionstore_session_detail"
        return url_of((name,), row.handle) or ""  # another admin site may be without the sessions

    def _history_of(self, user: Any, request: HttpRequest) -> str:
        """Return the address of the user's part of the history; "" where there is none to see."""
        if not is_on() or not request.user.has_perm("sessionstore.view_sessionevent"):
            return ""
        url = url_of((f"{self.admin_site.name}:sessionstore_sessionevent_changelist",))
        return f"{url}?{urlencode({'q': user_id_of(user)})}" if url else ""

    # --- the end of all

    def end_sessions_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then end whatever a user has, apart from the session that asks."""
        user = self.get_object(request, unquote(object_id))
        if user is None:
            # Django's own answer, with its message.
            return self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined,no-any-return]
                request, self.opts, object_id
            )
        if not (self.has_view_permission(request, user) and _may(request, "delete")):
            raise PermissionDenied
        back = self._url("change", quote(user.pk))
        if request.method != "POST" or not is_confirmed(request):
            title = gettext("End all sessions of %(user)s") % {"user": user.get_username()}
            return ask(request, self, title=title, ended=[user.get_username()], back=back)
        self._end_all_of(request, [user])
        return redirect(back)

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> Any:
        """Add ours, where Django has any: not in a window that chooses a user."""
        location = located(action_location)
        actions: Any = super().get_actions(request, **location)
        action = self.get_action(_ACTION, **location)
        if self.actions is None or IS_POPUP_VAR in request.GET or not _may(request, "delete"):
            return actions
        return {**actions, _ACTION: action} if action else actions

    @admin.action(description=_("End all sessions of the selected users"))
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask, then end whatever the chosen users have, apart from the session that asks."""
        users = list(queryset)
        if not is_confirmed(request):
            title = gettext("End all sessions of the selected users")
            names = [user.get_username() for user in users]
            back = self._url("changelist")
            return ask(request, self, title=title, ended=names, back=back)
        self._end_all_of(request, users)
        return None

    def _end_all_of(self, request: HttpRequest, users: list[Any]) -> None:
        ids = [user_id_of(user) for user in users]
        ended = revoke_all_of_each(ids, reason=Reason.ADMIN, but=_own_row(request))
        tell(request, self, ended, ended=dict.fromkeys(ids, gettext("All sessions were ended.")))
        session = site_session()
        if session is not None and (sentence := not_seen(session)):
            self.message_user(request, sentence, messages.WARNING)

    def _name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def _url(self, page: str, *args: Any) -> str:
        return reverse(f"{self.admin_site.name}:{self._name(page)}", args=args)


def _may(request: HttpRequest, what: str) -> bool:
    return request.user.has_perm(f"sessionstore.{what}_session")


def _own_row(request: HttpRequest) -> bytes | None:
    return getattr(request.session, "row_id", None)
