"""Checks of the settings themselves; they ask no database."""

from typing import Any

from django.apps import apps
from django.contrib.auth.middleware import AuthenticationMiddleware, LoginRequiredMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's names
from django.db import connections
from django.middleware.csrf import CsrfViewMiddleware

from sessionstore.backends.base import SessionBackend
from sessionstore.checks.engine import (
    has_our_middleware,
    middleware_of_type,
    runs_on,
    session_middleware,
    site_table,
)
from sessionstore.clients import remote_addr
from sessionstore.conf import Conf, conf
from sessionstore.conf.setting import UNSET
from sessionstore.core import encryption
from sessionstore.session.sealed import writes_anew


def check_values(**_: Any) -> list[CheckMessage]:
    """E001: a setting has a wrong type or value."""
    found: list[CheckMessage] = []
    for setting in Conf.all_settings():
        try:
            setting.read()
        except ValueError as error:
            found.append(Error(str(error), hint=setting.__doc__, id="sessionstore.E001"))
    return found


def check_names(**_: Any) -> list[CheckMessage]:
    """W001: a setting with our prefix that does not exist, most likely a typing mistake."""
    known = {setting.name for setting in Conf.all_settings()}
    return [
        Warning(
            f"{name} is no setting of django-sessionstore.",
            hint=f"The settings are {', '.join(sorted(known))}.",
            id="sessionstore.W001",
        )
        for name in conf.names_with_prefix()
        if name not in known
    ]


def check_addresses(**_: Any) -> list[CheckMessage]:
    """E006: two settings say who the client is."""
    if conf.trusted_proxies is None or conf.client_ip is remote_addr:
        return []
    return [
        Error(
            "SESSIONSTORE_TRUSTED_PROXIES does nothing beside SESSIONSTORE_CLIENT_IP_CALLABLE.",
            hint="Remove one of them; the callable is for what the proxies cannot tell.",
            id="sessionstore.E006",
        )
    ]


def check_app_order(**_: Any) -> list[CheckMessage]:
    """W002: another app's ``clearsessions`` would run in place of ours."""
    labels = [config.name for config in apps.get_app_configs()]
    rival = "django.contrib.sessions"
    if rival in labels and labels.index(rival) < labels.index("sessionstore"):
        return [
            Warning(
                f"'sessionstore' stands behind {rival!r} in INSTALLED_APPS, so that manage.py "
                f"clearsessions runs Django's command.",
                hint="Put 'sessionstore' first.",
                id="sessionstore.W002",
            )
        ]
    return []


def check_serializer(**_: Any) -> list[CheckMessage]:
    """E002: a serializer that runs code from the table (ASVS 1.5.2)."""
    path = conf.serializer_path
    if "pickle" not in path.lower():
        return []
    return [
        Error(
            f"SESSION_SERIALIZER = {path!r} would run code that it finds in the session table.",
            hint="Use 'django.contrib.sessions.serializers.JSONSerializer'.",
            id="sessionstore.E002",
        )
    ]


def check_library(**_: Any) -> list[CheckMessage]:
    """E060: sessions should be encrypted and the library for it is missing."""
    if not conf.encrypt or encryption.is_available():
        return []
    return [
        Error(
            "SESSIONSTORE_ENCRYPT is True, and the library for it is not installed.",
            hint="pip install 'django-sessionstore[encryption]', on every server.",
            id="sessionstore.E060",
        )
    ]


def check_comparison(**_: Any) -> list[CheckMessage]:
    """W005: bytes that differ each time do not tell whether a session has changed."""
    try:
        if site_table() is None or not writes_anew({"a": 1}):
            return []
    except (ImportError, TypeError, ValueError):
        return []  # The first save tells.
    return [
        Warning(
            f"SESSION_SERIALIZER = {conf.serializer_path!r} writes the same data differently each "
            f"time: whether a session has changed takes reading it twice more.",
            hint="To encrypt sessions set SESSIONSTORE_ENCRYPT, which compares before it encrypts.",
            id="sessionstore.W005",
        )
    ]


