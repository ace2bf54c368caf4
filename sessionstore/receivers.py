"""What happens at a login, whoever calls it: our view, the admin, allauth, single sign-on."""

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from .backends.base import SessionBackend
from .clients import client_of

try:
    from hijack import signals as hijack
except ImportError:  # django-hijack is not installed
    hijack = None


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


def distrust_impersonation(request: HttpRequest, **_: Any) -> None:
    """Take the stamp away that the login of django-hijack has set.

    Security: who works as another user has not given that user's password, and on the way back
    not the own one, so what asks for a recent login goes on asking (ASVS 7.5.1).
    """
    if isinstance(request.session, SessionBackend):
        request.session.unmark_authenticated()


if hijack:
    for signal in (hijack.hijack_started, hijack.hijack_ended):
        signal.connect(distrust_impersonation, dispatch_uid="sessionstore.hijack")
