"""The table of known devices: who signed in where before, and what that is worth."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

from sessionstore.conf import conf
from sessionstore.conf.known_devices import KnownDevices
from sessionstore.core import expiry
from sessionstore.core.crypto import HiddenBytes, HiddenText, derive, is_tag, tag
from sessionstore.core.record import Client
from sessionstore.known_devices.tokens import Token
from sessionstore.models import KnownDevice, user_id_of
from sessionstore.models.fields import as_ms, as_shown, mark_of_this_site
from sessionstore.models.known_devices import SEAL_BYTES
from sessionstore.table.retry import READ, WRITE, attempt
from sessionstore.table.routed import BATCH, RoutedTable, parts

# So long a request may still be under way that was sent before another one replaced the token.
_UNDER_WAY_MS = expiry.MINUTE_MS
_FINGERPRINT, _TRUST = "device.password.1", "device.trust.1"


class KnownDeviceTable(RoutedTable):
    """The rows of ``models.KnownDevice``. Users are named as their sessions name them."""

    model = KnownDevice
    holds = "known device"

    def find(self, device_id: bytes, user_id: str) -> KnownDevice | None:
        """Return the live row of a user."""
        rows = self._live().filter(pk=device_id, user_id=user_id)
        found: KnownDevice | None = attempt(self.alias, READ, rows.first)
        return found

    def by_id(self, device_id: bytes) -> KnownDevice | None:
        """Return a row, whichever user's it is."""
        found: KnownDevice | None = attempt(
            self.alias, READ, self._own().filter(pk=device_id).first
        )
        return found

    def of_user(self, user_id: str) -> list[KnownDevice]:
        """Return the live rows of a user, the last to sign in first: one query."""
        rows = self._live().filter(user_id=user_id).order_by("-signed_in_at", "pk")
        return attempt(self.alias, READ, lambda: list(rows))

    def kept_about(self, user_id: str) -> list[KnownDevice]:
        """Return all rows of a user, also those that are over, whatever the settings are."""
        rows = self._own().filter(user_id=user_id).order_by("-signed_in_at", "pk")
        return attempt(self.alias, READ, lambda: list(rows))

    def renew(self, old: Token, new: Token, user: Any, client: Client) -> bool:
        """Put a new token in the place of the one that a browser has shown: one UPDATE.

        False when no live row has it (any more), or when the password has changed and devices end
        with it.
        """
        rows = self._live().filter(pk=old.device_id, user_id=user_id_of(user), digest=old.digest)
        if options().end_with_password:
            rows = rows.filter(fingerprint__in=_tags(_FINGERPRINT, user, old.device_id))
        facts = {"ip": client.ip, "user_agent": client.user_agent}
        changed = {
            "digest": new.digest,
            "previous_digest": old.digest,
            "fingerprint": _tags(_FINGERPRINT, user, old.device_id)[0],
            "signed_in_at": expiry.now_ms(),
            # Of the present secret, as the token and the fingerprint are now.
            "site": mark_of_this_site(),
            # One that is not known never takes the place of one that is.
            **{name: fact for name, fact in facts.items() if fact is not None},
        }
        return bool(attempt(self.alias, WRITE, lambda: rows.update(**changed)))

    def add(self, token: Token, user: Any, client: Client) -> KnownDevice:
        """Insert a device that has just signed in."""
        now: Any = as_shown(expiry.now_ms())
        row = KnownDevice(
            id=token.device_id,
            user_id=user_id_of(user),
            digest=token.digest,
            fingerprint=_tags(_FINGERPRINT, user, token.device_id)[0],
            ip=client.ip,
            user_agent=client.user_agent,
            created_at=now,
            signed_in_at=now,
        )
        attempt(self.alias, WRITE, lambda: row.save(using=self.alias, force_insert=True))
        return row

    def trust(self, device_id: bytes, user: Any, until_ms: int | None) -> bool:
        """Trust a device of a user until then, under its present password; with None no more."""
        user_id = user_id_of(user)
        rows = self.objects.filter(pk=device_id, user_id=user_id)
        seal = None
        if until_ms is not None:
            seal = _tags(_TRUST, user, _trusted(device_id, user, until_ms))[0]
        changed = {"trusted_until": until_ms, "seal": seal}
        return bool(attempt(self.alias, WRITE, lambda: rows.update(**changed)))

    def rename(self, device_id: bytes, user_id: str, name: str | None) -> bool:
        """Call a device of a user by a name, or by none."""
        rows = self.objects.filter(pk=device_id, user_id=user_id)
        return bool(attempt(self.alias, WRITE, lambda: rows.update(name=name)))

    def remove(self, device_ids: Iterable[bytes]) -> int:
        """Delete rows by primary key; return how many were still there."""
        if not (ids := sorted(device_ids)):
            return 0
        rows = self.objects.filter(pk__in=ids)
        return int(attempt(self.alias, WRITE, lambda: rows._raw_delete(self.alias)))

    def remove_of_users(self, user_ids: Sequence[str]) -> int:
        """Delete what this site knows of these users, in batches."""
        rows = (self._own().filter(user_id__in=part) for part in parts(user_ids))
        return sum(map(self._remove_each, rows))

    def remove_all(self, size: int) -> int:
        """Delete so many of what this site knows of anybody; return how many there were."""
        return self.remove(self._ids(self._own(), size))

    def _remove_each(self, rows: Any) -> int:
        removed = 0
        while ids := self._ids(rows, BATCH):
            removed += self.remove(ids)
        return removed

    def _ids(self, rows: Any, most: int) -> list[bytes]:
        ids = rows.values_list("pk", flat=True)[:most]
        return attempt(self.alias, READ, lambda: list(map(bytes, ids)))

    def count_of(self, user_id: str | None) -> int:
        """Count the rows of a user, or all."""
        rows = self._own() if user_id is None else self._own().filter(user_id=user_id)
        return int(attempt(self.alias, READ, rows.count))

    # --- what a clean-up asks

    def expired(self, before: int, limit: int) -> list[bytes]:
        """Return at most ``limit`` ids of devices that nobody has used for their age."""
        return self._ids(self._expired(before).order_by("signed_in_at"), limit)

    def remove_many(self, ids: Iterable[bytes], *, expired_before: int) -> int:
        """Delete rows by primary key, if nobody has used them since."""
        rows = self._expired(expired_before).filter(pk__in=sorted(ids))
        return int(attempt(self.alias, WRITE, lambda: rows._raw_delete(self.alias)))

    def count_expired(self, before: int) -> int:
        return int(attempt(self.alias, READ, self._expired(before).count))

    def _own(self) -> Any:
        """What this site has written: another one may share the table."""
        return self.objects.filter(site__in=conf.site_marks)

    def _live(self) -> Any:
        return self._own().filter(signed_in_at__gt=expiry.now_ms() - options().age_ms)

    def _expired(self, before: int) -> Any:
        return self.objects.filter(signed_in_at__lt=before - options().age_ms)


