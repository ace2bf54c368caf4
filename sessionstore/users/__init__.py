"""Whose sessions: what code outside a request calls, and behind it what the pages are made of.

The names are found when they are first asked for: an engine imports its part of this room while
apps load, and these need the models.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sessionstore.users.devices import Device
    from sessionstore.users.from_code import end_session, end_sessions_of, sessions_of

_PLACES = {
    "Device": "devices",
    "end_session": "from_code",
    "end_sessions_of": "from_code",
    "sessions_of": "from_code",
}
__all__ = ["Device", "end_session", "end_sessions_of", "sessions_of"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
