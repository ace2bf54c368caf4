"""The rows of docs/reliability.md, and where a full run keeps what it has measured for them.

Without SESSIONSTORE_FIGURES in the environment nothing is kept: `python -m tests.faults.report`
sets it.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tests.faults.sites import Site

VARIABLE = "SESSIONSTORE_FIGURES"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what is done, and what must come of it."""

    test: str
    target: str


ROWS = {
    "transient": Row(
        "each transient code, the first 1 and 2 statements, or writes, fail: load, create, save, "
        "delete, cycle, login, clear",
        "100 % succeed",
    ),
    "lost": Row(
        "each lost-connection code, the same; and connections that are really killed",
        "100 % succeed, no duplicate and no orphaned row of a login",
    ),
    "permanent": Row("each permanent code", "first try, the real error, session still readable"),
    "always": Row("always failing", "503 within 2.2 s, at most 5 tries, one error record"),
    "galera": Row("Galera, 2 nodes x 8 threads on 1 session, then on 100", "< 1 % errors, then 0"),
    "galera-kill": Row(
        "a Galera node killed with -9 behind HAProxy, under load",
        "0 sessions lost, 0 logouts, errors only as 503",
    ),
    "group": Row(
        "MySQL Group Replication, all members write: 2 members x 8 threads on 1 session, then on "
        "100; deletes meanwhile; reads and deletes on another member at once",
        "0 lost, 0 come back, < 2 % errors, then 0",
    ),
    "group-kill": Row(
        "MySQL Group Replication behind HAProxy, under load: the primary killed with -9, frozen "
        "until it is expelled, cut off from the majority; a rolling restart",
        "0 sessions lost, 0 logouts, 0 come back, errors only as 503",
    ),
    "promotion": Row(
        "a primary killed with -9 under load and its synchronous follower promoted: PostgreSQL "
        "found by libpq and by HAProxy, MariaDB with semi-sync",
        "0 sessions lost, 0 logouts, 0 come back, errors only as 503",
    ),
    "lag": Row(
        "a follower that is 10 s behind: PostgreSQL behind a balancer that leads to both, MariaDB "
        "with a router that reads from it; logins and logouts",
        "nobody signed out, no logout without effect",
    ),
    "cache": Row(
        "cached_sql: the cache killed and restarted, full, in Cluster mode, failed over to a "
        "replica that has missed the last second; 100 sessions end, 4 workers ask for each",
        "0 of 400 let in",
    ),
    "restart": Row("database killed and restarted under load", "0 logouts, 0 deleted cookies"),
    "servers": Row(
        "application servers under load: a worker killed with -9 before, in and after the save of "
        "a session, one ended with SIGTERM in mid-request, all replaced by a deployment",
        "0 acknowledged changes lost, 0 signed out, 0 ended keys come back, 0 see another's data",
    ),
    "rollback": Row(
        "ATOMIC_REQUESTS, logout, then an exception (D6), WSGI and ASGI",
        "the old cookie is accepted 0 of 100 times",
    ),
    "crash": Row(
        "crash at each statement of login, logout, cycle, revoke",
        "never two valid ids, never a login under the old id",
    ),
    "soak": Row(
        "64 threads, 10^5 operations, deletes mixed in",
        "0 leaks, 0 resurrections, 0 lost keys",
    ),
    "machine": Row("hypothesis state machine against a dict", "0 differences"),
    "cookies": Row("10^4 fuzzed cookies", "no status >= 500, 0 logins, 0 SQL for malformed ones"),
    "rows": Row("10^4 mutated rows", "0 exceptions, empty session, < 50 MB, < 100 ms each"),
    "clocks": Row(
        "clock changes both ways x USE_TZ x 4 zones; 2038 and 2106; hosts 10 minutes apart",
        "exact to 1 s; the cleaner deletes 0 live rows",
    ),
    "cleaning": Row(
        "10^6 expired rows deleted under 50 writers, two cleaners at once",
        "0 failed writes, worst live write < 100 ms (SQLite < 250 ms)",
    ),
    "sizes": Row(
        "payload at each size limit, strict and not", "exact round trip or SessionTooLarge"
    ),
    "least": Row(
        "a database user with SELECT, INSERT, UPDATE, DELETE on the one table",
        "the engine suite passes",
    ),
    "broken-pages": Row(
        "an exception after login and after cycle_key (D16)",
        "the browser holds a working key 100 of 100 times",
    ),
}


def note(row: str, site: Site, part: str, figure: str) -> None:
    """Keep a figure of one row; `part` says of which database or circumstance it is."""
    assert row in ROWS
    folder = os.environ.get(VARIABLE)
    if folder:
        name = f"{row}.{site.name}.{part}".replace("/", "-").replace(" ", "_")
        part = part.replace("default", "sqlite")
        figures = {"row": row, "site": site.name, "part": part, "figure": figure}
        Path(folder, f"{name}.json").write_text(json.dumps(figures))


def share(good: int, of: int) -> str:
    """Return how many of how many, as the table shows it."""
    return f"{good} of {of}"
