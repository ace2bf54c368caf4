"""What happens at a login, whoever calls it: our view, the admin, allauth, single sign-on."""

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from .backends.base import SessionBackend
from .clients import client_of


@receiver(user_logged_in, dispatch_uid="sessionstore.login")
def remember_login(request: HttpRequest | None = None, **_: Any) -> None:
    """Change the key if this request has not yet done so, stamp the time, record the client."""
    session = getattr(request, "session", None)
    if request is None or not isinstance(session, SessionBackend):
        return
    if not session.has_new_key:
        session.cycle_key()
    session.client = client_of(request)
    session.mark_authenticated()
