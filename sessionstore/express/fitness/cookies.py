"""Where the cookies of live sessions differ from what Django's settings say of new ones."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from sessionstore.conf import conf
from sessionstore.core.express_format import decode
from sessionstore.core.headers.set_cookie import CookieOptions
from sessionstore.exceptions import SessionUnreadable
from sessionstore.express.cookies import cookie_with, options_in
from sessionstore.express.rows import SharedTable

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
    here = "" if setting is None else f"Set {setting} = {theirs!r} or, in Express, "
    there = f"cookie: {{{option}: {json.dumps(cookie[option])}}}" if option in cookie else None
    there = f"leave {option} out of `cookie`" if there is None else f"set {there}"
    hint = f"{here}{there}; a session keeps what it began with."
    return Disagreement(text, hint[0].upper() + hint[1:])
