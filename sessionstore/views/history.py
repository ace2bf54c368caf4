"""What happened lately to one's own sessions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from sessionstore.history.table import events
from sessionstore.history.writing import is_on
from sessionstore.models import SessionEvent, What
from sessionstore.signals import Reason
from sessionstore.users.words import browser_in_words, place_of

from .own_pages import Facts, OwnPage, in_json

PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class Activity:
    """One event in the words of the user whom it is about."""

    words: str
    what: str
    reason: str
    happened_at: datetime
    handle: str
    browser: str
    address: str
    place: str


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """A part of the list, the newest first."""

    activities: list[Activity]
    number: int
    has_next: bool


def recent_activity(user: Any, *, number: int = 1) -> ActivityPage | None:
    """Return what happened to the sessions of a user; None where nothing is written down.

    One query. A renewed key is left out: it is for an audit, and says nothing to its user.
    """
    if not is_on():
        return None
    start = (number - 1) * PER_PAGE
    found = events.objects.of_user(user).exclude(what=What.NEW_KEY)[start : start + PER_PAGE + 1]
    activities = [_described(event) for event in found]
    return ActivityPage(activities[:PER_PAGE], number, has_next=len(activities) > PER_PAGE)


class HistoryView(OwnPage):
    """List what happened to the sessions of the user who asks, as a page or as JSON."""

    template_name = "sessionstore/history.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Show one page of the list; 404 where nothing is written down."""
        page = recent_activity(request.user, number=self.number)
        if page is None:
            raise Http404
        return self.shown(
            json=lambda: _list_in_json(page),
            page=lambda: {"title": _("Recent activity"), "activity": page, **kwargs},
        )


def _described(event: SessionEvent) -> Activity:
    return Activity(
        words=_words_of(event),
        what=event.what,
        reason=event.reason or "",
        happened_at=event.happened_at,
        handle=event.handle or "",
        browser=browser_in_words(event.user_agent) if event.user_agent else "",
        address=event.ip or "",
        place=place_of(event.ip),
    )


def _words_of(event: SessionEvent) -> str:
    if event.what != What.ENDED:
        return event.words
    words: dict[str, str] = {
        Reason.OWNER: _("Signed out from another device"),
        Reason.ADMIN: _("Signed out by an administrator"),
        Reason.COMMAND: _("Signed out by an administrator"),
        Reason.LIMIT: _("Signed out because of too many devices"),
        Reason.PASSWORD_CHANGED: _("Signed out because the password was changed"),
        Reason.ACCOUNT_DISABLED: _("Signed out because the account was disabled"),
    }
    return words.get(event.reason or "", event.words)


def _list_in_json(page: ActivityPage) -> Facts:
    found = list(map(in_json, page.activities))
    return {"activities": found, "page": page.number, "has_next": page.has_next}
