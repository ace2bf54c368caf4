"""Ending sessions from the admin: ask first, say how many it were, keep why in the history."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sessionstore.admin.users import users_of
from sessionstore.core.text import printable

# The page that asks names so many, and counts the others.
SHOWN = 20
WHY_LENGTH = 200


def located(action_location: Any) -> dict[str, Any]:
    """Compat: Django 6.1 says on which page the actions stand; before it there was only one."""
    return {} if action_location is None else {"action_location": action_location}


def is_confirmed(request: HttpRequest) -> bool:
    """Tell whether the page that asks has been answered."""
    return request.POST.get("confirmed") == "yes"


def ask(
    request: Any,
    model_admin: Any,
    *,
    title: str,
    ended: Sequence[str],
    back: str,
) -> TemplateResponse:
    """Ask whether to end what ``ended`` names; the answer is sent as the question was, and why.

    ``back`` is where who does not want to goes.
    """
    sent = getattr(request, "as_sent", request.POST)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "ended": ended[:SHOWN],
        "more": max(0, len(ended) - SHOWN),
        "sent": [
            (name, value)
            for name, values in sent.lists()
            for value in values
            if name not in {"csrfmiddlewaretoken", "confirmed", "why"}
        ],
        "back": back,
        "why_length": WHY_LENGTH,
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "sessionstore/admin/end_sessions.html", context)


def tell(
    request: HttpRequest,
    model_admin: Any,
    count: int,
    *,
    ended: dict[str | None, str],
) -> None:
    """Say how many sessions were ended, and keep in the history of each user what, and why.

    ``ended`` has a sentence for each user's id, and for None: the visitors.
    """
    text = ngettext("%(n)d session was ended.", "%(n)d sessions were ended.", count) % {"n": count}
    model_admin.message_user(request, text, messages.SUCCESS if count else messages.INFO)
    if count:
        LogEntry.objects.bulk_create(_entries(request, text, ended), batch_size=100)


def _entries(request: HttpRequest, text: str, ended: dict[str | None, str]) -> Iterable[LogEntry]:
    """Return a line for each user; what belongs to none of this site's is one line by itself."""
    actor = cast("int", request.user.pk)
    users = users_of(filter(None, ended))
    kind = ContentType.objects.get_for_model(get_user_model(), for_concrete_model=False)
    why = _why(request)
    for user_id, user in users.items():
        yield LogEntry(
            user_id=actor,
            content_type=kind,
            object_id=str(user.pk),
            object_repr=user.get_username()[:200],
            action_flag=CHANGE,
            change_message=f"{ended[user_id]} {why}",
        )
    if len(users) < len(ended):
        yield LogEntry(
            user_id=actor,
            object_repr=_("Sessions"),
            action_flag=DELETION,
            change_message=f"{text} {why}",
        )


def _why(request: HttpRequest) -> str:
    why = printable(" ".join(request.POST.get("why", "").split()))[:WHY_LENGTH]
    who = _("Ended by an administrator.")
    return who + " " + _("Why: %(why)s") % {"why": why} if why else who
