"""This server visits itself, with cookies that somebody else has got hold of."""

import ssl
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection

from django.conf import settings
from django.http import HttpRequest

SERVER = "127.0.0.1"
TIMEOUT = 10  # seconds


def visit(request: HttpRequest, path: str, cookies: dict[str, str]) -> int:
    """Ask the server of this request for a page, with these cookies alone; return the status."""
    headers = {
        "Host": request.get_host(),
        "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        "User-Agent": "another browser",
    }
    port = int(request.get_port())
    if request.is_secure():
        trust = ssl.create_default_context(cafile=settings.CERTIFICATE)
        connection = HTTPSConnection(SERVER, port, timeout=TIMEOUT, context=trust)
    else:
        connection = HTTPConnection(SERVER, port, timeout=TIMEOUT)
    with closing(connection):
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
