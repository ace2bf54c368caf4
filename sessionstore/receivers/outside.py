"""Links a session to what providers call it, when somebody signs in by them."""

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver

from sessionstore.links.names import Name
from sessionstore.outside.backends import CAS, TICKET
from sessionstore.outside.linked import end_linked
from sessionstore.outside.logins import link, link_remembered, names_in
from sessionstore.receivers.neighbours import listen_to
from sessionstore.signals import Reason


@receiver(user_logged_in, dispatch_uid="sessionstore.outside.login")
def link_login(request: Any = None, **_: Any) -> None:
    """Link what the backend of this login has been told."""
    link_remembered(request)


def link_social_login(request: Any = None, sociallogin: Any = None, **_: Any) -> None:
    """Link what allauth has been told by an OpenID provider: an ID token that it has verified."""
    data = getattr(getattr(sociallogin, "account", None), "extra_data", None)
    if isinstance(data, dict):
        link(getattr(request, "session", None), names_in(data.get("id_token") or data))


def end_ticket(sender: Any = None, ticket: Any = None, **_: Any) -> None:
    """End the sessions of a ticket that a CAS server has ended, whatever their keys are by now."""
    if sender == "slo" and isinstance(ticket, str) and ticket:
        end_linked(Name(CAS, ticket, TICKET), reason=Reason.PROVIDER)


listen_to("allauth.account", "signals.user_logged_in", link_social_login, uid="outside.allauth")
listen_to("django_cas_ng", "signals.cas_user_logout", end_ticket, uid="outside.cas")
