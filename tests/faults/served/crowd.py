"""Browsers with real connections to an application server, and what each of them was told."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from tests.harness.threads import run_together

BEFORE, AFTER = 5, 10
CONNECTIONS = 2
# The answer of a request that got none: the connection was refused, or has broken.
BROKEN = 0
# A browser asks the next time when its answer has been read.
NEXT_S = 0.02
_ASKED_OF_ONE_CONNECTION = 10


@dataclass(slots=True)
class Connection:
    """A kept-alive connection, made anew now and then: another worker takes it."""

    port: int
    link: HTTPConnection | None = None
    asked: int = 0

    def ask(
        self, page: str, key: str | None = None, /, **values: Any
    ) -> tuple[int, Any, str | None]:
        """Return status, page and the key that the browser holds now."""
        if self.link is None or self.asked >= _ASKED_OF_ONE_CONNECTION:
            self.close()
            self.link = HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.asked += 1
        headers = {"Cookie": f"sessionid={key}"} if key else {}
        try:
            self.link.request("GET", f"/{page}/?{urlencode(values)}", headers=headers)
            response = self.link.getresponse()
            body = response.read()
        except (OSError, HTTPException):
            self.close()
            return BROKEN, {}, key
        for line in response.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                key = (morsel.value or None) if name == "sessionid" else key
        told = json.loads(body) if response.status == 200 else {"error": body[:2000]}
        return response.status, told, key

    def close(self) -> None:
        if self.link is not None:
            self.link.close()
        self.link, self.asked = None, 0


@dataclass(slots=True)
class Visitor:
    """Somebody who is signed in, which changes were acknowledged, and which were only asked for."""

    name: str
    key: str | None = None
    sent: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)
    counts_sent: int = 0
    counted: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(slots=True)
class Crowd:
    """Everybody who asks, and what they were answered."""

    port: int
    # Who signs in and waits, and those who change something all the time.
    patient: Visitor = field(default_factory=lambda: Visitor("patient"))
    visitors: list[Visitor] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    rounds: int = 0
    # Signed out, or shown to somebody else, in words.
    signed_out: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    errors: list[Any] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def ask(
        self, connection: Connection, who: str, page: str, key: str | None, /, **values: Any
    ) -> tuple[int, Any, str | None]:
        """Ask as somebody, who must be answered with a session of theirs, or with none."""
        status, told, key = connection.ask(page, key, **values)
        self.statuses.append(status)
        if status == 200 and page != "logout":
            seen = {told["user"], told["visitor"]}
            if seen == {"", None}:
                self.signed_out.append(f"{who} by {page} of {told['pid']}")
            elif seen != {who}:
                self.leaks.append(f"{who} was shown {told}")
        elif status not in {200, BROKEN}:
            self.errors.append((status, who, page, told))
        time.sleep(NEXT_S)
        return status, told, key

    def enter(self, number: int) -> None:
        """Sign visitors in."""
        connection = Connection(self.port)
        self.visitors = [Visitor(f"visitor{one}") for one in range(number)]
        for visitor in [self.patient, *self.visitors]:
            status, _, visitor.key = self.ask(
                connection, visitor.name, "login", None, name=visitor.name
            )
            assert status == 200, self.errors
        connection.close()

    def goes_on(self, deadline: float, well: int) -> bool:
        """Tell whether somebody shall ask again."""
        assert time.monotonic() < deadline, "the fault was not over in time"
        return not (self.over.is_set() and well >= AFTER)

    def change(self, visitor: Visitor, which: str, deadline: float) -> None:
        """Change the session on a connection of its own until it goes well again."""
        connection, well, number = Connection(self.port), 0, 0
        while self.goes_on(deadline, well):
            number += 1
            status = self.put(connection, visitor, f"{which}{number}")
            if number % 3 == 0:
                self.count(connection, visitor)
            well += status == 200 and self.over.is_set()
        connection.close()

    def put(self, connection: Connection, visitor: Visitor, mark: str, **pause: str) -> int:
        """Store a mark; when that is acknowledged it has to stay."""
        visitor.sent.add(mark)
        status, _, _ = self.ask(connection, visitor.name, "put", visitor.key, key=mark, **pause)
        if status == 200:
            visitor.stored.add(mark)
        return status

    def count(self, connection: Connection, visitor: Visitor) -> None:
        """Count one up, as several connections do at once."""
        with visitor.lock:
            visitor.counts_sent += 1
        status, _, _ = self.ask(connection, visitor.name, "count", visitor.key)
        with visitor.lock:
            visitor.counted += status == 200

    def come_and_go(self, name: str, deadline: float) -> None:
        """Sign in, take a new key, sign out; none of the keys may work afterwards."""
        connection, well = Connection(self.port), 0
        while self.goes_on(deadline, well):
            status, _, first = self.ask(connection, name, "login", None, name=name)
            if status != 200:
                continue
            status, _, second = self.ask(connection, name, "cycle", first)
            if status != 200:
                continue
            status, _, _ = self.ask(connection, name, "logout", second)
            if status == 200:
                self.ended += [first, second]
                self.rounds += 1
            well += status == 200 and self.over.is_set()
        connection.close()

    def lost(self) -> int:
        """Count the acknowledged changes that are not there; note what nobody has asked for."""
        connection, lost = Connection(self.port), 0
        for visitor in [self.patient, *self.visitors]:
            status, told, _ = self.ask(connection, visitor.name, "read", visitor.key)
            assert status == 200, self.errors
            found = set(told.get("keys", ()))
            lost += len(visitor.stored - found) + max(0, visitor.counted - told["count"])
            if found - visitor.sent or told["count"] > visitor.counts_sent:
                self.leaks.append(f"{visitor.name} has what it never sent: {told}")
        connection.close()
        return lost

    def came_back(self) -> int:
        """Count the keys that open a session although it was ended."""
        connection = Connection(self.port)
        users = [connection.ask("read", key)[1].get("user") for key in self.ended]
        connection.close()
        return sum(user != "" for user in users)


@contextmanager
def asking(port: int, *, visitors: int = 4, seconds: float = 120) -> Iterator[Crowd]:
    """Let a crowd ask, in threads, while the block does something to the server."""
    crowd = Crowd(port)
    crowd.enter(visitors)
    deadline = time.monotonic() + seconds
    runs = [
        partial(crowd.change, visitor, f"{which}-", deadline)
        for visitor in crowd.visitors
        for which in "abcdef"[:CONNECTIONS]
    ]
    outcomes: list[Any] = []
    everybody = [*runs, partial(crowd.come_and_go, "guest", deadline)]
    thread = threading.Thread(
        target=lambda: outcomes.extend(run_together(everybody, seconds=seconds + 30))
    )
    thread.start()
    try:
        while thread.is_alive() and len(crowd.statuses) < BEFORE * len(runs):
            time.sleep(0.01)
        yield crowd
    finally:
        crowd.over.set()
        thread.join()
    assert [repr(outcome)[:300] for outcome in outcomes if outcome is not None] == []
