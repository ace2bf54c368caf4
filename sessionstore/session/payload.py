"""Session data to bytes and back, through SESSION_SERIALIZER; errors name the key to blame."""

from typing import Any

from sessionstore.conf import conf
from sessionstore.exceptions import SessionNotSerializable, SessionTooLarge


def dumps(data: dict[str, Any]) -> bytes:
    """Answer the serialised data; whatever the serializer raises is a TypeError or ValueError."""
    try:
        payload: bytes = conf.serializer().dumps(data)
    except (TypeError, ValueError):
        raise
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        raise ValueError(message) from error
    return payload


def loads(payload: bytes) -> dict[str, Any] | None:
    """Answer the data of a payload, or None when it is not a dict that the serializer wrote."""
    try:
        data = conf.serializer().loads(payload)
    except Exception:  # noqa: BLE001 - a serializer may raise anything; damaged data are no crash
        return None
    return data if isinstance(data, dict) else None


def checked_dumps(data: dict[str, Any]) -> bytes:
    """Answer the bytes to store.

    Raises SessionNotSerializable with the path of the value, or SessionTooLarge with the largest
    key.
    """
    try:
        payload = dumps(data)
    except (TypeError, ValueError) as error:
        message = f"session{_path_to_blame(data)} cannot be stored by SESSION_SERIALIZER: {error}"
        raise SessionNotSerializable(message) from error
    limit = conf.max_bytes
    if len(payload) > limit:
        sizes = {key: len(dumps({key: value})) for key, value in data.items()}
        largest = max(sizes, key=lambda key: sizes[key])
        raise SessionTooLarge(
            size=len(payload), limit=limit, largest_key=str(largest), largest_size=sizes[largest]
        )
    return payload


def _path_to_blame(value: Any) -> str:
    """Answer the path of the innermost value that fails, as in ``['cart']['lines'][2]``."""
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


def _can_write(pair: tuple[Any, Any]) -> bool:
    key, value = pair
    try:
        dumps({key: value})
    except (TypeError, ValueError):
        return False
    return True
