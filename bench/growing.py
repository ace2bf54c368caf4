"""What `bench.growth` does to a table of one size: verbs, sign-ins, a list of devices, clean-up."""

import json
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.auth.models import update_last_login
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest

from bench import bulk, cleanup, machine, shopper
from sessionstore.backends.sql import SessionStore
from sessionstore.conf import conf, forget
from sessionstore.core.keys import Key
from sessionstore.session.sealed import Opened, loads
from sessionstore.users.devices import list_devices

# Users who sign in again and again, with and without a limit, and what it is.
SIGNING_IN, LIMIT = 10, 10
BACKEND = "django.contrib.auth.backends.ModelBackend"
Stages = list[bulk.Filling]


class Spelled:
    """Opens the digest of a row, in hexadecimal, in place of a cookie."""

    @staticmethod
    def open(text: str | None) -> Key | None:
        return Key(text=text, digest=bytes.fromhex(text), material=b"") if text else None

    @staticmethod
    def mint() -> Key:
        return conf.keyring.mint()


class Growing(SessionStore):
    """The engine, for rows whose keys are their digests and whose data are not sealed."""

    keyring: Any = Spelled()

    def seal(self, payload: bytes, record: Any, key: Any) -> bytes:  # noqa: ARG002 - a hook
        return bytes(bulk.SEAL + payload)

    def read_row(self, record: Any, key: Any) -> Any:  # noqa: ARG002 - a hook
        payload = record.data[len(bulk.SEAL) :]
        return Opened(loads(payload), payload)


class Own(Growing):
    """The same, where the data say whose the row is: they are the same in all rows."""

    def read_row(self, record: Any, key: Any) -> Any:
        data = super().read_row(record, key).data
        if record.user_id is None:
            data = {name: value for name, value in data.items() if not name.startswith("_auth")}
        else:
            data["_auth_user_id"] = record.user_id
        return Opened(data, json.dumps(data, separators=(",", ":")).encode())


def verbs(stages: Stages, rounds: int) -> list[str]:
    """Return median and 99th percentile of load, save and create."""
    loads_, saves, creates = _Times(), _Times(), _Times()
    for _ in range(rounds):
        session = Growing(_any_key(stages))
        loads_.take(lambda session=session: session["cart"])
        session["cart"] = {"lines": {"48213": random.randrange(10**6)}}  # noqa: S311
        saves.take(session.save)
        new = Growing()
        new.update(shopper.data())
        creates.take(new.create)
    return [*loads_.cells(), *saves.cells(), *creates.cells()]


def sign_ins(stages: Stages, rounds: int) -> list[str]:
    """Return how long a visitor's sign-in takes, without a limit and at it.

    That is login() and the save: the row is read, and gets another key and a user. Django's own
    UPDATE of the user is left out.
    """
    user_logged_in.disconnect(update_last_login, dispatch_uid="update_last_login")
    users = [_user(bulk.USERS + 100 + number) for number in range(2 * SIGNING_IN)]
    newest = stages[-1]
    keys = _keys(newest, random.sample(range(3, newest.count, 6), 2 * rounds))
    cells = []
    for limit, some in ((None, users[:SIGNING_IN]), (LIMIT, users[SIGNING_IN:])):
        settings.SESSIONSTORE_MAX_PER_USER = limit
        forget()
        times = _Times()
        for number in range(rounds):
            times.take(partial(_sign_in, next(keys), some[number % SIGNING_IN]))
        cells += times.cells()
    settings.SESSIONSTORE_MAX_PER_USER = None
    forget()
    return cells


def _sign_in(key: str, user: Any) -> None:
    request: Any = HttpRequest()
    request.META = {"REMOTE_ADDR": bulk.IP, "HTTP_USER_AGENT": bulk.USER_AGENT}
    request.session = Own(key)
    login(request, user, backend=BACKEND)
    request.session.save()


def device_lists(stages: Stages, rounds: int) -> list[str]:
    """Return how long the first page of a user takes who has many sessions."""
    newest = stages[-1]
    if not newest.crowd_every:
        return ["", ""]
    user = _user(int(newest.crowd))
    numbers = random.choices(range(1, newest.count, newest.crowd_every), k=rounds)  # noqa: S311
    times = _Times()
    for key in _keys(newest, numbers):
        session = Own(key)
        session.load()
        times.take(partial(list_devices, user, session))
    return times.cells()


def clean_up(alias: str, quiet_s: float) -> list[str]:
    """Return what a clean-up of what has ended does, and what it does to 50 writers."""
    done = cleanup.beside_traffic(
        alias, cleanup.OURS, cleanup.ours, quiet_s=quiet_s, placed=machine.ahead()
    )
    cells = [f"{done.removed:,}", f"{done.removed / done.seconds:,.0f}"]
    for share in (0.99, 1):
        cells += [cleanup.ms(done.before, share), cleanup.ms(done.during, share)]
    return [*cells, f"{len(done.during):,}"]


class _Times:
    """How long something took, in nanoseconds."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    def take(self, work: Callable[[], object]) -> None:
        started = time.perf_counter_ns()
        work()
        self.taken.append(time.perf_counter_ns() - started)

    def cells(self) -> list[str]:
        """Return median and 99th percentile."""
        ordered = sorted(self.taken)
        return [f"{ordered[int(len(ordered) * share)] / 1000:,.0f} us" for share in (0.5, 0.99)]


def _user(pk: int) -> Any:
    return get_user_model().objects.get_or_create(pk=pk, username=f"user-{pk}")[0]


def _any_key(stages: Stages) -> str:
    """Return the digest of any row, in hexadecimal: of a user's, which no clean-up deletes."""
    [stage] = random.choices(stages, [stage.count for stage in stages])  # noqa: S311 - any will do
    number = random.randrange(stage.count // 3) * 3 + 2  # noqa: S311
    return str(stage.digest_of(min(number, stage.count - 1)).hex())


def _keys(stage: bulk.Filling, numbers: list[int]) -> Iterator[str]:
    return (str(stage.digest_of(number).hex()) for number in numbers)
