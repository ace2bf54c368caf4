"""The session's cookie in a request's own header, read more strictly than Django reads it.

Django strips a cookie's name of whatever Python takes for a blank. A browser holds U+2000 or 0xA0
for a part of the name, so a sibling domain may set a cookie called ``<U+2000>__Host-sessionid``
without the guarantees of ``__Host-``, and Django takes it for ``__Host-sessionid``.
"""

from collections.abc import Iterator
from itertools import accumulate

# What may stand around a name in the header (RFC 6265, 5.4; RFC 9110, 5.6.3).
_BLANKS = " \t"
# Each is a header line of its own; proxies take a few kB of headers.
_MOST_PLACES = 20


def is_plain(header: str, name: str) -> bool:
    """Tell at a glance that there is one such cookie, under its exact name, or none at all."""
    # Optimization: this is all that nearly every request costs.
    count = header.count(name)
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

    The likely ones first, and no more than a few. A cookie named ``__Host-`` has one place only.
    """
    if name.startswith("__Host-"):
        return []
    own = domain.lstrip(".").lower() if domain else None
    domains = dict.fromkeys((None, own, *_domains_of(host.lower())))
    found = [(one, at) for at in ("/", cookie_path, *_folders_of(path)) for one in domains]
    return [place for place in dict.fromkeys(found) if place != (own, cookie_path)][:_MOST_PLACES]


def _domains_of(host: str) -> Iterator[str]:
    """Yield a host and the domains above it, without the last; nothing for an address."""
    labels = host.partition(":")[0].split(".")
    if labels[-1].isdigit():
        return
    for first in range(len(labels) - 1):
        yield ".".join(labels[first:])


def _folders_of(path: str) -> Iterator[str]:
    """Yield a path and the folders above it, with and without the slash at their end."""
    for folder in accumulate(path.strip("/").split("/"), "{}/{}".format, initial=""):
        if folder.strip("/"):
            yield folder
            yield f"{folder}/"
