"""express-session with two of its stores, as sites that answer through HTTP."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from django.db import connections

from tests.harness.cluster import wait_until
from tests.harness.node import EXAMPLE, OLD_RELEASES, require_node
from tests.harness.process import Launched, launch

NAME = "connect.sid"
SECRET = "keyboard cat"


@dataclass(slots=True)
class Answer:
    """What came back."""

    status_code: int
    body: bytes

    def json(self) -> Any:
        """Return the body, or nobody and nothing where it is an error page."""
        with contextlib.suppress(ValueError):
            return json.loads(self.body)
        return {"user": None, "value": None}


@dataclass(slots=True)
class NodeBrowser:
    """A browser that talks to the Node process; it keeps its cookie."""

    site: "ExpressSite"
    key: str | None = None
    old_key: str | None = None

    def get(self, url: str, *, cookie: bytes | None = None) -> Answer:
        """Ask for a page, with its cookie or with this one."""
        connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=60)
        mine = f"{NAME}={self.key}".encode() if self.key else None
        sent = mine if cookie is None else cookie
        with contextlib.closing(connection):
            connection.request("GET", url, headers={"Cookie": sent} if sent else {})
            response = connection.getresponse()
            answer = Answer(response.status, response.read())
        for line in response.headers.get_all("Set-Cookie") or []:
            name, _, rest = line.partition("=")
            if name == NAME and cookie is None:
                self.key = rest.partition(";")[0] or None
        return answer


@dataclass(slots=True)
class ExpressSite:
    """A store of express-session in the table that it makes itself."""

    name: str
    table: str
    columns: tuple[str, str, str]
    databases: tuple[str, ...]
    is_ours: bool = False
    app: str = ""
    cache: None = None
    tables: tuple[Any, ...] = ()
    alias: str = ""
    port: int = field(default=0, init=False)

    def settings(self) -> dict[str, Any]:
        """Nothing of Django has to do with it."""
        return {}

    @contextlib.contextmanager
    def served(self, alias: str, log: Path) -> Iterator[Launched]:
        """Run it before the database of an alias, and end it with its table."""
        require_node()
        self.alias = alias
        known = connections[alias].settings_dict
        where = {"host": "127.0.0.1", "port": int(known["PORT"]), "user": known["USER"]}
        environment = {
            "STORE": self.name,
            "SECRET": SECRET,
            "DATABASE": json.dumps({**where, "database": known["NAME"]}),
            "NODE_PATH": str(EXAMPLE / "node_modules"),
            "NODE_ENV": "production",
        }
        command = ["node", str(OLD_RELEASES / "faults.js")]
        node = launch("express", command, log=log, environment=environment)
        try:
            self.port = int(node.wait_for_line(r"listens on \S+:(\d+)")[1])
            # connect-pg-simple makes its table when it is first asked, the other one meanwhile; and
            # a write that has failed is answered 200.
            assert self.browser().get("/write/").status_code == 200
            wait_until(lambda: self.table.strip('"') in tables_of(alias))
            self.empty()
            yield node
        finally:
            node.stop()
            with connections[alias].cursor() as cursor:
                cursor.execute(f"DROP TABLE IF EXISTS {self.table}")

    def sql(self, text: str, parameters: Any = None) -> list[Any]:
        """Run a statement on its table beside it."""
        with connections[self.alias].cursor() as cursor:
            cursor.execute(text, parameters)
            return list(cursor.fetchall()) if cursor.description else []

    def empty(self) -> None:
        """End all sessions."""
        self.sql(f"DELETE FROM {self.table}")  # noqa: S608 - a name of this module

    def forget_cached(self) -> None:
        """It has no cache."""

    def browser(self, *, key: str | None = None) -> NodeBrowser:
        """A browser with or without a cookie."""
        return NodeBrowser(self, key)

    def key_of(self, client: NodeBrowser) -> str | None:
        """The key that a browser holds."""
        return client.key

    def user_of(self, key: str | None) -> str | None:
        """Who is signed in for who sends this key."""
        if key is None:
            return None
        user: str | None = self.browser(key=key).get("/read/").json()["user"]
        return user

    def holds(self, key: str, name: str) -> bool:
        """Tell whether the session of a key has this name."""
        sid, _, data = self.columns
        where = f"SELECT {data} FROM {self.table} WHERE {sid} = %s"  # noqa: S608 - of this module
        [[found]] = self.sql(where, [sid_of(key)])
        return name in (json.loads(found) if isinstance(found, str) else found)


EXPRESS_MYSQL = ExpressSite(
    "express-mysql", "sessions", ("session_id", "expires", "data"), ("mariadb",)
)
CONNECT_PG = ExpressSite("connect-pg", '"session"', ("sid", "expire", "sess"), ("postgresql",))


def tables_of(alias: str) -> list[str]:
    """Return the names of the tables of a database."""
    return connections[alias].introspection.table_names()


def sid_of(key: str) -> str:
    """Return the id that a cookie carries, which is the primary key of the row."""
    return unquote(key).removeprefix("s:").partition(".")[0]


def signed(sid: str) -> str:
    """Return the cookie of an id, as who knows the secret makes it."""
    mac = hmac.new(SECRET.encode(), sid.encode(), hashlib.sha256).digest()
    return quote(f"s:{sid}.{base64.b64encode(mac).decode().rstrip('=')}", safe="")
