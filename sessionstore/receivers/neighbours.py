"""Other apps that have signals of their own, as far as a site has installed them."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.utils.module_loading import import_string


def listen_to(app: str, signal: str, receiver: Callable[..., Any], *, uid: str) -> None:
    """Connect a receiver to the signal that a path inside an app names, where that is installed.

    To be called when apps are ready: some of these modules want models.
    """
    if not apps.is_installed(app):
        return
    with suppress(ImportError):  # an older release has no such signal
        found: Any = import_string(f"{app}.{signal}")
        found.connect(receiver, dispatch_uid=f"sessionstore.{uid}")
