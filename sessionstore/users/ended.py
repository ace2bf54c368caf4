"""Why a session has ended, for whoever comes back with its cookie.

One that ran out is told by its row, while that is there. One that was ended has no row: why waits
in Django's cache, as long as the cookie may live. It is a word for people and nothing depends on
it, so that a cache which is down, or which processes do not share, makes it less exact and no more.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.core.cache import caches
from django.db.models import Model
from django.utils.translation import gettext as _

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.keys import Key
from sessionstore.core.record import Record
from sessionstore.exceptions import SessionUnreadable
from sessionstore.session.expiring import IDLE_KEY, policy_of
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason

IDLE, LONGEST, EXPIRED, UNKNOWN = "idle", "longest", "expired", "unknown"


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a session ended, in a word for programs, and whose it was, where that is known."""

    why: str
    user_id: str | None = None

    @property
    def words(self) -> str:
        """Return the sentence for who was signed in."""
        return {
            IDLE: _("You were signed out because nothing had happened for a while."),
            LONGEST: _("You were signed out because this sign-in had reached its longest time."),
            EXPIRED: _("Your sign-in has expired."),
            Reason.OWNER: _("You were signed out here from another of your devices."),
            Reason.ADMIN: _("An administrator has signed you out."),
            Reason.COMMAND: _("An administrator has signed you out."),
            Reason.PROVIDER: _("You were signed out because you signed out where you sign in."),
            Reason.LIMIT: _("You were signed out here because you signed in on too many devices."),
            Reason.PASSWORD_CHANGED: _("You were signed out because your password was changed."),
            Reason.FACTOR_CHANGED: _("You were signed out because a second factor was changed."),
            Reason.ACCOUNT_DISABLED: _("You were signed out because your account was disabled."),
        }.get(self.why, _("Your session has ended."))


def remember(rows: Iterable[Any], reason: Reason) -> None:
    """Keep why these rows, which have been deleted, were ended; those of visitors are left out."""
    told = {
        _name(row.digest): (str(reason), row.user_id)
        for row in rows
        if row.user_id is not None and _has_digest(row)
    }
    if told:
        # A cache that is down keeps nobody signed in.
        with suppress(Exception):
            caches[conf.cache_alias].set_many(told, timeout=conf.cookie_age)


def ended(session: Any) -> Ended | None:
    """Return the end that the session of a request's cookie has come to; None where it lives.

    Also for one of another engine, a visitor's, and a cookie that never was one of ours. Costs a
    SELECT where the cookie is ours and opens nothing, else none.
    """
    key = session.ended_key if isinstance(session, SessionBackend) else None
    if key is None:
        return None
    row = session.table.fetch(key.digest, expiry.LONG_AGO_MS)
    if row is not None:
        return None if row.user_id is None else Ended(_why(session, row, key), row.user_id)
    found: Any = None
    with suppress(Exception):
        found = caches[conf.cache_alias].get(_name(key.digest))
    return Ended(*found) if found else Ended(UNKNOWN)


def _why(session: SessionBackend, row: Record, key: Key) -> str:
    try:
        opened = session.read_row(row, key)
    except SessionUnreadable:
        opened = None
    data = opened.data if opened else {}
    policy, now = policy_of(data), expiry.now_ms()
    if policy.absolute_ms is not None and now - row.started_at >= policy.absolute_ms:
        return LONGEST
    return IDLE if policy.slides or IDLE_KEY in data else EXPIRED


def _has_digest(row: Any) -> bool:
    """Tell whether it was read: a row that is gone cannot be asked for more."""
    return not isinstance(row, Model) or "digest" not in row.get_deferred_fields()


def _name(digest: bytes) -> str:
    """Return the entry's name. Security: with Express the digest of a key opens its session."""
    return f"sessionstore.ended.{sha256(digest).hexdigest()}"
