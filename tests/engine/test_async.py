"""The async names do what the sync ones do, in as many statements."""

import pytest
from asgiref.sync import async_to_sync

from tests.harness.statements import record_statements

TABLE = "sessionstore_session"


def verbs(seen):
    return [sql.split()[0] for sql in seen.about(TABLE)]


def in_async(function, *args):
    """Run a coroutine function from a sync test, on the connections of this thread."""
    return async_to_sync(function)(*args)


def test_the_async_calls_cost_the_same(store, saved):
    """Read and change 2, new key 1, delete 1: also where Django's own take more."""

    async def request():
        session = store(saved.session_key)
        await session.aset("b", 2)
        await session.asave()
        await session.acycle_key()
        await session.aflush()

    with record_statements() as seen:
        in_async(request)
    assert verbs(seen) == ["SELECT", "UPDATE", "UPDATE", "DELETE"]


def test_an_async_login_leaves_one_valid_key(store, saved):
    """Django's acycle_key() inserts the new row and then deletes the old one (D17)."""

    async def request():
        session = store(saved.session_key)
        await session.acycle_key()
        return session.session_key

    key = in_async(request)
    assert store(key).load() == {"a": 1}
    assert store(saved.session_key).load() == {}


def test_the_rest_of_the_verbs(store, saved):
    """areload, atouch and atransact."""

    async def request():
        session = store(saved.session_key)
        await session.aset("b", 2)
        await session.areload()
        assert await session.aget("b") is None
        assert await session.apop("none", "default") == "default"
        assert await session.atransact(lambda session: session.setdefault("c", 3)) == 3
        await session.atouch()
        return await session.aexists(session.session_key)

    assert in_async(request)
    assert store(saved.session_key).load() == {"a": 1, "c": 3}


@pytest.mark.parametrize("expiry", [None, 0, 10, 100_000])
def test_sync_and_async_agree_on_the_expiry(store, saved, clock, settings, expiry):
    """Django keeps independent copies of these methods."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 1000
    saved.set_expiry(expiry)
    saved.save()

    async def ask():
        session = store(saved.session_key)
        await session.aset_expiry(expiry)
        return (
            await session.aget_expiry_age(),
            await session.aget_expiry_date(),
            await session.aget_expire_at_browser_close(),
        )

    assert in_async(ask) == (
        saved.get_expiry_age(),
        saved.get_expiry_date(),
        saved.get_expire_at_browser_close(),
    )
