"""What happened lately to one's own sessions."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import router
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView

from sessionstore.answers.kinds import wants_json
from sessionstore.conf.zones import aware
from sessionstore.decorators import SignedInMixin, not_impersonated
from sessionstore.history.words import words_of
from sessionstore.history.writing import is_on
from sessionstore.models import SessionEvent, What
from sessionstore.users.words import browser_in_words, place_of, sign_ins_in_words

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
    how: str


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
    # Where it is written: on a replica that lags, the login of a moment ago is not there.
    events: Any = SessionEvent.objects.using(router.db_for_write(SessionEvent))
    start = (number - 1) * PER_PAGE
    found = events.of_user(user).exclude(what=What.NEW_KEY)[start : start + PER_PAGE + 1]
    activities = [_described(event) for event in found]
    return ActivityPage(activities[:PER_PAGE], number, has_next=len(activities) > PER_PAGE)


@method_decorator([login_not_required, never_cache, not_impersonated], name="dispatch")
class HistoryView(SignedInMixin, TemplateView):
    """List what happened to the sessions of the user who asks, as a page or as JSON."""

    template_name = "sessionstore/history.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Show one page of the list; 404 where nothing is written down."""
        number = request.GET.get("page", "1")
        is_number = number.isdecimal() and len(number) < 6 and int(number)
        page = recent_activity(request.user, number=int(number)) if is_number else None
        if page is None:
            raise Http404
        if wants_json(request):
            response: HttpResponse = JsonResponse(_list_in_json(page))
        else:
            context = self.get_context_data(title=_("Recent activity"), activity=page, **kwargs)
            response = self.render_to_response(context)
        patch_vary_headers(response, ("Accept",))
        return response


def _described(event: SessionEvent) -> Activity:
    return Activity(
        words=words_of(event),
        what=event.what,
        reason=event.reason or "",
        happened_at=event.happened_at,
        handle=event.handle or "",
        browser=browser_in_words(event.user_agent) if event.user_agent else "",
        address=event.ip or "",
        place=place_of(event.ip),
        how=sign_ins_in_words(event.sign_ins),
    )


def _list_in_json(page: ActivityPage) -> dict[str, Any]:
    found = [
        {**asdict(one), "happened_at": aware(one.happened_at).isoformat()}
        for one in page.activities
    ]
    return {"activities": found, "page": page.number, "has_next": page.has_next}
