"""A client with several connections at once: each sends its next request when it is answered."""

import selectors
import socket
import time
from dataclasses import dataclass, field

_HEAD_END, _LENGTH = b"\r\n\r\n", b"content-length:"
_OK = b"HTTP/1.1 200"


@dataclass(slots=True)
class Visitor:
    """One connection, which a server may close after each answer."""

    port: int
    path: str
    cookie: str
    number: int = 0
    answered: int = 0
    connection: socket.socket | None = None
    received: bytes = b""
    sent_at: int = 0
    times: list[int] = field(default_factory=list)

    def ask(self, selector: selectors.BaseSelector) -> None:
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port))
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(self.connection, selectors.EVENT_READ, self)
        self.number += 1
        head = f"GET {self.path}?{self.number} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n"
        cookie = f"Cookie: sessionid={self.cookie}\r\n" if self.cookie else ""
        self.received, self.sent_at = b"", time.perf_counter_ns()
        self.connection.sendall(f"{head}{cookie}\r\n".encode())

    def hear(self, selector: selectors.BaseSelector) -> bool:
        """Read what has come; tell whether that was all of the answer."""
        if self.connection is None:
            raise RuntimeError("nobody has asked")
        part = self.connection.recv(65536)
        self.received += part
        head, end, body = self.received.partition(_HEAD_END)
        if part and not (end and len(body) >= _length_in(head)):
            return False
        if not self.received.startswith(_OK):
            raise RuntimeError(f"{self.path} answers {head[:80]!r}")
        self.times.append(time.perf_counter_ns() - self.sent_at)
        if not part or b"connection: close" in head.lower():
            self.leave(selector)
        return True

    def leave(self, selector: selectors.BaseSelector) -> None:
        if self.connection is not None:
            selector.unregister(self.connection)
            self.connection.close()
            self.connection = None


def _length_in(head: bytes) -> int:
    lower = head.lower()
    start = lower.index(_LENGTH) + len(_LENGTH)
    return int(lower[start:].split(b"\r\n", 1)[0])


def drive(port: int, path: str, cookies: list[str], seconds: float) -> tuple[float, list[int]]:
    """Let a visitor for each cookie ask for ``path``; return requests a second, and their times."""
    visitors = [Visitor(port, path, cookie) for cookie in cookies]
    started = time.perf_counter()
    ends_at = started + seconds
    with selectors.DefaultSelector() as selector:
        for visitor in visitors:
            visitor.ask(selector)
        left = len(visitors)
        while left:
            for key, _ in selector.select(timeout=30):
                if not key.data.hear(selector):
                    continue
                if time.perf_counter() < ends_at:
                    key.data.ask(selector)
                else:
                    key.data.leave(selector)
                    left -= 1
    took = time.perf_counter() - started
    times = [one for visitor in visitors for one in visitor.times]
    return len(times) / took, times
