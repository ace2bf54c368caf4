"""Who sends a request: address and user agent, as far as the site wants them recorded."""

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache

from django.http import HttpRequest

from sessionstore.conf import conf
from sessionstore.core.record import USER_AGENT_LENGTH, Client

_control = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SHORT_V4, _SHORT_V6 = 24, 48


def client_of(request: HttpRequest) -> Client:
    """Return what SESSIONSTORE_RECORD_CLIENT lets us record of ``request``."""
    if conf.record_client == "nothing":
        return Client()
    # Security: a user agent ends up in logs and pages; control characters do not (ASVS 16.2.5).
    agent = _control.sub("", request.META.get("HTTP_USER_AGENT", ""))[:USER_AGENT_LENGTH]
    return Client(ip=_recorded_address(request), user_agent=agent or None)


def remote_addr(request: HttpRequest) -> str | None:
    """Return the address of the peer: the client, or the proxy where there is one."""
    return request.META.get("REMOTE_ADDR") or None


def forwarded_for(hops: int) -> Callable[[HttpRequest], str | None]:
    """Return a callable for SESSIONSTORE_CLIENT_IP_CALLABLE on a site behind ``hops`` proxies.

    Each proxy appends the address that it saw to X-Forwarded-For, so the ``hops``-th entry from
    the right was written by the outermost proxy that you trust; what stands left of it can be
    made up by the client. With fewer entries than that the request did not come through the
    proxies, and the peer's own address is the answer.
    """
    if hops < 1:
        message = f"hops must be 1 or more, it is {hops!r}"
        raise ValueError(message)

    def forwarded(request: HttpRequest) -> str | None:
        entries = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        entry = entries[-hops].strip() if len(entries) >= hops else ""
        return entry or remote_addr(request)

    return forwarded


def _recorded_address(request: HttpRequest) -> str | None:
    try:
        return _shown(conf.client_ip(request) or "", shortened=conf.record_client == "shortened")
    except ValueError:
        return None  # A unix socket has no address, and a made-up one is none.


# Optimization: most requests come from an address that was seen before; parsing it takes 3 us.
@lru_cache(maxsize=1024)
def _shown(text: str, *, shortened: bool) -> str:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or ipaddress.IPv6Address(int(address))  # drops a zone id
    if shortened:
        prefix = _SHORT_V4 if address.version == 4 else _SHORT_V6
        return str(ipaddress.ip_network((address, prefix), strict=False).network_address)
    return str(address)
