"""Who sent a request, as the proxies before the site tell: X-Forwarded-For, and RFC 7239.

Each proxy appends the address that it saw. So a header is read from the right, where the trusted
ones stand, and nothing left of them is looked at: a client can write there what it likes.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# As Django's META has them.
X_FORWARDED_FOR, FORWARDED = "HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED"
# What nginx calls a peer that came by a unix socket; web servers leave it empty.
_UNIX = "unix:"
# An address as it is, or with the port behind it, which IPv6 puts into brackets.
_with_port = re.compile(
    r"(?:\[([^\[\]]+)\]|([0-9.]+))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
).fullmatch
# RFC 7239, section 4; addresses with a port are often not quoted, though they should be.
# Security: nothing here goes back over what it has matched, or a long header would cost minutes.
_PAIR = r"""([!#$%&'*+.^_`|~0-9A-Za-z-]++)=("(?:[^"\\]|\\.)*+"|[^\s"\\,;=]++)"""
_pairs = re.compile(_PAIR).findall
_is_element = re.compile(rf"\s*+(?:{_PAIR}\s*+;\s*+)*+(?:{_PAIR}\s*+)?+").fullmatch
_unescape = re.compile(r"\\(.)").sub
# A quoted value may hold commas; one with more of them is none that a proxy writes.
_MOST_COMMAS = 4


@dataclass(frozen=True, slots=True)
class Proxies:
    """Whose word is taken for the client's address, and in which header they give it.

    Either ``count`` of them, or all in ``networks``; a peer or a hop without an address, which came
    by a unix socket, is on this machine and counts as one of theirs.
    """

    header: str
    count: int | None = None
    networks: tuple[Network, ...] = ()

    def client_of(self, peer: str, told: str) -> str | None:
        """Return the client's address; ``told`` is what stands in the header, None if unknown.

        A request that did not come through the proxies is the peer's own.
        """
        hops = _forwarded(told) if self.header == FORWARDED else _forwarded_for(told)
        try:
            address = self._counted(peer, hops) if self.count else self._walked(peer, hops)
        except ValueError:
            return None
        return None if address is None else str(address)

    def _counted(self, peer: str, hops: Iterator[str]) -> Address | None:
        """The proxies wrote one entry each, and the outermost one that of the client."""
        trusted = list(islice(hops, self.count))
        return address_of(trusted[-1] if len(trusted) == self.count else peer)

    def _walked(self, peer: str, hops: Iterator[str]) -> Address | None:
        """Each proxy tells who came to it, so the first one that is no proxy is the client."""
        last = None
        for hop in chain([peer or _UNIX], hops):
            if hop == _UNIX:
                continue
            last = address_of(hop)
            if not any(last in network for network in self.networks):
                break
        return last


def address_of(text: str) -> Address:
    """Return an address without its port, zone or IPv4 mapping. Raises ValueError for none."""
    found = _with_port(text)
    address = ipaddress.ip_address((found[1] or found[2]) if found else text)
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return address


def _forwarded_for(told: str) -> Iterator[str]:
    """Yield the entries of X-Forwarded-For, from the right."""
    return (entry.strip() for entry in reversed(told.split(","))) if told.strip() else iter(())


def _forwarded(told: str) -> Iterator[str]:
    """Yield what each element of Forwarded names as its ``for``, from the right.

    The shortest text that is an element is one: a quote that a client has left open swallows
    nothing that a proxy appended. Raises ValueError at what is none, or names nobody.
    """
    parts = told.split(",") if told.strip() else []
    while parts:
        element = parts.pop()
        for _ in range(_MOST_COMMAS):
            if _is_element(element) or not parts:
                break
            element = f"{parts.pop()},{element}"
        pairs = _pairs(element) if _is_element(element) else []
        names = [value for name, value in pairs if name.lower() == "for"]
        if len(names) != 1:
            message = "an element of Forwarded names nobody"
            raise ValueError(message)
        yield _unescape(r"\1", names[0][1:-1]) if names[0].startswith('"') else names[0]
