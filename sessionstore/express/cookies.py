"""Express's ``cookie`` object as a cookie's options, and where it differs from Django's settings.

Others write the row, so each value is looked at: what Express itself could not send, and what would
end an attribute or a header line, counts as if Django's setting stood there.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from sessionstore.conf import conf
from sessionstore.core.express_format import decode
from sessionstore.core.headers.set_cookie import CookieOptions
from sessionstore.exceptions import SessionUnreadable
from sessionstore.express.rows import SharedTable

# What the package `cookie` takes, by which express-session writes its Set-Cookie (before 0.7 also
# an underscore in a domain); browsers ignore an attribute of more than 1024 characters.
_is_path = re.compile(r"[ -:=-~]{1,1024}").fullmatch
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_is_domain = re.compile(rf"(?=.{{1,255}}$)\.?{_LABEL}(?:\.{_LABEL})*").fullmatch
_SAME_SITE: Final = {"strict": "Strict", "lax": "Lax", "none": "None"}
_PRIORITIES: Final = {"low": "Low", "medium": "Medium", "high": "High"}


def options_in(cookie: Mapping[str, Any], default: CookieOptions) -> CookieOptions:
    """Return what Express would send for a session with this ``cookie`` object.

    What the object leaves out is as in ``new Cookie()`` of express-session.
    """
    return CookieOptions(
        path=_text(cookie.get("path", "/"), _is_path, default.path),
        domain=_text(cookie.get("domain"), _is_domain, default.domain),
        samesite=_same_site(cookie.get("sameSite"), default.samesite),
        secure=_is_true(cookie.get("secure")),
        httponly=_is_true(cookie.get("httpOnly", True)),
        partitioned=_is_true(cookie.get("partitioned")),
        priority=_word(cookie.get("priority"), _PRIORITIES, default.priority),
    )


def cookie_with(options: CookieOptions) -> dict[str, Any]:
    """Return the ``cookie`` object that says these options."""
    cookie: dict[str, Any] = {"httpOnly": options.httponly, "path": options.path}
    if options.secure:
        cookie["secure"] = True
    if options.domain:
        cookie["domain"] = options.domain
    if options.samesite:
        cookie["sameSite"] = options.samesite.lower()
    return cookie


def _is_true(value: Any) -> bool:
    """Tell whether JavaScript takes a value for true; it does so for an empty list."""
    return value is not None and value not in (False, 0, "")


def _text(value: Any, is_fit: Any, default: str | None) -> str | None:
    if not _is_true(value):
        return None
    return value if isinstance(value, str) and is_fit(value) else default


def _word(value: Any, words: Mapping[str, str], default: str | None) -> str | None:
    if not _is_true(value):
        return None
    return words.get(value.lower(), default) if isinstance(value, str) else default


def _same_site(value: Any, default: str | None) -> str | None:
    return "Strict" if value is True else _word(value, _SAME_SITE, default)


# --- where the two halves differ

# Ids are random, so the first ones are any.
_LOOKED_AT: Final = 20
# By the name of the option here: Django's setting, if it has one, and Express's option.
_NAMES: Final = {
    "path": ("SESSION_COOKIE_PATH", "path"),
    "domain": ("SESSION_COOKIE_DOMAIN", "domain"),
    "samesite": ("SESSION_COOKIE_SAMESITE", "sameSite"),
    "secure": ("SESSION_COOKIE_SECURE", "secure"),
    "httponly": ("SESSION_COOKIE_HTTPONLY", "httpOnly"),
    "partitioned": (None, "partitioned"),
}

# How well a value of SameSite, Secure or HttpOnly guards a cookie; 1 is that of all others.
_GUARDS: Final[Mapping[Any, int]] = {"Strict": 3, "Lax": 2, "None": 0, False: 0}


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An option of the cookie that live sessions have otherwise than new ones of Django get."""

    text: str
    hint: str


def disagreements_on(table: SharedTable) -> list[Disagreement]:
    """Return where some live sessions of a table differ from Django's settings; one SELECT."""
    texts = (text for _, text in table.page("", _LOOKED_AT))
    return disagreements(cookies_of(texts), conf.cookie_options)


def cookies_of(texts: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the ``cookie`` object of each row that can be read."""
    for text in texts:
        with suppress(SessionUnreadable):
            stored = decode(text)
            if stored is not None:
                yield stored.cookie


def disagreements(
    cookies: Iterable[Mapping[str, Any]], settings: CookieOptions
) -> list[Disagreement]:
    """Return in which options the cookies of sessions differ from what Django's settings say."""
    ours = _comparable(options_in(cookie_with(settings), settings))
    theirs = [_comparable(options_in(cookie, settings)) for cookie in cookies]
    found = []
    for option, names in _NAMES.items():
        others = Counter(one[option] for one in theirs if one[option] != ours[option])
        if others:
            [(value, _)] = others.most_common(1)
            count = f"{others.total()} of {len(theirs)}"
            found.append(_disagreement(names, ours[option], value, count, settings))
    return found


def _comparable(options: CookieOptions) -> dict[str, Any]:
    return {**asdict(options), "domain": options.place[0] or None}


def _disagreement(
    names: tuple[str | None, str], ours: Any, theirs: Any, count: str, settings: CookieOptions
) -> Disagreement:
    (setting, option), cookie = names, cookie_with(settings)
    text = (
        f"The cookie of {count} live sessions has {option} {theirs!r}, and that of a session which "
        f"begins in Django {ours!r}"
    )
    there = f"leave {option} out of `cookie`"
    if option in cookie:
        there = f"set cookie: {{{option}: {json.dumps(cookie[option])}}}"
    here, after = f"set {setting} = {theirs!r}", "; a session keeps what it began with."
    hint = there if setting is None else f"{here} or, in Express, {there}"
    if setting is not None and _GUARDS.get(theirs, 1) < _GUARDS.get(ours, 1):
        # What guards the cookie better comes first.
        hint = f"in Express, {there}, or {here}"
    return Disagreement(text, f"{hint[0].upper()}{hint[1:]}{after}")
