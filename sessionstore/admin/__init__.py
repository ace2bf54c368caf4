"""The admin's pages; Django finds them here."""

from sessionstore.admin.accounts import UserSessionsMixin
from sessionstore.admin.events import SessionEventAdmin
from sessionstore.admin.known_devices import KnownDeviceAdmin
from sessionstore.admin.sessions import SessionAdmin

__all__ = ["KnownDeviceAdmin", "SessionAdmin", "SessionEventAdmin", "UserSessionsMixin"]
