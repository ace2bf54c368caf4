"""Many threads on many sessions: nothing leaks, nothing comes back, nothing is lost."""

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.db import DatabaseError, close_old_connections
from redis import RedisError

from sessionstore.exceptions import SessionStoreUnavailable
from tests.faults.figures import note
from tests.faults.sites import (
    CACHE,
    CACHED_DB,
    CACHED_SQL,
    EVERY,
    OURS,
    QSESSIONS,
    STOCK,
    USER_SESSIONS,
    compared,
)
from tests.harness.threads import run_together

each_store = pytest.mark.parametrize("site", EVERY, indirect=True)


@dataclass(slots=True)
class Shared:
    """What all threads know of one session."""

    key: str
    owner: int
    stored: list[str] = field(default_factory=list)
    # Dying from before the DELETE is sent, dead from when its answer is there.
    dying: bool = False
    dead: bool = False


class Soak:
    """The sessions that all threads work on, and what they have seen."""

    def __init__(self, site, sessions: int) -> None:
        self.site = site
        self.seen: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.sessions = [self.new(number) for number in range(sessions)]
        self.all = list(self.sessions)
        self.numbers = sessions

    def new(self, owner: int) -> Shared:
        """Create a session that carries its owner's number."""
        session = self.site.store()
        session["owner"] = owner
        session.create()
        return Shared(session.session_key, owner)

    def run(self, thread: int, operations: int) -> None:
        """Read, write and delete sessions at random."""
        luck = random.Random(thread)  # noqa: S311 - the same order each time
        for number in range(operations):
            place = luck.randrange(len(self.sessions))
            shared = self.sessions[place]
            try:
                self.one(shared, luck, f"{thread}-{number}", place)
            except (SessionStoreUnavailable, DatabaseError, RedisError) as error:
                self.seen[f"error {type(error).__name__}"] += 1
                close_old_connections()

    def one(self, shared: Shared, luck: random.Random, mark: str, place: int) -> None:
        """Do one thing with one session."""
        was_dead = shared.dead
        session = self.site.store(shared.key)
        owner = session.get("owner")
        self.seen["operations"] += 1
        if owner is None:
            self.seen["lost sessions"] += not shared.dying
            return
        self.seen["leaks"] += owner != shared.owner
        self.seen["resurrections"] += was_dead
        if luck.random() < 0.004:
            shared.dying = True
            self.site.store(shared.key).delete()
            shared.dead = True
            self.seen["deletes"] += 1
            with self.lock:
                self.numbers += 1
                fresh = self.new(self.numbers)
                self.all.append(fresh)
                self.sessions[place] = fresh
        elif luck.random() < 0.4:
            session[mark] = 1
            try:
                session.save()
            except UpdateError:
                self.seen["lost sessions"] += not shared.dying
                return
            shared.stored.append(mark)
            self.seen["saves"] += 1

    def audit(self) -> None:
        """Compare what is stored with what was acknowledged."""
        for shared in self.all:
            session = self.site.store(shared.key)
            if shared.dying:
                self.seen["resurrections"] += session.get("owner") is not None
                continue
            self.seen["leaks"] += session.get("owner") != shared.owner
            self.seen["lost keys"] += sum(mark not in session for mark in shared.stored)


@each_store
def test_many_threads_on_shared_sessions(database, site):
    """Each session has an owner and marks; deletes are mixed in."""
    work(database, site, threads=16, operations=1600)


@pytest.mark.soak
@pytest.mark.parametrize("site", compared(OURS, CACHED_SQL), indirect=True)
def test_many_more_threads_on_shared_sessions(database, site):
    """The same at length."""
    work(database, site, threads=64, operations=100_000)


@pytest.mark.soak
@pytest.mark.only_on("mariadb")
@pytest.mark.parametrize(
    "site", compared(STOCK, CACHED_DB, CACHE, QSESSIONS, USER_SESSIONS), indirect=True
)
def test_many_more_threads_on_sessions_of_others(database, site):
    """Their figures beside ours, on one database: that they lose keys the short form shows too."""
    work(database, site, threads=64, operations=100_000)


def work(database, site, *, threads: int, operations: int) -> None:
    """Let threads work on shared sessions, note what they saw, and judge ours."""
    soak = Soak(site, sessions=threads)
    started = time.monotonic()
    runs = [partial(soak.run, number, operations // threads) for number in range(threads)]
    outcomes = run_together(runs, seconds=1500)
    assert [outcome for outcome in outcomes if outcome is not None] == []
    soak.audit()
    seen = soak.seen
    errors = {name: count for name, count in seen.items() if name.startswith("error")}
    figure = (
        f"{seen['leaks']} leaks, {seen['resurrections']} resurrections, "
        f"{seen['lost keys']} of {seen['saves']} keys lost, {sum(errors.values())} errors "
        f"in {time.monotonic() - started:.0f} s"
    )
    note("soak", site, f"{database}, {threads} threads, {operations} operations", figure)
    assert seen["deletes"], "nothing was deleted"
    assert seen["saves"]
    if site.is_ours:
        assert (seen["leaks"], seen["resurrections"], seen["lost keys"]) == (0, 0, 0), figure
        assert seen["lost sessions"] == 0
        assert errors == {}
