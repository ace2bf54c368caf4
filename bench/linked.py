"""`python -m bench.linked`: an end by a link beside a scan. Writes into its page."""

import argparse
from importlib import import_module
from time import perf_counter
from typing import Any

from bench import machine, shopper

DATABASES = {"mariadb": "MariaDB", "sqlite": "SQLite", "postgresql": "PostgreSQL"}
ISSUER = "https://id.example"
HEAD = ["Database", "Sessions", "scan of all, ms", "by link, ms", "scan/link"]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.linked", description=__doc__)
    parser.add_argument("--database", action="append", choices=DATABASES, help="only this one")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write the page")
    chosen = parser.parse_args()
    chosen.database = chosen.database or list(DATABASES)
    return chosen


def signed_in(number: int) -> Any:
    """Store a session that knows in its data, and by a link, what its provider calls it."""
    session = import_module("sessionstore.backends.sql").SessionStore()
    session.update({**shopper.data(), "_auth_user_id": str(number), "sid": f"s{number}"})
    session.link(ISSUER, f"s{number}")
    session.save()
    return session


def by_scan(sid: str) -> int:
    """End what says so in its data: all are read, as without a link one has to."""
    models = import_module("sessionstore.models")
    found = [row for row in models.Session.objects.live() if row.get_decoded().get("sid") == sid]
    return ended_each(found)


def ended_each(rows: Any) -> int:
    reason = import_module("sessionstore.signals").Reason.PROVIDER
    ended: int = import_module("sessionstore.users.revocation").revoke_each(rows, reason=reason)
    return ended


def by_link(sid: str) -> int:
    name = import_module("sessionstore.links.names").Name(ISSUER, sid)
    reason = import_module("sessionstore.signals").Reason.PROVIDER
    ended: int = import_module("sessionstore.outside.linked").end_linked(name, reason=reason)
    return ended


def of_database(database: str, rows: int, rounds: int) -> list[str]:
    """Time both in turn, each on another session; the medians."""
    for number in range(rows):
        signed_in(number)
    scans: list[float] = []
    by_links: list[float] = []
    number = 0
    for _ in range(rounds):
        for end, taken in ((by_scan, scans), (by_link, by_links)):
            began = perf_counter()
            ended = end(f"s{number}")
            taken.append((perf_counter() - began) * 1000)
            if ended != 1:
                message = f"{end.__name__} ended {ended} sessions"
                raise AssertionError(message)
            number += 1
    scan, link = (sorted(taken)[rounds // 2] for taken in (scans, by_links))
    return [database, f"{rows:,}", f"{scan:.0f}", f"{link:.1f}", f"{scan / link:.0f}"]


def main() -> None:
    chosen = options()
    names = {name: DATABASES[name] for name in chosen.database}
    with machine.each_database(names, pinned=True) as found:
        rows = [of_database(name, chosen.rows, chosen.rounds) for _, name in found]
        print(import_module("bench.report").table(HEAD, rows))
    if chosen.write:
        note = f"Medians of {chosen.rounds}. {machine.describe({})}"
        page = import_module("bench.page")
        page.write_rows("sign-out-from-outside.md", "linked", HEAD, rows, note)


if __name__ == "__main__":
    main()