def options() -> KnownDevices:
    """Return the site's options. Raises LookupError where it knows no devices."""
    if conf.known_devices is None:
        message = "SESSIONSTORE_KNOWN_DEVICES is not set: no device is known."
        raise LookupError(message)
    return conf.known_devices


def is_token_of(token: Token, row: KnownDevice) -> bool:
    """Tell whether a token is the row's, or was until another request replaced it just now."""
    return bytes(row.digest) == token.digest or is_just_replaced(token, row)


def is_just_replaced(token: Token, row: KnownDevice) -> bool:
    """Tell whether another sign-in of this browser, a moment ago, has put a new token in place."""
    is_late = expiry.now_ms() - as_ms(row.signed_in_at) > _UNDER_WAY_MS
    return not is_late and bytes(row.previous_digest or b"") == token.digest


def is_current(row: KnownDevice, user: Any) -> bool:
    """Tell whether the device is still known: where it ends with the password, under this one."""
    if not options().end_with_password:
        return True
    return _is_any(bytes(row.fingerprint), _FINGERPRINT, user, bytes(row.pk))


def is_trusted_row(row: KnownDevice, user: Any) -> bool:
    """Tell whether a device is trusted now: in time, and under the password of that moment.

    Security: the end is under a seal, so that nobody who can only write the table lengthens it, or
    trusts a device.
    """
    until, seal = row.trusted_until, row.seal
    if until is None or seal is None or as_ms(until) <= expiry.now_ms():
        return False
    about = _trusted(bytes(row.pk), user, as_ms(until))
    return _is_any(bytes(seal), _TRUST, user, about)


def _trusted(device_id: bytes, user: Any, until_ms: int) -> bytes:
    return device_id + until_ms.to_bytes(8, "big") + user_id_of(user).encode()


def _is_any(candidate: bytes, purpose: str, user: Any, about: bytes) -> bool:
    return any(
        is_tag(candidate, derive(secret, purpose), *_said(about, password))
        for secret, password in product(conf.secrets, _passwords(user))
    )


def _tags(purpose: str, user: Any, about: bytes) -> list[bytes]:
    """Return tags over what is said of a user and over the password, the present one first."""
    return [
        tag(derive(secret, purpose), *_said(about, password), length=SEAL_BYTES)
        for secret, password in product(conf.secrets, _passwords(user))
    ]


def _said(about: bytes, password: str) -> tuple[bytes, ...]:
    return len(about).to_bytes(2, "big"), about, HiddenBytes(password.encode())


def _passwords(user: Any) -> list[str]:
    """Return what stands for the password, as Django's sessions have it."""
    if not hasattr(user, "get_session_auth_hash"):
        return [HiddenText("")]
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return [HiddenText(one) for one in hashes]


known_devices = KnownDeviceTable()
