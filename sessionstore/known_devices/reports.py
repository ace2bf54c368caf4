"""What the link of a mail says: this device was not me."""

from dataclasses import dataclass
from typing import Any

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.known_devices import tokens
from sessionstore.known_devices.belonging import forget, has_sessions
from sessionstore.known_devices.notice import LINK_MS
from sessionstore.known_devices.rows import known_devices
from sessionstore.models import KnownDevice, user_id_of
from sessionstore.signals import Reason
from sessionstore.users.words import browser_in_words, place_of


@dataclass(frozen=True, slots=True)
class Report:
    """A device that is still known, or has sessions: its ``row`` may have made room for others."""

    device_id: bytes
    row: KnownDevice | None

    @property
    def browser(self) -> str:
        return browser_in_words(self.row.user_agent) if self.row else ""

    @property
    def place(self) -> str:
        return place_of(self.row.ip) if self.row else ""

    def is_of(self, user: Any) -> bool:
        """Tell whether it is this user's."""
        return self.row is not None and self.row.user_id == user_id_of(user)

    def carry_out(self) -> None:
        """Forget the device and end its sessions: the link has done its work."""
        forget([self.device_id], reason=Reason.OWNER)


def read(text: str) -> Report | None:
    """Return what a link is about; None when it is not whole, too old, or was used before.

    What we have not signed costs no SQL.
    """
    now = expiry.now_ms()
    device_id = tokens.linked_device(conf.secrets, text, now=now, age_ms=LINK_MS)
    if device_id is None or conf.known_devices is None:
        return None
    row = known_devices.by_id(device_id)
    return Report(device_id, row) if row or has_sessions(device_id) else None
