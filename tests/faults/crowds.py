"""Browsers that ask without a pause while something fails, and what has become of each of them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import close_old_connections

from tests.faults.figures import note
from tests.faults.sites import OURS, Site, browser, key_of, user_of
from tests.harness.cluster import wait_until
from tests.harness.threads import run_together

BEFORE, AFTER = 5, 10
# An address that moves notices by its checks, and a request tries again for two seconds.
STILL_FAILS_S = 10
# Who gets an error page reloads it, and not at once; without it a dead server costs all the time.
RELOAD_S = 0.05


class Answer(NamedTuple):
    """When a browser was answered, with which status, and how long that took."""

    at: float
    status: int
    seconds: float


def answered(client: Any, url: str) -> Answer:
    """Ask for a page, and let go of connections that are broken, as the end of a request does."""
    began = time.monotonic()
    status = client.get(url).status_code
    ended = time.monotonic()
    close_old_connections()
    return Answer(ended, status, ended - began)


@dataclass(slots=True)
class Visitor:
    """A signed-in browser, what it was told, and which values its session may now have."""

    client: Any
    key: str | None
    possible: set[str] = field(default_factory=set)
    answers: int = 0

    def write(self, value: str) -> Answer:
        """Store a value: when that is acknowledged, the session has it and no older one."""
        answer = answered(self.client, f"/write/?value={value}")
        self.possible = {value} if answer.status == 200 else {*self.possible, value}
        self.answers += 1
        return answer

    def is_kept(self) -> bool:
        """Tell whether it is signed in under its key, and has what it was told is stored."""
        page = self.client.get("/read/").json()
        return key_of(self.client) == self.key and page["user"] and page["value"] in self.possible


@dataclass(slots=True)
class Crowd:
    """Browsers that write, one after the other that signs in and out, and the answers of all."""

    where: Callable[[], AbstractContextManager[Any]]
    visitors: list[Visitor] = field(default_factory=list)
    # Between two questions of a browser that is answered well.
    pause_s: float = 0
    seen: list[Answer] = field(default_factory=list)
    ended: list[str | None] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    over_at: float = 0

    def enter(self, browsers: int) -> None:
        """Sign the browsers in."""
        User.objects.get_or_create(username="ann")
        with self.where():
            for _ in range(browsers):
                client = browser()
                wait_until(lambda client=client: client.get("/login/").status_code == 200)
                visitor = Visitor(client, key_of(client))
                wait_until(lambda visitor=visitor: visitor.write("first").status == 200)
                self.visitors.append(visitor)

    def goes_on(self, deadline: float, well: int) -> bool:
        """Tell whether a browser shall ask again."""
        assert time.monotonic() < deadline, "the fault was not over in time"
        return not (self.over.is_set() and well >= AFTER)

    def stay(self, visitor: Visitor, deadline: float) -> None:
        """Write until it goes well again after the fault."""
        well = 0
        with self.where():
            while self.goes_on(deadline, well):
                answer = visitor.write(str(visitor.answers))
                self.seen.append(answer)
                well = well + 1 if answer.status == 200 and self.over.is_set() else 0
                self.pause(answer.status)

    def pause(self, *statuses: int) -> None:
        """Wait before the next question."""
        time.sleep(self.pause_s if set(statuses) == {200} else max(self.pause_s, RELOAD_S))

    def come_and_go(self, deadline: float) -> None:
        """Sign in and out; a sign-out that was acknowledged is final."""
        well = 0
        with self.where():
            while self.goes_on(deadline, well):
                client = browser()
                answers = [answered(client, "/login/")]
                key = key_of(client)
                answers.append(answered(client, "/logout/"))
                self.seen += answers
                statuses = [answer.status for answer in answers]
                self.pause(*statuses)
                if statuses == [200, 200]:
                    self.ended.append(key)
                well = well + 1 if statuses == [200, 200] and self.over.is_set() else 0

    def wait_for_an_error(self) -> None:
        """Return when somebody has noticed, as who looks after the servers does."""
        wait_until(lambda: any(answer.status != 200 for answer in list(self.seen)))

    def wait_for_answers(self, number: int) -> None:
        """Return when the browsers have got so many more each, on average: one may be stuck."""
        enough = self.answers() + number * len(self.visitors)
        wait_until(lambda: self.answers() >= enough)

    def answers(self) -> int:
        """Return how many answers the browsers that write have got."""
        return sum(visitor.answers for visitor in self.visitors)

    def report(
        self, site: Site, row: str, part: str, *, more: str = "", is_noticed: bool = True
    ) -> None:
        """Keep the figures, and require of ours that nobody was signed out, or came back.

        Somebody must have noticed, or the fault did not fire; else the caller knows that it did.
        When it is over, errors are too.
        """
        with self.where():
            close_old_connections()
            kept = sum(bool(visitor.is_kept()) for visitor in self.visitors)
            back = sum(user_of(key) is not None for key in self.ended)
        bad = [answer for answer in self.seen if answer.status != 200]
        statuses = sorted({answer.status for answer in bad})
        seconds = max(bad).at - min(bad).at if bad else 0
        still = max(bad).at - self.over_at if bad else 0
        names = ", ".join(map(str, statuses)) or "none"
        figure = (
            f"{kept} of {len(self.visitors)} kept session and last change; {back} of "
            f"{len(self.ended)} sign-outs came back; {len(bad)} errors of {len(self.seen)} "
            f"(statuses {names}) within {seconds:.1f} s{more}"
        )
        note(row, site, part, figure)
        assert bad or not is_noticed, "nobody noticed"
        if site is OURS:
            assert (kept, back) == (len(self.visitors), 0), figure
            assert set(statuses) <= {503}, figure
            assert still < STILL_FAILS_S, f"errors for {still:.1f} s after its end; {figure}"
            assert self.ended


@contextmanager
def under_load(
    *,
    browsers: int = 8,
    seconds: float = 120,
    pause_s: float = 0,
    where: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Iterator[Crowd]:
    """Let browsers ask, in threads, while the block makes something fail and mends it.

    The block runs in this thread: a server ends with the thread that has started it.
    """
    crowd = Crowd(where, pause_s=pause_s)
    crowd.enter(browsers)
    deadline = time.monotonic() + seconds
    runs = [partial(crowd.stay, visitor, deadline) for visitor in crowd.visitors]
    outcomes: list[Any] = []
    everybody = [*runs, partial(crowd.come_and_go, deadline)]
    thread = threading.Thread(
        target=lambda: outcomes.extend(run_together(everybody, seconds=seconds + 30))
    )
    thread.start()
    try:
        while thread.is_alive() and min(one.answers for one in crowd.visitors) < BEFORE:
            time.sleep(0.01)
        yield crowd
    finally:
        crowd.over_at = time.monotonic()
        crowd.over.set()
        thread.join()
    errors = [repr(outcome)[:300] for outcome in outcomes if outcome is not None]
    assert errors == [], errors
