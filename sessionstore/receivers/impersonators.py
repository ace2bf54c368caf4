"""Who acts as the user of a session: what django-hijack and django-loginas tell of it.

django-impersonate leaves the session to the administrator: nobody has signed in.
"""

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from sessionstore.models import user_id_of
from sessionstore.receivers.neighbours import listen_to
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.users.impersonation import came_from_another, is_own


@receiver(user_logged_in, dispatch_uid="sessionstore.loginas")
def note_loginas(request: HttpRequest | None = None, user: Any = None, **_: Any) -> None:
    """Note whose session this was until django-loginas signed the user in.

    It tells nothing itself. On the way back it signs out first, and nobody acts as anybody.
    """
    session, match = getattr(request, "session", None), getattr(request, "resolver_match", None)
    if not isinstance(session, SessionBackend) or match is None:
        return
    is_theirs = match.func.__module__.partition(".")[0] == "loginas"
    is_return = session.ends_because is Reason.LOGOUT
    if is_theirs and is_own(session, user) and came_from_another(session) and not is_return:
        session.note_impersonation(user_id_of(session.left_user_id))


def note_hijack(request: HttpRequest, hijacker: Any, hijacked: Any, **_: Any) -> None:
    """Note who has signed in as another user by django-hijack."""
    session = getattr(request, "session", None)
    if isinstance(session, SessionBackend) and is_own(session, hijacked):
        session.note_impersonation(user_id_of(hijacker))


listen_to("hijack", "signals.hijack_started", note_hijack, uid="hijack")
