"""Login and logout in async views, and the async test client."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.test import AsyncClient

from tests.ecosystem.conftest import Table, key_of

ANN = {"username": "ann", "password": "secret"}
pytestmark = pytest.mark.usefixtures("close_other_threads")


async def test_alogin_and_alogout_in_async_views(stack: str, table: Table, ann: User) -> None:
    """One row after the login, under the new key; none after the logout."""
    client = AsyncClient()
    await client.get("/set/cart/pear/")
    before = key_of(client)
    response = await client.get("/async-login/")
    assert key_of(client) == response.json()["key"] != before
    data = (await client.get("/data/")).json()
    assert (data["cart"], data[SESSION_KEY]) == ("pear", str(ann.pk))
    assert await sync_to_async(table.rows)() == 1
    await client.get("/async-logout/")
    assert (await sync_to_async(table.rows)(), key_of(client)) == (0, None)


async def test_client_alogin_and_aforce_login(stack: str, table: Table, ann: User) -> None:
    """The async test client logs in like the other one."""
    client = AsyncClient()
    assert await client.alogin(**ANN)
    assert (await client.get("/data/")).json()[SESSION_KEY] == str(ann.pk)
    await client.alogout()
    assert await sync_to_async(table.rows)() == 0
    await client.aforce_login(ann)
    assert (await client.get("/data/")).json()[SESSION_KEY] == str(ann.pk)
    session = await client.asession()
    await session.aset("cart", "pear")
    await session.asave()
    assert (await client.get("/data/")).json()["cart"] == "pear"
    assert await sync_to_async(table.rows)() == 1
