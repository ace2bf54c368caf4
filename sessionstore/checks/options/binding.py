"""Checks of SESSIONSTORE_BIND_DEVICE: what keeps browsers from binding a session.

All of it fails in silence otherwise: a browser that is refused says nothing.
"""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's names

from sessionstore.backends.base import SessionBackend
from sessionstore.binding.requests import REFRESH, SAME_SITES
from sessionstore.checks.engine import address_of, has_our_middleware, runs_on, site_table
from sessionstore.conf import conf
from sessionstore.core.binding import dbsc
from sessionstore.core.expiry import HOUR_MS, MINUTE_MS
from sessionstore.table.rows import SqlTable

# Chromium signs 6 times in 9 minutes, and refreshes when less than 2 minutes are left.
_SHORTEST_MS, _LONGEST_MS = 5 * MINUTE_MS, HOUR_MS


def check_binding(**_: Any) -> list[CheckMessage]:
    """E070 to E076, W070: sessions should be bound to devices, and cannot be as it is."""
    age_ms = conf.device_age_ms
    if age_ms is None:
        return []
    found: list[CheckMessage] = [
        Error(f"SESSIONSTORE_BIND_DEVICE: {told}", hint=hint, id=name)
        for name, told, hint in (*_missing(), *_faults_of_cookie(), *_faults_of_urls())
    ]
    if not _SHORTEST_MS <= age_ms <= _LONGEST_MS:
        found.append(
            Warning(
                f"SESSIONSTORE_BIND_DEVICE lets a proof count for {age_ms / 1000:g} s.",
                hint="Use 300 to 3600: browsers refuse to sign more often than about once in "
                "90 s, and so long do both stolen cookies together sign in.",
                id="sessionstore.W070",
            )
        )
    return found


def _missing() -> Iterator[tuple[str, str, str]]:
    """Yield what must be there: a library, columns, and who hands the session its cookies."""
    if not dbsc.is_available():
        told = "the library that checks signatures is not installed, so nothing is bound."
        hint = "pip install 'django-sessionstore[binding]', on every server."
        yield "sessionstore.E070", told, hint
    if not runs_on(SessionBackend) or not isinstance(site_table(), SqlTable):
        told = f"SESSION_ENGINE = {conf.engine_path!r} has no place for a device's key."
        yield "sessionstore.E071", told, "Use 'sessionstore.backends.sql' or '...cached_sql'."
    elif not has_our_middleware():
        told = "nobody hands a session its browser's proof: what is bound opens nothing."
        yield "sessionstore.E072", told, "Use 'sessionstore.middleware.SessionMiddleware'."


def _faults_of_cookie() -> Iterator[tuple[str, str, str]]:
    """Yield what browsers would refuse, or ask to refresh at each request."""
    options = conf.cookie_options
    if not options.secure:
        told = "browsers bind over HTTPS only, and SESSION_COOKIE_SECURE is not True."
        yield "sessionstore.E073", told, "Set it to True, and serve the site by HTTPS."
    if options.domain:
        told = "a session that SESSION_COOKIE_DOMAIN shares with other hosts cannot be bound."
        yield "sessionstore.E074", told, "Leave SESSION_COOKIE_DOMAIN at its default."
    if str(options.samesite).lower() not in SAME_SITES:
        told = f"SESSION_COOKIE_SAMESITE = {options.samesite!r}: other sites could have it renewed."
        yield "sessionstore.E075", told, "Use 'Lax' or 'Strict'."


def _faults_of_urls() -> Iterator[tuple[str, str, str]]:
    path = conf.cookie_options.path or "/"
    refresh = address_of(REFRESH)
    if refresh is None:
        told = "the browser has no address to prove itself at."
        hint = "Include 'sessionstore.urls', or 'sessionstore.urls.devices', in your URLs."
        yield "sessionstore.E076", told, hint
        return
    if not refresh.startswith(path.rstrip("/") + "/"):
        told = f"{refresh} is outside SESSION_COOKIE_PATH = {path!r}: no session comes there."
        yield "sessionstore.E076", told, "Include the URLs below that path."


CHECKS = [check_binding]
