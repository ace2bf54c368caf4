"""Session data to bytes and back, through SESSION_SERIALIZER; errors name the key to blame."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVarTuple

from django.contrib.sessions.serializers import JSONSerializer

from sessionstore import security_log, telemetry
from sessionstore.conf import conf
from sessionstore.core.keys import Key
from sessionstore.core.merge import MOST_LEVELS, is_same
from sessionstore.core.record import Data, Record
from sessionstore.exceptions import (
    EncryptionUnavailable,
    SessionNotSerializable,
    SessionTooLarge,
    SessionUnreadable,
)
from sessionstore.table.retry import noted

Ts = TypeVarTuple("Ts")
_BRACKETS = (b"{", b"[")
# Serializers whose bytes do not tell whether data have changed.
_write_anew: set[object] = set()


@dataclass(slots=True)
class Opened:
    """The data of a row, the payload that they came from, and whether to write it again."""

    data: Data
    payload: bytes
    is_stale: bool = False


def open_row(
    record: Record, key: Key | None, *, handle_of: Callable[[bytes], str]
) -> Opened | None:
    """Return what a row holds; None, and a record in the security log, when it is damaged.

    Raises SessionUnreadable when it is not, and cannot be read; that is told too.
    """
    try:
        decoded = conf.codec.decode(record.data, record.bound, key)
        data = None if decoded is None else loads(decoded.payload)
    except SessionUnreadable as error:
        tell_unreadable(handle_of(record.id), error)
        raise
    except EncryptionUnavailable as error:
        raise noted(error) from None
    if decoded is None or data is None:
        tell_damaged(handle_of(record.id))
        return None
    return Opened(data, decoded.payload, decoded.stale)


def tell_unreadable(handle: str | None, error: SessionUnreadable, **facts: str) -> None:
    """Tell whoever watches the site, and the middleware, of a row that is to be left alone."""
    reason = error.reason
    security_log.tell("unreadable", handle, level=logging.WARNING, reason=reason, **facts)
    telemetry.refused("data")
    noted(error)


def tell_damaged(handle: str) -> None:
    """Tell whoever watches the site of a row that is no session's, and counts as empty."""
    security_log.tell("damaged", handle, level=logging.WARNING)
    telemetry.refused("data")


class KeptJson:
    """What Django's JSONSerializer reads and writes, by one encoder and one decoder.

    Optimization: Django's makes an encoder for each session, and looks for white space that nobody
    has written; this saves 2 % of a load, and of a save.
    """

    _encode = json.JSONEncoder(separators=(",", ":")).encode
    _decode = json.JSONDecoder().raw_decode

    @classmethod
    def dumps(cls, data: Data) -> bytes:
        return cls._encode(data).encode("latin-1")

    @classmethod
    def loads(cls, payload: bytes) -> Any:
        text = payload.decode("latin-1")
        data, end = cls._decode(text)
        if end != len(text):
            message = "there is more than one value"
            raise ValueError(message)
        return data


def _serializer() -> Any:
    serializer = conf.serializer
    return KeptJson if serializer is JSONSerializer else serializer()


def dumps(data: Data) -> bytes:
    """Return the serialised data; whatever the serializer raises is a TypeError or ValueError."""
    try:
        payload: bytes = _serializer().dumps(data)
    except (TypeError, ValueError):
        raise
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        raise ValueError(message) from error
    return payload


def loads(payload: bytes) -> Data:
    """Return the data of a payload. Raises SessionUnreadable when that is no dict we can read."""
    return data_by(_serializer().loads, payload)


def data_by(read: Callable[[*Ts], Any], *args: *Ts) -> Data:
    """Return the data that a serializer reads. Raises SessionUnreadable when it makes no dict."""
    try:
        data = read(*args)
    except Exception as error:  # noqa: BLE001 - a serializer may raise anything
        # Security: what a serializer says of the data may hold a part of them.
        reason = f"SESSION_SERIALIZER raises {type(error).__name__}"
        raise SessionUnreadable(reason) from None
    if not isinstance(data, dict):
        reason = f"SESSION_SERIALIZER makes {type(data).__name__} of it"
        raise SessionUnreadable(reason)
    return data


