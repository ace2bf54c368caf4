"""The tables."""

from sessionstore.models.events import SessionEvent, What
from sessionstore.models.fields import (
    ClientField,
    FixedBytesField,
    MillisecondsField,
    UserIdField,
    user_id_of,
    user_key_of,
)
from sessionstore.models.known_devices import KnownDevice
from sessionstore.models.links import Link
from sessionstore.models.sessions import (
    DEVICE_NAME_LENGTH,
    AbstractSession,
    Session,
    SessionQuerySet,
)

__all__ = [
    "DEVICE_NAME_LENGTH",
    "AbstractSession",
    "ClientField",
    "FixedBytesField",
    "KnownDevice",
    "Link",
    "MillisecondsField",
    "Session",
    "SessionEvent",
    "SessionQuerySet",
    "UserIdField",
    "What",
    "user_id_of",
    "user_key_of",
]
