"""A server of one test alone, which may be killed, restarted and frozen."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import OperationalError, connections

from tests.harness.missing import give_up
from tests.harness.process import children_of, ended_by_a_cut, frozen
from tests.harness.servers import Servers


class Own(Servers):
    """A server of this test alone, which can be killed and started again."""

    def start_or_skip(self, name: str) -> None:
        """Start it; skip with the reason when it is not installed, and fail under CI=true."""
        self.start({name})
        if reason := self.missing.get(name):
            give_up(f"{name}: {reason}")

    def launch(self, name, command, *, account):
        """Note how it is started: with commits that outlive a kill, as on a site."""
        lasting = {
            "--innodb-flush-log-at-trx-commit=0": "--innodb-flush-log-at-trx-commit=1",
            "synchronous_commit=off": "synchronous_commit=on",
        }
        command = [lasting.get(part, part) for part in command]
        self.__dict__["last"] = (name, command, account)
        return super().launch(name, command, account=account)

    def kill_and_restart(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """End it as a power cut would, and start it again on the same data, after ``meanwhile``."""
        name, command, account = self.__dict__["last"]
        process = self.launched.pop()
        # PostgreSQL's others outlive the first one for a moment, and write into the same files.
        with ended_by_a_cut(children_of(process.process.pid)):
            os.kill(process.process.pid, signal.SIGKILL)
            process.process.wait(10)
        for stale in self.folder.glob("*/data/postmaster.pid"):
            stale.unlink()
        meanwhile()
        self.launch(name, command, account=account).wait_for_port(self.ports[name])

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop its processes: what is connected stays so, and nobody answers."""
        with frozen(self.launched[-1].process.pid):
            yield


def wait_for_answer(alias: str) -> None:
    """Return when the server lets us in; PostgreSQL opens its port some time before."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            return connections[alias].ensure_connection()
        except OperationalError:
            time.sleep(0.05)
    raise TimeoutError(alias)
