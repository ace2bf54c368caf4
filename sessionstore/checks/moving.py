"""Checks of a site that moves its sessions in from another engine."""

from typing import Any

from django.core.checks import CheckMessage, Error

from sessionstore.conf import conf
from sessionstore.moving.importer import why_unusable


def check_adopt_from(**_: Any) -> list[CheckMessage]:
    """E061: SESSIONSTORE_ADOPT_FROM names no engine that sessions can be moved from."""
    path = conf.adopt_from
    reason = why_unusable(path) if path else None
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


CHECKS = [check_adopt_from]
