"""channels: the session in a websocket, and login in a consumer."""

import json
import re
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Self

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.auth import AuthMiddlewareStack, login, logout
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.sessions import SessionMiddlewareStack
from django.contrib.auth.models import User

from sessionstore.conf import conf
from sessionstore.core.binding import tokens
from sessionstore.core.expiry import now_ms
from tests.ecosystem.conftest import OUR_STACKS, Table

STACK = "BoundAuthMiddlewareStack"
pytestmark = pytest.mark.usefixtures("close_other_threads")


class Socket(AsyncJsonWebsocketConsumer):
    """Do what the test says, with the session of the handshake."""

    async def receive_json(self, content: dict[str, Any], **_: Any) -> None:
        session = self.scope["session"]
        match content["do"]:
            case "read":
                await self.send_json(await session.aget(content["name"]))
            case "write":
                await session.aset(content["name"], content["value"])
                await session.asave()
                await self.send_json("written")
            case "login":
                user = await User.objects.aget(username=content["name"])
                await login(self.scope, user, "django.contrib.auth.backends.ModelBackend")
                await session.asave()
                await self.send_json(session.session_key)
            case "logout":
                await logout(self.scope)
                await self.send_json("out")
            case "user":
                await self.send_json(str(self.scope["user"]))


class Page(AsyncHttpConsumer):
    """A plain HTTP answer behind channels' own session middleware."""

    async def handle(self, _: bytes) -> None:
        if self.scope["path"] == "/write":
            await self.scope["session"].aset("cart", "pear")
        value = await self.scope["session"].aget("cart", "nothing")
        await self.send_response(200, value.encode())


def scope(kind: str, path: str, key: str | None) -> dict[str, Any]:
    return {
        "type": kind,
        "path": path,
        "method": "GET",
        "query_string": b"",
        "headers": [(b"cookie", f"sessionid={key}".encode())] if key else [],
    }


class Browser:
    """A websocket that sends one order and waits for the answer."""

    def __init__(self, key: str | None, *, users: bool = False, stack: Any = None) -> None:
        stack = stack or (AuthMiddlewareStack if users else SessionMiddlewareStack)
        self.socket = ApplicationCommunicator(stack(Socket.as_asgi()), scope("websocket", "/", key))

    async def ask(self, do: str, **order: Any) -> Any:
        text = json.dumps({"do": do, **order})
        await self.socket.send_input({"type": "websocket.receive", "text": text})
        return json.loads((await self.socket.receive_output(timeout=5))["text"])

    async def __aenter__(self) -> Self:
        await self.socket.send_input({"type": "websocket.connect"})
        assert (await self.socket.receive_output(timeout=5))["type"] == "websocket.accept"
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.socket.wait(timeout=5)


async def get(path: str, key: str | None = None) -> tuple[dict[bytes, bytes], bytes]:
    """Ask for a page; return its headers and body."""
    app = ApplicationCommunicator(SessionMiddlewareStack(Page.as_asgi()), scope("http", path, key))
    await app.send_input({"type": "http.request", "body": b""})
    start = await app.receive_output(timeout=5)
    body = await app.receive_output(timeout=5)
    return dict(start["headers"]), body["body"]


@sync_to_async
def stored(table: Table, **data: Any) -> str:
    """Store a session and answer its key."""
    session = table.store()
    session.update(data)
    session.save()
    assert session.session_key
    return session.session_key


async def test_a_socket_reads_and_writes_the_session(table: Table) -> None:
    """It is the session of the pages, by the same cookie."""
    key = await stored(table, cart="pear")
    async with Browser(key) as browser:
        assert await browser.ask("read", name="cart") == "pear"
        await browser.ask("write", name="colour", value="red")
    assert await sync_to_async(table.held)(key) == {"cart": "pear", "colour": "red"}
    assert await sync_to_async(table.rows)() == 1


async def test_a_socket_without_a_cookie_stores_nothing(table: Table) -> None:
    """An anonymous socket makes no row."""
    async with Browser(None) as browser:
        assert await browser.ask("read", name="cart") is None
    assert await sync_to_async(table.rows)() == 0


async def test_login_in_a_consumer(table: Table, ann: User) -> None:
    """The key changes, the data stay, the old key is worth nothing."""
    key = await stored(table, cart="pear")
    async with Browser(key, users=True) as browser:
        assert await browser.ask("user") == "AnonymousUser"
        new = await browser.ask("login", name="ann")
    assert new != key
    held = await sync_to_async(table.held)(new)
    assert (held["cart"], held["_auth_user_id"]) == ("pear", str(ann.pk))
    assert await sync_to_async(table.held)(key) == {}
    assert await sync_to_async(table.rows)() == 1
    async with Browser(new, users=True) as browser:
        assert await browser.ask("user") == "ann"


async def test_login_in_a_consumer_without_a_session(table: Table, ann: User) -> None:
    """The saved session has the user in it, in one row."""
    async with Browser(None, users=True) as browser:
        new = await browser.ask("login", name="ann")
    assert await sync_to_async(table.user)(new) == str(ann.pk)
    assert await sync_to_async(table.rows)() == 1


async def test_logout_in_a_consumer(table: Table, ann: User) -> None:
    """The row is gone while the socket is still open."""
    async with Browser(await stored(table, cart="pear"), users=True) as browser:
        key = await browser.ask("login", name="ann")
        await browser.ask("logout")
        assert await sync_to_async(table.rows)() == 0
        assert await sync_to_async(table.held)(key) == {}


async def test_channels_own_middleware_saves_and_sends_the_cookie(table: Table) -> None:
    """It saves on the first answer, then the cookie reads the data back."""
    head, _ = await get("/write")
    key = SimpleCookie(head[b"Set-Cookie"].decode())["sessionid"].value
    assert await sync_to_async(table.held)(key) == {"cart": "pear"}
    head, body = await get("/", key)
    assert (body, b"Set-Cookie" in head) == (b"pear", False)


@pytest.mark.parametrize("stack", OUR_STACKS, indirect=True)
async def test_a_socket_of_a_bound_session_takes_its_proof(
    table: Table, ann: User, settings: Any
) -> None:
    """With the lines of docs/device-binding.md; without them, or a proof, it is a visitor's."""
    shown: dict[str, Any] = {}
    exec(bound_stack(), shown)  # noqa: S102 - our own page
    settings.SESSIONSTORE_BIND_DEVICE = True
    async with Browser(None, users=True) as browser:
        key = await browser.ask("login", name="ann")
    proof = await bind(table, key)
    for stack, user in ((AuthMiddlewareStack, "AnonymousUser"), (shown[STACK], "ann")):
        async with Browser(f"{key}; sessionid_device={proof}", stack=stack) as browser:
            assert await browser.ask("user") == user
    async with Browser(key, stack=shown[STACK]) as browser:
        assert await browser.ask("user") == "AnonymousUser"


def bound_stack() -> str:
    """Return the page's lines for Channels."""
    page = (Path(__file__).parents[2] / "docs" / "device-binding.md").read_text()
    blocks: list[str] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    return next(block for block in blocks if STACK in block)


@sync_to_async
def bind(table: Table, key: str) -> str:
    """Bind a session to some device, a while ago; return a proof of now."""
    session: Any = table.store(key)
    bound_at = now_ms() - 120_000
    assert session.handle
    digest = session.keyring.open(key).digest
    assert session.table.bind(session.row_id, digest, b"\x04" * 65, bound_at)
    return tokens.cookie(conf.secrets, session.row_id, bound_at, proved_at=now_ms())
