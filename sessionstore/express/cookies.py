"""Express's ``cookie`` object as a cookie's options, and back.

Others write the row, so each value is looked at: what Express itself could not send, and what would
end an attribute or a header line, counts as if Django's setting stood there.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from sessionstore.core.headers.set_cookie import CookieOptions

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
