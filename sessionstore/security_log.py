"""One record on the logger ``sessionstore.security`` for each event (ASVS 16.2, 16.3).

A record names a session by its handle, never by its key, and has the same facts as attributes:
``session_event``, ``session_handle``, ``session_user`` and what else the event knows.
"""

import logging
import threading
from collections import Counter
from typing import Any

from django.dispatch import receiver

from sessionstore import signals
from sessionstore.core import expiry
from sessionstore.core.text import printable

logger = logging.getLogger("sessionstore.security")

_REFUSED_EVERY_MS = 1000
# What is proved by one request, the steps of a login, is noted within moments.
_ONE_LOGIN_MS = 1000


@receiver(signals.session_created, dispatch_uid="sessionstore.log.created")
def log_created(handle: str, user_id: str | None, **_: Any) -> None:
    tell("created", handle, user_id)


@receiver(signals.session_logged_in, dispatch_uid="sessionstore.log.logged_in")
def log_logged_in(handle: str | None, user_id: str, request: Any, **_: Any) -> None:
    client = getattr(request.session, "client", None)
    facts: Any = getattr(request.session, "sign_ins", ())
    now = [fact for fact in facts if facts[-1].at_ms - fact.at_ms < _ONE_LOGIN_MS]
    methods = ",".join(printable(fact.method) for fact in now if fact.method) or None
    tell("logged in", handle, user_id, address=_address(client), methods=methods)


@receiver(signals.session_cycled, dispatch_uid="sessionstore.log.cycled")
def log_cycled(handle: str | None, user_id: str | None, **_: Any) -> None:
    tell("cycled", handle, user_id)


@receiver(signals.session_merged, dispatch_uid="sessionstore.log.merged")
def log_merged(handle: str, user_id: str | None, conflicts: Any, **_: Any) -> None:
    # Security: the names of keys may come from visitors; how many there are is enough here.
    tell("merged", handle, user_id, conflicts=len(conflicts))


@receiver(signals.session_revoked, dispatch_uid="sessionstore.log.revoked")
def log_revoked(handle: str | None, user_id: str | None, reason: str, **_: Any) -> None:
    tell("revoked", handle, user_id, reason=str(reason))


@receiver(signals.session_expired, dispatch_uid="sessionstore.log.expired")
def log_expired(handle: str, user_id: str | None, **_: Any) -> None:
    tell("expired", handle, user_id)


@receiver(signals.session_interrupted, dispatch_uid="sessionstore.log.interrupted")
def log_interrupted(handle: str | None, user_id: str | None, **_: Any) -> None:
    tell("interrupted", handle, user_id)


@receiver(signals.session_refused, dispatch_uid="sessionstore.log.refused")
def log_refused(reason: str, handle: str | None, client: Any, **_: Any) -> None:
    counted = _flood.count(str(reason), now=expiry.now_ms())
    if counted:
        facts = {**counted, "address": _address(client)}
        tell("refused", handle, level=logging.WARNING, **facts)


@receiver(signals.session_bound, dispatch_uid="sessionstore.log.bound")
def log_bound(handle: str, request: Any, **_: Any) -> None:
    tell("bound", handle, address=_address(getattr(request.session, "client", None)))


@receiver(signals.new_device, dispatch_uid="sessionstore.log.new_device")
def log_new_device(handle: str | None, device: Any, **_: Any) -> None:
    tell("new device", handle, device.user_id, device=device.handle, address=device.ip)


class Flood:
    """Counts refusals, and lets one record a second out: a flood of cookies fills no disk.

    What follows within the second is in the count of the next record.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._told_at: int | None = None

    def count(self, reason: str, *, now: int) -> dict[str, int] | None:
        """Add one; return how many there were since the last record, when it is time for one."""
        with self._lock:
            self._counts[reason] += 1
            waits = self._told_at is not None and 0 <= now - self._told_at < _REFUSED_EVERY_MS
            if waits:
                return None
            counted, self._counts, self._told_at = dict(self._counts), Counter(), now
            return counted


_flood = Flood()


def tell(
    event: str, handle: str | None, user_id: Any = None, *, level: int = logging.INFO, **facts: Any
) -> None:
    """Write one record: the facts that are known stand in its text and in its attributes."""
    if not logger.isEnabledFor(level):
        return
    user = None if user_id is None else printable(str(user_id))
    known = {"handle": handle, "user": user, **facts}
    told = {name: value for name, value in known.items() if value is not None}
    text = "".join(f" {name}={value}" for name, value in told.items())
    extra = {f"session_{name}": value for name, value in told.items()} | {"session_event": event}
    logger.log(level, "Session %s:%s", event, text, extra=extra)


def _address(client: Any) -> str | None:
    return None if client is None else client.ip
