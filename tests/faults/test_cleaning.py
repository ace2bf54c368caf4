# ruff: noqa: S608 - the names are our own tables
"""A clean-up of very many rows while people work."""

import threading
import time
from functools import partial

import pytest
from django.db import connections

from tests.faults.figures import note
from tests.faults.sites import OURS, STOCK, WITH_TABLE
from tests.harness.threads import run_together

FEW = [pytest.param(*one.values, 5_000, 10, id=one.id, marks=one.marks) for one in WITH_TABLE]
# Half the weekly visitors of a large site, and the load of fifty people who click all the time.
# Of the others Django's alone: they all send the same DELETE. `cached_sql` deletes as `sql` does.
MANY = [
    pytest.param(site, 1_000_000, 50, id=f"{site.name}-many", marks=pytest.mark.soak)
    for site in (OURS, STOCK)
]
PACE_S = 0.25

DIGITS = f"({' UNION '.join(f'SELECT {digit} AS d' for digit in range(10))})"


def fill(site, alias: str, number: int) -> None:
    """Put in so many rows that have expired, of 200 bytes each, by one statement."""
    connection = connections[alias]
    vendor = connection.vendor
    table = site.table
    digits = len(str(number - 1))
    names = [f"t{n}" for n in range(digits)]
    value = " + ".join(f"{name}.d * {10**place}" for place, name in enumerate(names))
    source = ", ".join(f"{DIGITS} {name}" for name in names)
    if site.is_ours:
        row_id = {
            "mysql": "UNHEX(LPAD(HEX(n), 32, '0'))",
            "postgresql": "decode(lpad(to_hex(n), 32, '0'), 'hex')",
            "sqlite": "CAST(printf('%%016d', n) AS BLOB)",
        }[vendor]
        digest = {
            "mysql": "UNHEX(SHA2(n, 256))",
            "postgresql": "sha256(n::text::bytea)",
            "sqlite": "randomblob(32)",
        }[vendor]
        blob = {
            "mysql": "REPEAT('x', 200)",
            "postgresql": "repeat('x', 200)::bytea",
            "sqlite": "zeroblob(200)",
        }[vendor]
        columns = "id, digest, data, version, created_at, last_seen_at, expires_at"
        values = f"{row_id}, {digest}, {blob}, 1, 1, 1, n"
    else:
        columns = "session_key, session_data, expire_date"
        more = [
            field.column for field in site.model._meta.fields if getattr(field, "auto_now", False)
        ]
        columns = ", ".join([columns, *more])
        text = "printf('%%040d', n)" if vendor == "sqlite" else "LPAD(CONCAT(n, ''), 40, '0')"
        data = "hex(zeroblob(100))" if vendor == "sqlite" else "REPEAT('x', 200)"
        values = ", ".join([text, data, *["'2020-01-01 00:00:00'"] * (1 + len(more))])
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {values} "
            f"FROM (SELECT {value} AS n FROM {source}) AS numbers WHERE n < {number}",
            [] if "%%" in values else None,
        )


@pytest.mark.parametrize(("site", "expired", "writers"), [*FEW, *MANY], indirect=["site"])
def test_a_clean_up_does_not_disturb_those_who_work(database, site, expired, writers):
    """Two cleaners at once, and writers who notice nothing; no live row goes."""
    fill(site, database, expired)
    put = site.rows().count()
    sessions = []
    for _ in range(writers):
        session = site.store()
        session["n"] = 0
        session.create()
        sessions.append(session.session_key)
    cleaned = threading.Event()
    cleaning = [0, 0]

    def write(key):
        worst = failures = number = 0
        while not cleaned.wait(PACE_S) or number < 2:
            number += 1
            started = time.monotonic()
            try:
                session = site.store(key)
                session["n"] = number
                session.save()
            except Exception:  # noqa: BLE001 - counted
                failures += 1
            worst = max(worst, time.monotonic() - started)
        return worst, failures, number

    def clean(one):
        try:
            site.store.clear_expired()
        finally:
            cleaning[one] = 1
            if all(cleaning):
                cleaned.set()

    started = time.monotonic()
    runs = [*(partial(write, key) for key in sessions), partial(clean, 0), partial(clean, 1)]
    outcomes = run_together(runs, seconds=1_800)
    taken = time.monotonic() - started
    written, cleaners = outcomes[:writers], outcomes[writers:]
    refused = sum(one is not None for one in cleaners)
    worst = max(one[0] for one in written) * 1000
    failures = sum(one[1] for one in written)
    total = sum(one[2] for one in written)
    note(
        "cleaning",
        site,
        f"{database}, {expired:,} rows, {writers} writers",
        f"{failures} of {total} writes failed, worst {worst:.0f} ms, cleaned in {taken:.0f} s"
        + (f", {refused} of 2 cleaners failed" if refused else ""),
    )
    assert put >= expired
    if site.is_ours:
        assert cleaners == [None, None]
        assert failures == 0
        assert site.rows().count() == writers
