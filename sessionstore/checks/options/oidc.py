"""Checks of SESSIONSTORE_OIDC: what keeps a provider's sign-out from reaching a session."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's names
from django.db import DatabaseError, InterfaceError

from sessionstore.backends.base import SessionBackend
from sessionstore.checks.engine import address_of, open_table_on, runs_on
from sessionstore.conf import conf
from sessionstore.exceptions import SessionStoreError
from sessionstore.links.rows import links
from sessionstore.models.links import ISSUER_LENGTH
from sessionstore.table.rows import SqlTable

_URL = "sessionstore_oidc:backchannel_logout"


def check_oidc(**_: Any) -> list[CheckMessage]:
    """E090, E091, W090: providers may sign users out, and cannot as it is."""
    if not conf.oidc:
        return []
    found: list[CheckMessage] = []
    if find_spec("jwt") is None:
        told = "SESSIONSTORE_OIDC: the library that checks signatures is not installed."
        hint = "pip install 'django-sessionstore[oidc]', on every server."
        found.append(Error(told, hint=hint, id="sessionstore.E090"))
    if not runs_on(SessionBackend):
        told = f"SESSIONSTORE_OIDC: SESSION_ENGINE = {conf.engine_path!r} links no sessions."
        hint = "Use 'sessionstore.backends.sql' or '...cached_sql'."
        found.append(Error(told, hint=hint, id="sessionstore.E091"))
    if address_of(_URL) is None:
        told = "SESSIONSTORE_OIDC is set, and no URL leads to the views that providers call."
        hint = "path('oidc/', include('sessionstore.urls.oidc')) in ROOT_URLCONF."
        found.append(Warning(told, hint=hint, id="sessionstore.W090"))
    return found


def check_linked(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W091: people are signed in, and none of their sessions is linked to a provider."""
    table = open_table_on(databases) if conf.oidc else None
    if not isinstance(table, SqlTable):
        return []
    try:
        if not table.objects.live().exclude(user_id=None).exists():
            return []
        known = [one[:ISSUER_LENGTH] for one in conf.oidc]
        linked = set(
            links.objects.filter(issuer__in=known).values_list("issuer", flat=True).distinct()
        )
    except (DatabaseError, InterfaceError, SessionStoreError):
        # Before the first migration there is no table; E040 and E041 tell with --deploy.
        return []
    return [
        Warning(
            f"SESSIONSTORE_OIDC: no session is linked to {issuer!r}, so its sign-out ends none.",
            hint="Link them at the login: docs/sign-out-from-outside.md has a line for each "
            "library. Where nobody has signed in by it so far, this is no fault.",
            id="sessionstore.W091",
        )
        for issuer in known
        if issuer not in linked
    ]


CHECKS = [check_oidc]
DATABASE_CHECKS = [check_linked]
