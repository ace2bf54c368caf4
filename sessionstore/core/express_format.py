"""The formats of express-session, express-mysql-session and connect-pg-simple, without Django.

Everything here was read from express-session 1.19, express-mysql-session 3.0 and
connect-pg-simple 10.0, and is checked against those very modules by the tests.
"""

import base64
import hashlib
import hmac
import json
import math
import re
import secrets as random_source
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, unquote

from sessionstore.core.crypto import HiddenBytes, HiddenText
from sessionstore.core.merge import MOST_LEVELS
from sessionstore.exceptions import SessionNotSerializable, SessionUnreadable

SID_LENGTH: Final = 32  # 24 random bytes in base64url
MAX_SID_LENGTH: Final = 128  # varchar(128) in express-mysql-session's schema
MAX_SAFE_INTEGER: Final = 2**53  # beyond it two neighbouring integers are one JavaScript number
LAST_UNSIGNED: Final = 2**32 - 1  # the `expires` column is an unsigned int: 2106
LAST_DATE_MS: Final = 253_402_300_799_000  # the last second of year 9999

COOKIE_KEYS: Final = (
    *("originalMaxAge", "partitioned", "priority", "expires", "secure"),
    *("httpOnly", "domain", "path", "sameSite"),
)
"""The keys of the `cookie` object in the order in which Express writes them."""

RESERVED_NAMES: Final = frozenset(
    (
        *("cookie", "id", "req", "save", "touch", "destroy", "reload", "regenerate"),
        *("resetMaxAge", "constructor", "toString", "valueOf", "hasOwnProperty", "isPrototypeOf"),
        *("propertyIsEnumerable", "toLocaleString", "__proto__", "__defineGetter__"),
        *("__defineSetter__", "__lookupGetter__", "__lookupSetter__"),
    )
)
"""Express loads no top-level key of these names: its own objects have properties called so."""

