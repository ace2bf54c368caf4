"""Parsers of setting values: each answers the value in its one form or raises ValueError.

The message completes the sentence "SETTING must be ...".
"""

import ipaddress
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, cast

from django.utils.module_loading import import_string

from sessionstore.core.expiry import MINUTE_MS
from sessionstore.core.headers.forwarded import FORWARDED, X_FORWARDED_FOR, Network, Proxies

T = TypeVar("T")
_DEVICE_AGE_MS = 10 * MINUTE_MS
Callback = Callable[..., Any]


def text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        message = "a non-empty string"
        raise ValueError(message)
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        message = "True or False"
        raise ValueError(message)
    return value


def positive(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        message = "a whole number above 0"
        raise ValueError(message)
    return value


def duration_ms(value: Any) -> int:
    """Return milliseconds of a timedelta or of whole seconds."""
    if isinstance(value, timedelta):
        value = value // timedelta(milliseconds=1)
    elif isinstance(value, int) and not isinstance(value, bool):
        value *= 1000
    else:
        value = 0
    if value < 1:
        message = "a timedelta or whole seconds, above 0"
        raise ValueError(message)
    return cast("int", value)


def device_age_ms(value: Any) -> int | None:
    """Return for how long a proof counts; None where no session is bound to a device."""
    if isinstance(value, bool):
        return _DEVICE_AGE_MS if value else None
    try:
        return duration_ms(value)
    except ValueError as error:
        message = f"True, False, or {error}"
        raise ValueError(message) from None


def optional(parse: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """Also accept None."""

    def parse_optional(value: Any) -> T | None:
        try:
            return None if value is None else parse(value)
        except ValueError as error:
            message = f"{error}, or None"
            raise ValueError(message) from None

    return parse_optional


def one_of(*choices: str) -> Callable[[Any], str]:
    def parse_choice(value: Any) -> str:
        if value not in choices:
            message = "one of " + ", ".join(map(repr, choices))
            raise ValueError(message)
        return cast("str", value)

    return parse_choice


def names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, list | tuple):
        message = "a list of strings"
        raise ValueError(message)
    return tuple(text(item) for item in value)


def dotted(value: Any) -> Callback:
    """Return what a dotted path names; a callable is taken as it is."""
    message = "the dotted path of a callable"
    try:
        found = import_string(value) if isinstance(value, str) else value
    except ImportError as error:
        message = f"{message} ({error})"
        raise ValueError(message) from None
    if not callable(found):
        raise ValueError(message)
    return cast("Callback", found)


def mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        message = "a dict"
        raise ValueError(message)
    return value


def pages_by_level(value: Any) -> dict[int, str]:
    """Return pages by the level that users reach there; one alone stands for every level, by 0."""
    try:
        if not isinstance(value, dict):
            return {0: text(value)}
        return {positive(level): text(page) for level, page in (value or {None: None}).items()}
    except ValueError:
        message = "a non-empty string, or a dict of levels (1, 2) to such"
        raise ValueError(message) from None


_HEADERS = {"X-Forwarded-For": X_FORWARDED_FOR, "Forwarded": FORWARDED}


def proxies(value: Any) -> Proxies:
    """Return whose word is taken: a number, a list of networks, or a dict of a header to either."""
    header, trusted = "X-Forwarded-For", value
    if isinstance(value, dict) and len(value) == 1:
        [(header, trusted)] = value.items()
    try:
        if isinstance(trusted, list | tuple):
            networks = tuple(map(_network, names(trusted) or names(None)))
            return Proxies(_HEADERS[header], networks=networks)
        return Proxies(_HEADERS[header], count=positive(trusted))
    except (KeyError, ValueError):
        message = (
            "the number of proxies before the site, a list of their addresses and networks, or a "
            "dict of 'X-Forwarded-For' or 'Forwarded' to either"
        )
        raise ValueError(message) from None


def _network(text: str) -> Network:
    network = ipaddress.ip_network(text)
    if network.prefixlen == 0:
        # Security: whoever trusts all takes the client's own word.
        raise ValueError
    return network
