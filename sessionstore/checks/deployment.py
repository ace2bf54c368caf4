"""Checks of a configuration that is about to face the world (``check --deploy``)."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any

import django
from django.apps import apps
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name
from django.db import DatabaseError, InterfaceError

from sessionstore.checks.engine import table_on
from sessionstore.conf import conf
from sessionstore.core.expiry import DAY_MS
from sessionstore.core.headers.set_cookie import CookieOptions
from sessionstore.routers import APP_LABEL
from sessionstore.table.rows import SqlTable

# Releases before these have known holes in their sessions (ASVS 15.2.1).
SAFE_RELEASES = {(5, 2): (5, 2, 16), (6, 0): (6, 0, 7)}
LONGEST_MS = 30 * DAY_MS
# So many of the newest rows are looked at, and so many addresses are no coincidence.
NEWEST, ENOUGH = 1_000, 10
_KEY_COLUMNS = {"session_key", "session_id", "sessionid"}


def check_django(**_: Any) -> list[CheckMessage]:
    """W020: this release of Django has known holes in its session code."""
    safe = SAFE_RELEASES.get(django.VERSION[:2])
    if safe is None or django.VERSION[:3] >= safe:
        return []
    return [
        Warning(
            f"Django {django.get_version()} has known holes in its sessions.",
            hint=f"Upgrade to {'.'.join(map(str, safe))} or later.",
            id="sessionstore.W020",
        )
    ]


def check_cookie_flags(**_: Any) -> list[CheckMessage]:
    """W010, W013: Django's security.W010 to W015, which know only Django's own names."""
    options = conf.cookie_options
    found: list[CheckMessage] = []
    if not options.secure:
        found.append(
            Warning(
                "SESSION_COOKIE_SECURE is not True: the key of a session travels in the clear.",
                hint="Set SESSION_COOKIE_SECURE = True and serve the site by HTTPS.",
                id="sessionstore.W010",
            )
        )
    if not options.httponly:
        found.append(
            Warning(
                "SESSION_COOKIE_HTTPONLY is not True: a script on a page can read the key.",
                hint="Set SESSION_COOKIE_HTTPONLY = True.",
                id="sessionstore.W013",
            )
        )
    return found


def check_cookie_scope(**_: Any) -> list[CheckMessage]:
    """W021, W022: what ASVS 3.3.1 to 3.3.3 ask of the cookie's name and scope."""
    found: list[CheckMessage] = []
    for text, hint in _faults_of_name(conf.cookie_name, conf.cookie_options):
        found.append(Warning(text, hint=hint, id="sessionstore.W021"))
    samesite = conf.cookie_options.samesite
    if str(samesite or None).lower() == "none":
        found.append(
            Warning(
                f"SESSION_COOKIE_SAMESITE = {samesite!r}: other sites' requests carry the key.",
                hint="Use 'Lax' or 'Strict'.",
                id="sessionstore.W022",
            )
        )
    return found


def _faults_of_name(name: str, options: CookieOptions) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the cookie's name, and what to do about it."""
    is_host, is_shared = name.startswith("__Host-"), bool(options.domain)
    has_prefix = is_host or name.startswith("__Secure-")
    # A name that several hosts share on purpose can have no better prefix than __Secure-.
    if not is_host and not (has_prefix and is_shared):
        yield (
            f"SESSION_COOKIE_NAME = {name!r}: a sibling domain could set this cookie.",
            "Use '__Host-sessionid', with SESSION_COOKIE_SECURE; with a domain '__Secure-...'.",
        )
    if is_host and (is_shared or options.path != "/"):
        yield (
            "A cookie named __Host- must have the path '/' and no domain: browsers refuse it.",
            "Leave SESSION_COOKIE_DOMAIN and SESSION_COOKIE_PATH at their defaults.",
        )
    if has_prefix and not options.secure:
        yield (
            f"SESSION_COOKIE_NAME = {name!r} without SESSION_COOKIE_SECURE: browsers refuse it.",
            "Set SESSION_COOKIE_SECURE = True.",
        )


def check_absolute_timeout(**_: Any) -> list[CheckMessage]:
    """W023: sessions that live on for ever, or above 30 days (NIST AAL1; ASVS 7.3.2)."""
    absolute = conf.timeouts_ms[1]
    if absolute is not None and absolute <= LONGEST_MS:
        return []
    now = "has no limit" if absolute is None else f"is {absolute / DAY_MS:g} days"
    return [
        Warning(
            f"The overall life of a session {now}; NIST SP 800-63B-4 allows 30 days at AAL1.",
            hint="Set SESSIONSTORE_PRESET = 'AAL1', or SESSIONSTORE_ABSOLUTE_TIMEOUT.",
            id="sessionstore.W023",
        )
    ]


def key_columns() -> Iterator[Any]:
    """Yield the fields of other apps' models that are called like a session's key."""
    for model in apps.get_models():
        # Ours name sessions by their ids, which open nothing.
        is_other = model._meta.app_label != APP_LABEL
        if is_other and not issubclass(model, AbstractBaseSession):
            yield from (one for one in model._meta.concrete_fields if one.name in _KEY_COLUMNS)


def check_stored_keys(**_: Any) -> list[CheckMessage]:
    """W024: another app has a column for session keys, so its table holds usable cookies."""
    holders = sorted({field.model._meta.label for field in key_columns()})
    if not holders:
        return []
    return [
        Warning(
            f"{', '.join(holders)} may store keys of sessions: "
            "whoever reads that table can sign in.",
            hint="Keep such a table as secret as passwords, or do without the app: our devices "
            "page shows handles only. Silence this check once you have looked.",
            id="sessionstore.W024",
        )
    ]


def check_recorded_addresses(
    databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W026: every address that is recorded is the same private one, most likely of a proxy."""
    table = table_on(databases)
    if not isinstance(table, SqlTable):
        return []
    try:
        newest = table.objects.order_by("-pk").values_list("ip", flat=True)[:NEWEST]
        addresses = [address for address in newest if address is not None]
    except (DatabaseError, InterfaceError):
        return []  # E040 and E041 tell.
    if len(addresses) < ENOUGH or len(set(addresses)) > 1 or ip_address(addresses[0]).is_global:
        return []
    return [
        Warning(
            f"The newest {len(addresses)} addresses that are recorded are all {addresses[0]}, "
            f"which is most likely that of a proxy.",
            hint="Set SESSIONSTORE_TRUSTED_PROXIES to the number of proxies before the site; "
            "silence this if there is none, and all users sit behind that address.",
            id="sessionstore.W026",
        )
    ]


CHECKS = [
    check_django,
    check_cookie_flags,
    check_cookie_scope,
    check_absolute_timeout,
    check_stored_keys,
]
DATABASE_CHECKS = [check_recorded_addresses]