TOMBSTONE: Final = "null"
"""The `data` of a row that stands for a logout: both Node stores read it as "no session"."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LONG_NUMBER: Final = re.compile(r"[0-9]{16}")
# A string, a bracket, or the quote of a string that does not end.
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|["\[\]{}]', re.DOTALL)
_MARK_BEGINS: Final = "nested too deep for Django: "
_LIKE_MARK: Final = re.compile(rf"{_MARK_BEGINS}[0-9a-f]{{32}}")
# A mark as a value: before it stands what no string has before a quote, after it no colon.
_MARK: Final = re.compile(rf'(?<=[:,\[])"({_LIKE_MARK.pattern})"(?!:)')


@dataclass(frozen=True, slots=True)
class Stored:
    """What the JSON of one row says: the session's data, and Express's `cookie` beside it.

    What is nested deeper than ``MOST_LEVELS`` is a mark in them, and text in ``deep``: Node reads
    and writes more levels than Python, and a merge reads fewer. ``encode`` puts it back as it was.
    What looks like a mark in a row is text, and stands in ``deep`` for itself.
    """

    data: dict[str, Any]
    cookie: dict[str, Any]
    deep: dict[str, str] = field(default_factory=dict)


def new_sid() -> str:
    """Return a session id as Express makes it: 24 random bytes, 32 base64url characters."""
    return HiddenText(random_source.token_urlsafe(24))


def sign(sid: str, secret: str | bytes) -> str:
    """Return the value of the cookie for `sid`, percent-encoded as Express sends it."""
    return HiddenText(quote(f"s:{sid}.{_signature(sid, secret)}", safe="-_.!~*'()"))


def unsign(value: str, secrets: Iterable[str | bytes]) -> str | None:
    """Return the session id that `value` carries, or None unless one of `secrets` signed it.

    Each secret is tried, so that a secret can be replaced while sessions live. Percent-encoding
    is optional, as it is for Express.
    """
    try:
        parts = map(HiddenText, unquote(value, errors="strict").rpartition("."))
        marked, _, signature = parts
        sid = HiddenText(marked.removeprefix("s:"))
        if marked == sid or not 0 < len(sid) <= MAX_SID_LENGTH or "\0" in sid:
            return None
        offered = HiddenBytes(signature.encode())
        # Security: every secret is compared, in constant time, whichever of them matches.
        matches = [hmac.compare_digest(_signature(sid, s).encode(), offered) for s in secrets]
    except UnicodeError:
        return None
    return sid if any(matches) else None


def _signature(sid: str, secret: str | bytes) -> str:
    key = HiddenBytes(secret if isinstance(secret, bytes) else _as_node_encodes(secret))
    digest = HiddenBytes(hmac.digest(key, sid.encode(), "sha256"))
    return HiddenText(base64.b64encode(digest).decode().rstrip("="))


def _as_node_encodes(text: str) -> bytes:
    """Return UTF-8; half a surrogate pair is U+FFFD in it, as Node has it."""
    units = text.encode("utf-16-le", errors="surrogatepass")
    return units.decode("utf-16-le", errors="replace").encode()


def decode(text: str) -> Stored | None:
    """Read the JSON of a row; None unless it is an object.

    Raises SessionUnreadable when Python's stack is used up already, and nothing else.
    Names that Express would not load are left out here too. An integer that JavaScript cannot tell
    from its neighbours becomes the float that Express sees, so that it can be written back, and a
    number beyond all floats the null that Express writes for it.
    """
    try:
        loaded, deep = _loaded(text)
    except RecursionError:
        reason = "it is nested too deep for Python"
        raise SessionUnreadable(reason) from None
    except (TypeError, ValueError):
        return None
    if not isinstance(loaded, dict):
        return None
    if _MARK_BEGINS in text:
        deep = {mark: f'"{mark}"' for mark in _LIKE_MARK.findall(text)} | deep
    cookie = loaded.pop("cookie", None)
    for name in RESERVED_NAMES.intersection(loaded):
        del loaded[name]
    return Stored(loaded, cookie if isinstance(cookie, dict) else {}, deep)


def _loaded(text: str) -> tuple[Any, dict[str, str]]:
    """Return the value of JSON with marks for what is nested too deep, and what they stand for."""
    try:
        loaded = _load(text)
        # Optimization: JSON with fewer brackets is not so deep; counting them takes no walk, which
        # saves 4 % of a save.
        if text.count("{") + text.count("[") <= MOST_LEVELS or not _is_deep(loaded):
            return loaded, {}
    except RecursionError:
        pass  # Deeper than this Python reads at once.
    shallow, deep = _without_depths(text)
    return _load(shallow), deep


def _load(text: str) -> Any:
    return json.loads(
        text, parse_int=_as_javascript_reads, parse_float=_finite, parse_constant=_refuse_constant
    )


def _is_deep(loaded: Any) -> bool:
    """Tell whether a value has more than ``MOST_LEVELS`` levels; takes no step of its own stack."""
    level = [loaded]
    for _ in range(MOST_LEVELS):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _without_depths(text: str) -> tuple[str, dict[str, str]]:
    """Return JSON in which each value below ``MOST_LEVELS`` is a mark, and those values as text.

    One pass over the text, without recursion. Raises ValueError for a string or a value that does
    not end; what else is no JSON inside of such a value is for Express to find.
    """
    parts, deep, level, begins, done = [], {}, 0, 0, 0
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign == '"':
            raise ValueError
        if sign in "[{":
            level += 1
            if level == MOST_LEVELS + 1:
                begins = token.start()
        elif sign in "]}":
            if level == MOST_LEVELS + 1:
                value = text[begins : token.end()]
                digest = hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()[:32]
                mark = f"{_MARK_BEGINS}{digest}"
                deep[mark] = value
                parts += [text[done:begins], f'"{mark}"']
                done = token.end()
            level -= 1
    if level > 0:
        raise ValueError
    return "".join([*parts, text[done:]]), deep


def _as_javascript_reads(digits: str) -> int | float | None:
    # The length decides for nearly every number.
    if len(digits) < 16:
        return int(digits)
    number = _finite(digits)
    return int(number) if number is not None and abs(number) <= MAX_SAFE_INTEGER else number


def _finite(digits: str) -> float | None:
    """Return a number; None for what is Infinity in JavaScript, which writes null for it."""
    number = float(digits)
    return number if math.isfinite(number) else None


def _refuse_constant(_: str) -> None:
    raise ValueError


def encode(
    data: Mapping[str, Any], cookie: Mapping[str, Any], deep: Mapping[str, str] | None = None
) -> str:
    """Write the JSON of a row: compact, `cookie` first, as Express does.

    `deep` is what the marks of the rows that were read stand for, wherever they are now.

    Raises `SessionNotSerializable`, which names the path of the key, for whatever Express would
    lose or change: a reserved name, an integer beyond 2^53, NaN, Infinity, no JSON at all, and a
    mark for what nobody has read.
    """
    if taken := RESERVED_NAMES.intersection(data):
        raise _unstorable(min(taken), "Express keeps this name for itself; use another one")
    try:
        text = json.dumps(
            {"cookie": cookie, **data}, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    except (TypeError, ValueError, RecursionError) as error:
        _refuse_what_javascript_cannot_hold(data)
        raise SessionNotSerializable(str(error)) from error
    # Only a text with a long number can hold an integer beyond 2^53.
    if _LONG_NUMBER.search(text):
        _refuse_what_javascript_cannot_hold(data)
    text = _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return _with_depths(text, deep or {}) if _MARK_BEGINS in text else text


def _with_depths(text: str, deep: Mapping[str, str]) -> str:
    """Return JSON in which each mark is what it stands for."""
    try:
        return _MARK.sub(lambda match: deep[match[1]], text)
    except KeyError as error:
        message = (
            f"{error.args[0]!r} stands for a value that is nested too deep for Django, in another "
            f"session: it can be moved and deleted where it was read, and copied by Express alone."
        )
        raise SessionNotSerializable(message) from None


def _unstorable(path: str, reason: str) -> SessionNotSerializable:
    return SessionNotSerializable(f"The session's {path!r} cannot be stored for Express: {reason}.")


def _refuse_what_javascript_cannot_hold(data: Mapping[str, Any]) -> None:
    for name, value in data.items():
        try:
            _refuse(value, str(name))
        except RecursionError:
            raise _unstorable(str(name), "it is nested too deeply or in itself") from None


def _refuse(value: object, path: str) -> None:
    match value:
        case None | bool() | str():
            pass
        case int() if abs(value) > MAX_SAFE_INTEGER:
            raise _unstorable(path, "JavaScript rounds integers beyond 2^53; store a string")
        case float() if not math.isfinite(value):
            raise _unstorable(path, f"JSON has no {value}; store None or a string")
        case int() | float():
            pass
        case dict():
            for name, item in value.items():
                if not isinstance(name, str | int | float | None):
                    raise _unstorable(path, f"JSON has no key of type {type(name).__name__}")
                _refuse(item, f"{path}.{name}")
        case list() | tuple():
            for index, item in enumerate(value):
                _refuse(item, f"{path}[{index}]")
        case _:
            raise _unstorable(path, f"JSON has no {type(value).__name__}; store text or a dict")


def canonical(value: Any) -> str:
    """Return the JSON of a value in one form, whichever half has written it last.

    JavaScript has one type of number, and an order of keys of its own.
    """
    back = json.loads(json.dumps(value), parse_int=_as_one_number, parse_float=_as_one_number)
    return json.dumps(back, sort_keys=True, separators=(",", ":"))


def _as_one_number(digits: str) -> int | float:
    number = float(digits)
    return int(number) if number.is_integer() else number


def cookie_that_expires(
    cookie: Mapping[str, Any], *, max_age_ms: int | None, expires_at_ms: int | None
) -> dict[str, Any]:
    """Return `cookie` with another expiry, its known keys in Express's order, all others kept.

    None for both means a cookie that the browser drops when it closes.
    """
    expiry = {
        "originalMaxAge": max_age_ms,
        "expires": None if expires_at_ms is None else iso_date(expires_at_ms),
    }
    merged = {**cookie, **expiry}
    known = {key: merged.pop(key) for key in COOKIE_KEYS if key in merged}
    return known | merged


def lifetime_ms(cookie: Mapping[str, Any]) -> int | None:
    """Return by how much Express slides a session with this cookie; None: a browser session."""
    age = cookie.get("originalMaxAge")
    if isinstance(age, bool) or not isinstance(age, int | float) or not math.isfinite(age):
        return None
    return max(0, min(round(age), LAST_UNSIGNED * 1000))


def iso_date(at_ms: int) -> str:
    """Return a time as JavaScript's `Date.toJSON` writes it."""
    at = _EPOCH + timedelta(milliseconds=min(at_ms, LAST_DATE_MS))
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def rounded_half_up(at_ms: int) -> int:
    """Return whole seconds as express-mysql-session stores and compares them (`Math.round`)."""
    return (at_ms + 500) // 1000


def rounded_up(at_ms: int) -> int:
    """Return whole seconds as connect-pg-simple stores and compares them (`Math.ceil`)."""
    return -(-at_ms // 1000)
