"""A process that has used sessions and then forks, as a server does that preloads its site."""

import os
import signal
from collections.abc import Callable
from threading import Thread

import pytest
from django.db import connections, transaction

from sessionstore.backends.sql import SessionStore
from tests.faults.conftest import another_alias

ROUNDS = 100


def stored(owner: str) -> str:
    """Store a session and return its key."""
    session = SessionStore()
    session["owner"] = owner
    session.save()
    return session.session_key


def forked(function: Callable[[], object]) -> tuple[int, int]:
    """Run a function in a child; return its id and where it writes what came of it."""
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # who waits for an answer that another child has read waits for ever
        try:
            answer = repr(function())
        except BaseException as error:  # noqa: BLE001 - a child must not go on as a test
            answer = repr(error)[:500]
        os.write(writes, answer.encode())
        os._exit(0)
    os.close(writes)
    return pid, reads


def came_of(child: tuple[int, int]) -> str:
    """Return what a child has written when it has ended."""
    pid, reads = child
    with os.fdopen(reads) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return text


def owners(key: str) -> set[str]:
    """Open a session again and again; return all that was seen as its owner."""
    return {SessionStore(key).get("owner") for _ in range(ROUNDS)}


@pytest.mark.only_on("mariadb", "postgresql")
def test_children_do_not_share_the_connection_of_their_parent(database):
    """Each sees its own session, and the parent's connection is as good as before."""
    keys = {owner: stored(owner) for owner in ("ann", "bob", "eve")}
    before = connections[database].connection
    children = [forked(lambda key=key: owners(key)) for key in keys.values()]
    assert [came_of(child) for child in children] == [repr({owner}) for owner in keys]
    assert owners(keys["ann"]) == {"ann"}
    assert connections[database].connection is before


@pytest.mark.only_on("postgresql")
def test_children_do_not_share_the_pool_of_their_parent(database, settings):
    """Nor one that another thread has opened; the parent's lends out what it has lent before."""
    options = {"pool": {"min_size": 1, "max_size": 1, "timeout": 5}}
    with another_alias(database, "pooled", CONN_MAX_AGE=0, OPTIONS=options) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        keys: dict[str, str] = {}

        def sign_in() -> None:
            keys.update(ann=stored("ann"), bob=stored("bob"))
            connections[alias].close()

        thread = Thread(target=sign_in)
        thread.start()
        thread.join()
        try:
            children = [forked(lambda key=key: owners(key)) for key in keys.values()]
            assert [came_of(child) for child in children] == ["{'ann'}", "{'bob'}"]
            assert owners(keys["ann"]) == {"ann"}
        finally:
            connections[alias].close()
            connections[alias].close_pool()


@pytest.mark.only_on("sqlite", "postgresql")
def test_a_child_keeps_what_is_no_ones_to_answer(database):
    """A file of SQLite, and a connection in the midst of a transaction."""
    connection = connections[database]
    with transaction.atomic(using=database):
        connection.ensure_connection()
        child = forked(lambda: connection.connection is None)
        assert came_of(child) == "False"
