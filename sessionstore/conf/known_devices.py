"""SESSIONSTORE_KNOWN_DEVICES and SESSIONSTORE_NEW_DEVICE_MAIL, parsed."""

from dataclasses import dataclass
from typing import Any, Final

from django.utils.module_loading import import_string

from sessionstore.conf.values import duration_ms, flag, mapping, positive
from sessionstore.core.expiry import DAY_MS

# Browsers keep no cookie for longer.
_AGE_MS: Final = 400 * DAY_MS
_MOST: Final = 20


@dataclass(frozen=True, slots=True)
class KnownDevices:
    """For how long a browser is known after a sign-in, how many of a user, until what."""

    age_ms: int = _AGE_MS
    most: int = _MOST
    end_with_password: bool = False


def known_devices(value: Any) -> KnownDevices | None:
    """Return how browsers are known; None where none is."""
    if value is None or value is False:
        return None
    try:
        if value is True:
            return KnownDevices()
        if not isinstance(value, dict):
            return KnownDevices(age_ms=duration_ms(value))
        given = dict(mapping(value))
        parsed = KnownDevices(
            age_ms=duration_ms(given.pop("age", _AGE_MS // 1000)),
            most=positive(given.pop("most", _MOST)),
            end_with_password=flag(given.pop("end_with_password", False)),
        )
    except ValueError as error:
        message = f"True, False, a duration, or a dict of options ({error})"
        raise ValueError(message) from None
    if given:
        message = f"a dict of 'age', 'most' and 'end_with_password', not {sorted(map(repr, given))}"
        raise ValueError(message)
    return parsed


def mail(value: Any) -> Any:
    """Return what sends the mail: True for Django's mail at once, None for nothing.

    Else what a dotted path names: a task of Django (``enqueue``), one of Celery (``delay``), or a
    function.
    """
    if value is None or isinstance(value, bool):
        return value or None
    message = "True, False, or the dotted path of a function or of a task"
    try:
        found = import_string(value) if isinstance(value, str) else value
    except ImportError as error:
        message = f"{message} ({error})"
        raise ValueError(message) from None
    if not (callable(found) or hasattr(found, "enqueue") or hasattr(found, "delay")):
        raise ValueError(message)
    return found
