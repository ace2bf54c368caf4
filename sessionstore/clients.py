"""Who sends a request: address and user agent, as far as the site wants them recorded."""

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache, partial

from django.http import HttpRequest

from sessionstore.conf import conf
from sessionstore.core.headers.forwarded import X_FORWARDED_FOR, Proxies, address_of
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

    The same as SESSIONSTORE_TRUSTED_PROXIES = ``hops``, for whoever wants to go on from there.
    """
    if hops < 1:
        message = f"hops must be 1 or more, it is {hops!r}"
        raise ValueError(message)
    return partial(_told_by, Proxies(X_FORWARDED_FOR, count=hops))


def _told_by(proxies: Proxies, request: HttpRequest) -> str | None:
    peer, told = remote_addr(request), request.META.get(proxies.header)
    return _client_of(proxies, peer or "", told or "")


def _recorded_address(request: HttpRequest) -> str | None:
    proxies, special = conf.trusted_proxies, conf.client_ip
    if proxies is None or special is not remote_addr:
        told = special(request)
    else:
        told = _told_by(proxies, request)
    try:
        return _shown(told or "", shortened=conf.record_client == "shortened")
    except ValueError:
        return None  # A unix socket has no address, and a made-up one is none.


# Optimization: most requests come from an address that was seen before; that saves 6 % of a
# request that does not look at its session.
@lru_cache(maxsize=1024)
def _shown(text: str, *, shortened: bool) -> str:
    address = address_of(text)
    if shortened:
        prefix = _SHORT_V4 if address.version == 4 else _SHORT_V6
        return str(ipaddress.ip_network((address, prefix), strict=False).network_address)
    return str(address)


@lru_cache(maxsize=256)
def _client_of(proxies: Proxies, peer: str, told: str) -> str | None:
    return proxies.client_of(peer, told)
