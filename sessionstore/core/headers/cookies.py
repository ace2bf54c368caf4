"""The session's cookie in a request's own header, read more strictly than Django reads it.

Django strips a cookie's name of whatever Python takes for a blank. A browser holds U+2000 or 0xA0
for a part of the name, so a sibling domain may set a cookie called ``<U+2000>__Host-sessionid``
without the guarantees of ``__Host-``, and Django takes it for ``__Host-sessionid``.
"""

import random
import re
from collections.abc import Iterator
from urllib.parse import quote

# What may stand around a name in the header (RFC 6265, 5.4; RFC 9110, 5.6.3).
_BLANKS = " \t"
# Each is a header line of its own, of 90 characters and its place; proxies take 4 kB of headers.
_MOST_PLACES, _MOST_CHARACTERS = 20, 1500
_ALWAYS = 10
# What Django's reverse() leaves as it is, but for the semicolon, which ends an attribute.
_UNESCAPED = "/~:@!$&'()*+,="
# Security: browsers ignore a longer Path, and would delete the cookie in another place.
_LONGEST_PATH = 1024


def is_plain(header: str, name: str, *longer: str) -> bool:
    """Tell at a glance that there is one such cookie, under its exact name, or none at all.

    Cookies of ours whose ``longer`` names begin with this one may be there too.
    """
    # This is all that nearly every request costs.
    count = header.count(name)
    if count > 1:
        count -= sum(header.count(f"{one}=") for one in longer)
    begins = header.startswith(name + "=") or f"; {name}=" in header
    return count == 0 or (count == 1 and begins)


def named(header: str, name: str) -> list[str]:
    """Return the cookies of a header whose name is exactly ``name``, as ``name=value``."""
    pairs = (chunk.strip(_BLANKS) for chunk in header.split(";") if "=" in chunk)
    return [pair for pair in pairs if pair.partition("=")[0].rstrip(_BLANKS) == name]


def other_places(
    name: str, *, host: str, path: str, domain: str | None, cookie_path: str
) -> list[tuple[str | None, str]]:
    """Return each domain and path, but the site's own, where a browser may hold such a cookie.

    Only places whose cookies come with a request for ``path``, which is as Django decodes it. The
    likely ones first: where the site itself may have set it before, then the deepest folders. A
    cookie named ``__Host-`` has one place only.
    """
    if name.startswith("__Host-"):
        return []
    above = list(_domains_of(host.lower()))
    # Browsers take a Domain that is an address or has one label for none.
    own = domain.lstrip(".").lower() if domain and above else None
    domains = dict.fromkeys((None, own, *above))
    paths = ("/", cookie_path, *reversed(list(_folders_of(_escaped(path)))))
    found = [(one, at) for at in paths for one in domains]
    return [place for place in dict.fromkeys(found) if place != (own, cookie_path)]


def as_many_as_fit(places: list[tuple[str | None, str]]) -> list[tuple[str | None, str]]:
    """Return no more places than the header lines of one response may name.

    The first ones always. Of the others each time some by chance: whoever asks again reaches all.
    """
    others = places[_ALWAYS:]
    random.shuffle(others)
    chosen: list[tuple[str | None, str]] = []
    room = _MOST_CHARACTERS
    for domain, path in [*places[:_ALWAYS], *others]:
        size = len(domain or "") + len(path)
        if size <= room and len(chosen) < _MOST_PLACES:
            chosen.append((domain, path))
            room -= size
    return chosen


def _domains_of(host: str) -> Iterator[str]:
    """Yield a host and the domains above it, without the last; nothing for an address."""
    labels = host.partition(":")[0].split(".")
    if labels[-1].isdigit():
        return
    for first in range(len(labels) - 1):
        yield ".".join(labels[first:])


def _escaped(path: str) -> str:
    """Return a path as it stands in the site's own links, and so in the browser.

    Security: nothing is left that could end an attribute of the cookie, or its header line.
    """
    return quote(path, safe=_UNESCAPED, errors="replace")


def _folders_of(path: str) -> Iterator[str]:
    """Yield what the Path of a cookie can be that comes with a request for ``path``.

    These are its beginnings up to a slash and up to before one, and itself (RFC 6265, 5.1.4).
    """
    ends = (at for slash in re.finditer("/", path) for at in slash.span())
    for end in dict.fromkeys((*ends, len(path))):
        if 0 < end <= _LONGEST_PATH:
            yield path[:end]
