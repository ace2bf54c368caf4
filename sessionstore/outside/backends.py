"""Links at the login, for backends of neighbours: each stands before the neighbour's own class.

``class Backend(LinksOIDC, OIDCAuthenticationBackend)`` in AUTHENTICATION_BACKENDS. What a provider
says of itself is known to the backend that has verified it, and to nobody later.
"""

from typing import Any

from sessionstore.links.names import SID, SUB, Name
from sessionstore.outside.logins import names_in, remember

CAS, TICKET = "cas", "ticket"


class LinksOIDC:
    """For mozilla-django-oidc: links to ``sid`` and ``sub`` of the ID token."""

    def get_or_create_user(self, access_token: str, id_token: str, payload: Any) -> Any:
        base: Any = super()
        user = base.get_or_create_user(access_token, id_token, payload)
        if user is not None:
            remember(getattr(self, "request", None), names_in(payload))
        return user


class LinksSAML:
    """For djangosaml2: links to the ``SessionIndex`` and the ``NameID`` of an assertion."""

    def authenticate(self, request: Any, session_info: Any = None, **options: Any) -> Any:
        base: Any = super()
        user = base.authenticate(request, session_info=session_info, **options)
        if user is not None and session_info:
            issuer, name_id = session_info["issuer"], session_info.get("name_id")
            said = {SID: session_info.get("session_index"), SUB: getattr(name_id, "text", None)}
            remember(request, [Name(issuer, value, kind) for kind, value in said.items() if value])
        return user


class LinksCAS:
    """For django-cas-ng: links to the ticket, which its own table knows by a key that changes."""

    def authenticate(self, request: Any, ticket: str, service: str) -> Any:
        base: Any = super()
        user = base.authenticate(request, ticket=ticket, service=service)
        if user is not None:
            remember(request, [Name(CAS, ticket, TICKET)])
        return user
