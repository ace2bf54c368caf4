"""Links a session to what providers call it, when somebody signs in by them."""

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver

from sessionstore.links.names import Name
from sessionstore.outside.backends import CAS, TICKET
from sessionstore.outside.linked import end_linked
from sessionstore.outside.logins import link, link_remembered, names_in
from sessionstore.signals import Reason

try:
    from allauth.account.signals import user_logged_in as allauth_logged_in
except ImportError:  # django-allauth is not installed
    allauth_logged_in = None
cas_user_logout: Any
try:
    from django_cas_ng.signals import cas_user_logout
except ImportError:  # django-cas-ng is not installed
    cas_user_logout = None


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


if allauth_logged_in is not None:
    allauth_logged_in.connect(link_social_login, dispatch_uid="sessionstore.outside.allauth")
if cas_user_logout is not None:
    cas_user_logout.connect(end_ticket, dispatch_uid="sessionstore.outside.cas")
