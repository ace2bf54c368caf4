"""Rows that somebody, or something, has changed in the table."""

import json
import pickle
import random
import time
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from django.core import signing

from sessionstore.conf import conf
from sessionstore.core.codec import COMPRESSED, SEALED
from sessionstore.core.crypto import derive, tag
from sessionstore.exceptions import SessionUnreadable
from tests.faults.figures import note
from tests.faults.sites import WITH_TABLE, key_of

each_store = pytest.mark.parametrize("site", WITH_TABLE, indirect=True)
MEGABYTE = 1024 * 1024
QUICK_MS = 1  # nobody fills a megabyte in less
USER = {"_auth_user_id": "1", "_auth_user_backend": "b", "_auth_user_hash": "h"}
BOMB = zlib.compress(b'{"a": "' + b"x" * (64 * MEGABYTE) + b'"}', 9)
DEEP = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def mutants(blob: bytes, other: bytes, luck: random.Random) -> Iterator[bytes]:
    """Yield damaged, foreign and hostile contents of the column `data`, without end."""
    plain = json.dumps(USER).encode()
    while True:
        place = luck.randrange(len(blob))
        bit = bytes([blob[place] ^ 1 << luck.randrange(8)])
        yield from (
            blob[:place] + bit + blob[place + 1 :],
            blob[:place],
            blob[place + 1 :],
            blob + luck.randbytes(luck.randrange(1, 40)),
            other,
            plain,
            b"\x01" + plain,
            blob[:25] + plain,
            bytes([blob[0] ^ luck.randrange(1, 256)]) + blob[1:],
            luck.randbytes(luck.randrange(200)),
            pickle.dumps(USER),
            b"\x01" + b"\0" * 24 + pickle.dumps(USER),
            b"\x81" + luck.randbytes(24) + BOMB,
            b"\xc1" + luck.randbytes(32) + BOMB,
            blob[:9] + luck.randbytes(24) + plain,
            b"",
        )


def sealed(site, key) -> list[bytes]:
    """Return hostile contents under a right seal, as who knows SECRET_KEY can write them."""
    opened = conf.keyring.open(key)
    bound = site.model.objects.by_key(key).get()._bound
    payloads = [DEEP, b"[]", b"1", b"null", b"", b"{", pickle.dumps(USER), b'{"a": NaN', b"\xff"]
    # No release of ours compresses so much; who knows the secret does.
    head, body = bytes([SEALED | COMPRESSED]), b"n" * 8 + BOMB
    bomb = head + tag(derive(conf.secrets[0], "data.1"), bound, head, body, length=16) + body
    return [*(conf.codec.encode(payload, bound, opened) for payload in payloads), bomb]


def as_text(blob: bytes) -> str:
    """Return a mutant as the stock engine's text column can hold it."""
    return blob.decode("latin-1").replace("\0", "0")


def measure(site, key) -> tuple[dict, float, float]:
    """Load a session; return its data, the milliseconds and the megabytes that it took."""
    # The time of this thread: what other processes of the machine do is not part of it.
    started = time.thread_time()
    data = dict(site.store(key).items())
    taken = (time.thread_time() - started) * 1000
    if taken < QUICK_MS:
        return data, taken, 0.0
    tracemalloc.start()
    try:
        dict(site.store(key).items())
        return data, taken, tracemalloc.get_traced_memory()[1] / MEGABYTE
    finally:
        tracemalloc.stop()


def put(site, key, blob) -> None:
    """Write a blob into the row of a key."""
    if site.is_ours:
        site.model.objects.by_key(key).update(data=blob)
    else:
        site.model.objects.filter(pk=key).update(session_data=as_text(blob))
    site.forget_cached()


def contents(site, key) -> tuple[bytes, list[bytes]]:
    """Return the row's blob, and hostile ones under a right seal."""
    if site.is_ours:
        return bytes(site.model.objects.by_key(key).get().data), sealed(site, key)
    text = site.model.objects.get(pk=key).session_data
    salt = site.store().key_salt
    bomb = signing.dumps({"a": "x" * 64 * MEGABYTE}, salt=salt, compress=True)
    return text.encode(), [bomb.encode()]


@each_store
@pytest.mark.parametrize("times", [400, pytest.param(10_000, marks=pytest.mark.soak)])
def test_a_damaged_row_is_an_empty_session(database, site, signed_in, times):
    """No exception, no data, little memory and time, whatever stands in the row."""
    luck = random.Random(5)  # noqa: S311 - the same damages each time
    key, other = key_of(signed_in()), key_of(signed_in())
    blob, hostile = contents(site, key)
    exceptions = filled = left = 0
    slowest = largest = 0.0
    for number, mutant in enumerate(mutants(blob, contents(site, other)[0], luck)):
        if number == times:
            break
        put(site, key, hostile[number // 2] if number < 2 * len(hostile) else mutant)
        try:
            data, taken, megabytes = measure(site, key)
        except SessionUnreadable:
            # What is sealed, or of a later release, is no damage: it is told, and left alone.
            left += 1
            continue
        except Exception:  # noqa: BLE001 - counted
            exceptions += 1
            continue
        filled += data != {}
        slowest, largest = max(slowest, taken), max(largest, megabytes)
    figure = (
        f"{exceptions} exceptions, {filled} not empty of {times}, at most {slowest:.0f} ms "
        f"and {largest:.0f} MB"
    )
    note("rows", site, database, figure)
    if site.is_ours:
        assert (exceptions, filled) == (0, 0), figure
        assert left >= len(hostile)
        assert slowest < 100, figure
        assert largest < 50, figure