def check_middleware(**_: Any) -> list[CheckMessage]:
    """W003: one of our engines under Django's own middleware."""
    if site_table() is None or has_our_middleware():
        return []
    lost: list[str] = []
    if conf.cleanup_interval_ms is not None:
        lost.append("SESSIONSTORE_CLEANUP_INTERVAL cleans nothing")
    if runs_on(SessionBackend):
        lost += [
            "no client is recorded",
            "a database that is down is an error 500 and not 503",
            "a rollback brings a session back whose user has signed out",
            "the answer of a slow request puts back a key that a login has just replaced",
        ]
    if not lost:
        return []
    return [
        Warning(
            f"The engine runs without 'sessionstore.middleware.SessionMiddleware': "
            f"{', '.join(lost)}.",
            hint="Put it into MIDDLEWARE in the place of Django's.",
            id="sessionstore.W003",
        )
    ]


def check_one_middleware(**_: Any) -> list[CheckMessage]:
    """W004: two session middlewares, each of which makes and saves a session."""
    names = [repr(path) for path, _ in session_middleware()]
    if len(names) < 2:
        return []
    return [
        Warning(
            f"MIDDLEWARE has {len(names)} session middlewares: {', '.join(names)}. Each makes a "
            f"session, of which the views see the last one's, and each writes the cookie.",
            hint="Keep 'sessionstore.middleware.SessionMiddleware', or yours that is built on it.",
            id="sessionstore.W004",
        )
    ]


def check_middleware_order(**_: Any) -> list[CheckMessage]:
    """E007: a middleware wants the session before there is one, so that each request fails."""
    readers = [AuthenticationMiddleware, LoginRequiredMiddleware, MessageMiddleware]
    if conf.csrf_uses_sessions:
        readers.append(CsrfViewMiddleware)
    givers, order = {path for path, _ in session_middleware()}, list(conf.middleware)
    early = [
        repr(path)
        for path, _ in middleware_of_type(*readers)
        if givers and order.index(path) < min(map(order.index, givers))
    ]
    if not early:
        return []
    return [
        Error(
            f"The session middleware stands behind {', '.join(early)}, which needs the session.",
            hint=f"Move {min(givers, key=order.index)!r} before it.",
            id="sessionstore.E007",
        )
    ]


def check_rollbacks(**_: Any) -> list[CheckMessage]:
    """W047: a failed view's rollback brings back a session whose user has signed out."""
    if not runs_on(SessionBackend) or has_our_middleware():
        return []
    alias = site_table().alias
    # E003 tells of an alias that is not there.
    if not connections.settings.get(alias, {}).get("ATOMIC_REQUESTS"):
        return []
    another = ", or give the sessions an alias of their own (SESSIONSTORE_DATABASE)"
    return [
        Warning(
            "The sessions share an alias with ATOMIC_REQUESTS, under Django's middleware: when a "
            "view fails after a logout, the rollback brings the session back.",
            hint="Use sessionstore.middleware.SessionMiddleware"
            # There E042 would tell.
            f"{'' if connections[alias].vendor == 'sqlite' else another}.",
            id="sessionstore.W047",
        )
    ]


def check_touch_interval(**_: Any) -> list[CheckMessage]:
    """W025: SESSIONSTORE_TOUCH_INTERVAL renews too late what slides, or never."""
    policy, interval = conf.policy, conf.touch_interval_ms
    if interval is UNSET or not policy.slides or not runs_on(SessionBackend):
        return []
    age_ms = conf.cookie_age * 1000
    renewed_ms = age_ms if policy.idle_ms is None else min(policy.idle_ms, age_ms)
    quarter_s = policy.interval_ms(age_ms) / 1000
    if interval is None:
        told = f"is None: whoever only reads is signed out after {renewed_ms / 1000:g} s"
    elif interval > quarter_s * 1000:
        told = (
            f"is {interval / 1000:g} s, more than a quarter of the {renewed_ms / 1000:g} s that it "
            f"renews: it counts as {quarter_s:g} s"
        )
    else:
        return []
    return [
        Warning(
            f"SESSIONSTORE_TOUCH_INTERVAL {told}.",
            hint=f"Leave it out, or set it to {renewed_ms / 4000:g} s at most.",
            id="sessionstore.W025",
        )
    ]


CHECKS = [
    check_values,
    check_names,
    check_addresses,
    check_app_order,
    check_serializer,
    check_library,
    check_comparison,
    check_middleware,
    check_one_middleware,
    check_middleware_order,
    check_rollbacks,
    check_touch_interval,
]