def differs(payload: bytes, base: bytes) -> bool:
    """Tell whether two payloads hold different data; by their bytes, where these can tell.

    Raises TypeError or ValueError for data that cannot be written.
    """
    if payload == base or conf.serializer is JSONSerializer:
        return payload != base
    before = loads(base)
    return not _bytes_tell_nothing(before, base) or not is_same(loads(payload), before)


def _bytes_tell_nothing(before: Data, base: bytes) -> bool:
    """Tell whether SESSION_SERIALIZER does not write the stored data as it did.

    As one that encrypts, or that writes the time. That is kept for the life of the process; that it
    has written the same once is not, for it may be the same second.
    """
    serializer = conf.serializer
    if serializer not in _write_anew and dumps(before) != base:
        _write_anew.add(serializer)
    return serializer in _write_anew


def writes_anew(data: Data) -> bool:
    """Tell whether SESSION_SERIALIZER writes the same data differently at one moment."""
    return dumps(data) != dumps(data)


def data_of(payload: bytes | None) -> Data:
    """Return the data of a payload that was read before; {} for none."""
    return loads(payload) if payload else {}


def checked_dumps(data: Data, *, stored: bytes | None = None) -> bytes:
    """Return the bytes to store.

    Raises SessionNotSerializable with the path of the value, or SessionTooLarge with the largest
    key. What is ``stored`` already may be stored again, and large data may get smaller: limits that
    were lowered keep nobody from being signed in, or out.
    """
    try:
        payload = dumps(data)
    except (TypeError, ValueError) as error:
        message = f"session{_path_to_blame(data)} cannot be stored by SESSION_SERIALIZER: {error}"
        raise SessionNotSerializable(message) from error
    if payload == stored:
        return payload
    limit = conf.size_limit
    if len(payload) > max(limit, len(stored or b"")):
        sizes = {key: len(dumps({key: value})) for key, value in data.items()}
        largest = max(sizes, key=lambda key: sizes[key])
        raise SessionTooLarge(
            size=len(payload), limit=limit, largest_key=str(largest), largest_size=sizes[largest]
        )
    if _serializer() is not KeptJson:
        refuse_what_cannot_be_read(payload)
    # Optimization: JSON with fewer brackets is not so deep; counting them takes no walk, which
    # saves 7 % of a save.
    is_json = payload.startswith(b"{")
    if not is_json or sum(map(payload.count, _BRACKETS)) > MOST_LEVELS:
        _refuse_depth(data)
    return payload


def refuse_what_cannot_be_read(payload: bytes) -> None:
    """Raise SessionNotSerializable for what the site's own serializer writes and cannot read."""
    try:
        loads(payload)
    except SessionUnreadable as error:
        message = f"SESSION_SERIALIZER cannot read what it has written: {error.reason}"
        raise SessionNotSerializable(message) from None


def _refuse_depth(data: Data) -> None:
    """Raise SessionNotSerializable, with the path, when data are nested too deep."""
    # By identity: pickle writes values that hold one another, and so many ways lead to each.
    level: dict[int, tuple[str, Any]] = {id(data): ("", data)}
    for _ in range(MOST_LEVELS):
        level = {
            id(inner): (f"{path}[{name!r}]", inner)
            for path, value in level.values()
            for name, inner in (value.items() if isinstance(value, dict) else enumerate(value))
            if isinstance(inner, dict | list | tuple)
        }
        if not level:
            return
    path, _value = next(iter(level.values()))
    message = f"session{path} is nested more than {MOST_LEVELS} levels deep"
    raise SessionNotSerializable(message)


def _path_to_blame(value: object) -> str:
    """Return the path of the innermost value that fails, as in ``['cart']['lines'][2]``."""
    path = ""
    # A value that holds itself would lead on for ever.
    for _ in range(20):
        if isinstance(value, dict):
            inner = list(value.items())
        elif isinstance(value, list | tuple):
            inner = list(enumerate(value))
        else:
            return path
        guilty = next((pair for pair in inner if not _can_write(pair)), None)
        if guilty is None:
            return path
        path += f"[{guilty[0]!r}]"
        value = guilty[1]
    return path


def _can_write(pair: tuple[Any, object]) -> bool:
    key, value = pair
    try:
        dumps({key: value})
    except (TypeError, ValueError):
        return False
    return True
