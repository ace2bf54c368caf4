"""`python -m bench.encryption`: what SESSIONSTORE_ENCRYPT costs. Writes docs/encryption.md."""

import argparse
import os
from functools import partial
from importlib import import_module
from time import perf_counter_ns
from typing import Any

from bench import machine

DATABASES = {"mariadb": "MariaDB", "sqlite": "SQLite"}
OPERATIONS = ["load", "load and save", "create"]
SIZES = {"380 bytes": 380, "10 KiB": 10 * 1024}
# As long as what the row of user 1 is bound to.
BOUND = bytes(37)
HEAD = ["Where", "What", "sealed (format 1), us", "encrypted (format 2), us"]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.encryption", description=__doc__)
    parser.add_argument("--database", action="append", choices=DATABASES, help="only this one")
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--write", action="store_true", help="write the page")
    chosen = parser.parse_args()
    chosen.database = chosen.database or list(DATABASES)
    return chosen


def codec(*, encrypts: bool) -> Any:
    """Return the codec of one format, over the secrets of the site."""
    conf, made = import_module("sessionstore.conf").conf, import_module("sessionstore.core.codec")
    cipher = import_module("sessionstore.core.encryption").CIPHER
    return made.Codec(conf.secrets, conf.max_bytes, cipher=cipher, encrypts=encrypts)


def of_codec(rounds: int) -> list[list[str]]:
    """Time sealing and opening alone, for a small session and one that is compressed."""
    words = os.urandom(2048).hex().encode()
    rows = []
    for name, size in SIZES.items():
        payload = (words * 3)[:size]
        both = [codec(encrypts=False), codec(encrypts=True)]
        key = import_module("sessionstore.conf").conf.keyring.mint()
        writes = [_median(partial(one.encode, payload, BOUND, key), rounds) for one in both]
        blobs = [(one, one.encode(payload, BOUND, key)) for one in both]
        reads = [_median(partial(one.decode, blob, BOUND, key), rounds) for one, blob in blobs]
        rows.append(["codec alone", f"seal {name}", *map("{:.1f}".format, writes)])
        rows.append(["codec alone", f"open {name}", *map("{:.1f}".format, reads)])
    return rows


def of_engine(alias: str, database: str, rounds: int) -> list[list[str]]:
    """Time the operations of a request on a database."""
    operations = import_module("bench.operations")
    contestants = import_module("bench.contestants")
    counter = import_module("bench.statements").Counter(alias)
    with_codec = _with_codec(contestants.Engine)
    engines = [
        with_codec(name, "sessionstore.backends.sql", codec=codec(encrypts=encrypts))
        for name, encrypts in (("sealed", False), ("encrypted", True))
    ]
    samples = operations.measure(engines, OPERATIONS, calls=rounds, counter=counter)
    return [
        [database, what, *(f"{samples[what, one.name].median:.0f}" for one in engines)]
        for what in OPERATIONS
    ]


def _with_codec(base: Any) -> Any:
    """Return an engine that writes one format."""

    class WithCodec(base):
        def __init__(self, *args: Any, codec: Any) -> None:
            super().__init__(*args)
            self.codec = codec

        def activate(self) -> None:
            super().activate()
            import_module("sessionstore.conf").conf.codec = self.codec

    return WithCodec


def _median(call: Any, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        before = perf_counter_ns()
        call()
        times.append(perf_counter_ns() - before)
    return sorted(times)[rounds // 2] / 1000


def main() -> None:
    chosen = options()
    names = {name: DATABASES[name] for name in chosen.database}
    with machine.each_database(names, pinned=True) as found:
        rows = of_codec(chosen.rounds)
        for alias, database in found:
            rows += of_engine(alias, database, chosen.rounds)
        print(import_module("bench.report").table(HEAD, rows))
    if chosen.write:
        note = f"Medians; a session of 380 bytes on the databases. {machine.describe({})}"
        import_module("bench.page").write_rows("encryption.md", "encryption", HEAD, rows, note)


if __name__ == "__main__":
    main()
