"""Checks of a site that moves its sessions in from another engine."""

from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error

from sessionstore.backends.base import SessionBackend
from sessionstore.backends.old_engine import OldEngine
from sessionstore.conf import conf

SIGNED_COOKIES = "django.contrib.sessions.backends.signed_cookies"


def check_adopt_from(**_: Any) -> list[CheckMessage]:
    """E061: SESSIONSTORE_ADOPT_FROM names no engine that sessions can be moved from."""
    try:
        path = conf.adopt_from
    except ValueError:
        return []  # E001 tells.
    reason = _reason(path) if path else None
    if reason is None:
        return []
    return [
        Error(
            f"SESSIONSTORE_ADOPT_FROM = {path!r}: {reason}.",
            hint="Name the module of the old engine as SESSION_ENGINE named it, and leave its app "
            "in INSTALLED_APPS.",
            id="sessionstore.E061",
        )
    ]


def _reason(path: str) -> str | None:
    """Answer why no session can be moved from there."""
    try:
        old = OldEngine(path)
    except (ImportError, AttributeError, ValueError, RuntimeError) as error:
        return f"it cannot be used ({error})"
    if old.model is not None and old.model._meta.app_label not in apps.app_configs:
        return f"the app {old.model._meta.app_label!r} is not in INSTALLED_APPS"
    if issubclass(old.store, SessionBackend):
        return "that is an engine of sessionstore itself"
    if path == SIGNED_COOKIES:
        return "those sessions live in the browser, there is nothing to look up"
    return None


CHECKS = [check_adopt_from]
