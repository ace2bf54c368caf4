"""The Express application as a process, and a browser that talks to both halves."""

import contextlib
import http.client
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connections
from django.test import Client

from tests.harness.node import EXAMPLE, OLD_RELEASES, require_node
from tests.harness.process import ServerEndedError, launch

NAME = "connect.sid"
SECRETS = ["keyboard cat"]
DAY_MS = 86_400_000


class Peer:
    """One Node process; ended by `stop`."""

    def __init__(self, environment: dict[str, str], log: Path, *, releases: str = "new") -> None:
        old = ["--require", str(OLD_RELEASES / "old.js")] if releases == "old" else []
        self.node = launch(
            "express",
            ["node", *old, "server.js"],
            log=log,
            folder=EXAMPLE,
            environment={**environment, "PORT": "0", "PEER": "1", "NODE_ENV": "test"},
        )
        self.port = int(self.node.wait_for_line(r"listens on \S+:(\d+)")[1])

    def ask(
        self, path: str, body: Any = None, *, cookie: str | None = None, scheme: str = "http"
    ) -> tuple[int, Any, list[str]]:
        """POST JSON; return status, JSON (or text) and the Set-Cookie headers."""
        return self.receive(self.send(path, body, cookie=cookie, scheme=scheme))

    def send(
        self, path: str, body: Any, *, cookie: str | None, scheme: str = "http"
    ) -> http.client.HTTPConnection:
        """POST JSON, as a proxy passes it on, and do not wait for the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": "application/json", "X-Forwarded-Proto": scheme}
        headers |= {"Cookie": cookie} if cookie else {}
        with self._explained():
            connection.request("POST", path, json.dumps(body), headers)
        return connection

    def receive(self, connection: http.client.HTTPConnection) -> tuple[int, Any, list[str]]:
        """Return what came back."""
        with contextlib.closing(connection), self._explained():
            response = connection.getresponse()
            text = response.read().decode()
        # What Node nests too deep for Python stays text.
        with contextlib.suppress(ValueError, RecursionError):
            text = json.loads(text)
        return response.status, text, response.headers.get_all("Set-Cookie") or []

    def control(self, path: str, body: Any = None) -> Any:
        """Ask a route that has no session."""
        status, answer, _ = self.ask(f"/control/{path}", body)
        assert status == 200, answer
        return answer

    def store(self, verb: str, *arguments: Any) -> Any:
        """Call a verb of the real Node store."""
        return self.control(f"store/{verb}", list(arguments))

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Let the error of a broken connection say what became of the process."""
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            if ending := self.node.ending(seconds=2):
                raise ServerEndedError(ending) from error
            error.add_note(f"{self.node.name} still runs; it wrote:\n{self.node.log_tail()}")
            raise

    def stop(self) -> None:
        """End the process, by its id."""
        self.node.stop()


class Peers:
    """Node processes by their configuration; each is kept, and started anew when it has ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.releases = "new"
        self.running: dict[str, Peer] = {}
        self.ended: list[str] = []
        self._numbers = itertools.count(1)

    def get(
        self, alias: str, *, store: str = "mysql", releases: str | None = None, **options: Any
    ) -> Peer:
        """Return the Express application on a database, with these options.

        `releases` is "new" (what the example has) or "old" (what some sites still run).
        """
        require_node()
        releases = releases or self.releases
        key = json.dumps([alias, store, releases, options], sort_keys=True)
        self._let_go()
        if key not in self.running:
            database = connections[alias].settings_dict
            # It is kept longer than the tables are, and what its timer finds gone ends the process.
            timer = {"checkExpirationInterval": DAY_MS} if store == "mysql" else {}
            self.running[key] = Peer(
                {
                    "SESSION_STORE": store,
                    "DB_HOST": "127.0.0.1",
                    "DB_PORT": str(options.get("port", database["PORT"])),
                    "DB_USER": database["USER"],
                    "DB_NAME": database["NAME"],
                    "DB_OPTIONS": json.dumps(options.get("database", {})),
                    "SESSION_SECRETS": json.dumps(options.get("secrets", SECRETS)),
                    "NEW_RELEASES": "express-mysql-session" if alias == "mysql" else "",
                    "PGOPTIONS": options.get("pgoptions", ""),
                    "SESSION_OPTIONS": json.dumps(options.get("session", {})),
                    "STORE_OPTIONS": json.dumps(timer | options.get("store_options", {})),
                },
                self.folder / f"express-{next(self._numbers)}.log",
                releases=releases,
            )
        return self.running[key]

    def _let_go(self) -> None:
        for key, peer in list(self.running.items()):
            if ending := peer.node.ending():
                self.ended.append(ending)
                del self.running[key]

    @contextlib.contextmanager
    def watched(self, *, releases: str = "new") -> Iterator["Peers"]:
        """Raise ServerEndedError at the end for those that ended meanwhile; the next is new."""
        self.releases = releases
        yield self
        self._let_go()
        endings, self.ended = self.ended, []
        if endings:
            raise ServerEndedError("\n".join(endings))

    def stop(self) -> None:
        """End all of them."""
        for peer in self.running.values():
            peer.stop()
        self.running.clear()


@dataclass(slots=True)
class Browser:
    """One cookie jar and the two halves of a site; what a real browser sends, byte for byte."""

    peer: Peer | None = None
    cookie: str | None = None
    name: str = NAME
    set_cookies: list[str] = field(default_factory=list)

    def express(self, *steps: list[Any]) -> dict[str, Any]:
        """Run steps in Express (`steps` of peer.js); return {id, loaded, session, user}."""
        assert self.peer is not None
        status, answer, set_cookies = self.peer.ask("/peer", list(steps), cookie=self._header())
        assert status == 200, answer
        self._take(set_cookies)
        return answer

    @contextlib.contextmanager
    def head_of_express(self, *steps: list[Any]) -> Iterator[int]:
        """Run steps in Express; yield the status when it has come, and wait for the end then."""
        assert self.peer is not None
        sent = self.peer.send("/peer", list(steps), cookie=self._header())
        with contextlib.closing(sent):
            answer = sent.getresponse()
            yield answer.status
            answer.read()

    def django(self, *steps: list[Any], status: int = 200) -> dict[str, Any]:
        """Run steps in Django; return {session, user, key}."""
        headers = {"cookie": header} if (header := self._header()) else {}
        client = Client(raise_request_exception=False)
        response = client.generic(
            "POST", "/run/", json.dumps(steps), "application/json", headers=headers
        )
        assert response.status_code == status, response.getvalue()[:2000]
        self._take([morsel.OutputString() for morsel in response.cookies.values()])
        return json.loads(response.getvalue()) if status == 200 else {}

    def _header(self) -> str | None:
        return f"{self.name}={self.cookie}" if self.cookie else None

    def _take(self, set_cookies: list[str]) -> None:
        self.set_cookies = set_cookies
        for line in set_cookies:
            name, _, rest = line.partition("=")
            if name != self.name:
                continue
            value, *_ = rest.partition(";")
            self.cookie = None if "max-age=0" in rest.lower().split("; ") else value
