"""The faults and the stores of docs/reliability.md, and where a run keeps what it has measured.

Without SESSIONSTORE_FIGURES in the environment nothing is kept: `python -m tests.faults.report`
sets it. `measured.json` has the figures of all runs, each with its date.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VARIABLE = "SESSIONSTORE_FIGURES"

# The name of a site, and the heading of its column.
STORES = {
    "ours": "`sql`",
    "cached_sql": "`cached_sql`",
    "stock": "Django `db`",
    "cached_db": "Django `cached_db`",
    "cache": "Django `cache`",
    "qsessions": "django-qsessions",
    "user-sessions": "django-user-sessions",
    "express-mysql": "express-mysql-session",
    "connect-pg": "connect-pg-simple",
}
EXPRESS = ("express-mysql", "connect-pg")
UNCACHED = dict.fromkeys(
    ("ours", "stock", "qsessions", "user-sessions", *EXPRESS), "it has no cache"
)
NO_SQL = {"cache": "it has no database"}
NO_HTTP = dict.fromkeys(EXPRESS, "it needs an execute wrapper of Django")
ALL = r"([\d,]+) of \1\b.*"
NONE = r"0 of .*"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault: what is done, and what must come of it."""

    test: str
    target: str
    title: str = ""
    """The same in plain words, as a heading and in the table of marks."""

    met: str = ""
    """What a figure that meets the target matches; without it the tests assert that ours do."""

    apart: Mapping[str, str] = field(default_factory=dict)
    """The stores for which the test makes no sense, and why."""

    remark: str = ""
    """What else there is to say, such as that it is so by design."""

    @property
    def plain(self) -> str:
        """The title, or what is done where nobody has found plain words."""
        return self.title or f"{self.test[0].upper()}{self.test[1:]}"


ROWS = {
    "updates": Row(
        "50 requests of one session at once: each has read the session before the first one "
        "stores a key of its own",
        "all 50 keys are stored, no error",
        "Fifty requests at once keep fifty changes",
        met=r"50 of 50 kept",
        remark="The others write the whole session, so the last one wins. "
        "[express-session's page](https://github.com/expressjs/session#resave) calls it a race "
        "between parallel requests.",
    ),
    "revival": Row(
        "a request reads the session; its owner signs out; then the request stores its change; "
        "ten times",
        "0 of 10 sessions come back",
        "Who has signed out stays signed out, though a request still runs",
        met=NONE,
        remark="The two stores of Express write by an upsert, which makes a deleted row again; "
        "django-user-sessions saves without asking whether the row is still there.",
    ),
    "dump": Row(
        "ten people are signed in; each word that stands in the table, or in Redis, is tried as a "
        "cookie",
        "0 of 10 sessions open",
        "A copy of the table, or of Redis, signs nobody in",
        met=NONE,
        remark="Express signs its cookies, so a row is of use only to who knows the secret, too. "
        "What stands in the tables of the Django stores, and in the names of Redis, is the cookie.",
    ),
    "fixation": Row(
        "somebody signs in with an id that was planted in the browser before; ten times",
        "0 of 10 planted ids are signed in",
        "Signing in gives a new id",
        met=NONE,
        remark="In Express the application does it, by `regenerate()` as the page of "
        "express-session shows.",
    ),
    "transient": Row(
        "each transient code, the first 1 and 2 statements, or writes, fail: load, create, save, "
        "delete, cycle, login, clear",
        "100 % succeed",
        "A deadlock or a lock wait is not noticed",
        met=ALL,
        apart=NO_SQL,
        remark="Express: writes only, refused by a trigger.",
    ),
    "lost": Row(
        "each lost-connection code, the same; and connections that are really killed",
        "100 % succeed, no duplicate and no orphaned row of a login",
        "A connection that is killed is not noticed",
        met=ALL,
        apart=NO_SQL,
        remark="Express: connections that are killed between two requests, or by a trigger in the "
        "middle of a write.",
    ),
    "permanent": Row(
        "each permanent code",
        "first try, the real error, session still readable",
        "An error that stays is told at once, as what it is",
        met=ALL,
        apart=NO_SQL | NO_HTTP,
    ),
    "always": Row(
        "always failing",
        "503 within 2.2 s, at most 5 tries, one error record",
        "A database that keeps failing is a 503, and the cookie stays",
        met=r"(\d+) of \1 end as 503.*",
        apart=NO_SQL,
    ),
    "restart": Row(
        "database killed and restarted under load",
        "0 logouts, 0 deleted cookies",
        "The database is killed and restarted: everybody stays signed in",
        met=r"(\d+) of \1 still signed in;.*",
        apart=NO_SQL,
        remark="The statuses are what browsers were told for the seconds between. Whether a 503 "
        "is among them is asked above.",
    ),
    "rollback": Row(
        "ATOMIC_REQUESTS, logout, then an exception, WSGI and ASGI",
        "the old cookie is accepted 0 of 100 times",
        "A sign-out stays one when the page fails and its transaction is rolled back",
        met=NONE,
        apart=dict.fromkeys(EXPRESS, "Express has no transaction around a request"),
    ),
    "broken-pages": Row(
        "an exception after login and after cycle_key",
        "the browser holds a working key 100 of 100 times",
        "An error page after signing in does not lose the session",
        met=ALL,
    ),
    "crash": Row(
        "crash at each statement of login, logout, cycle, revoke",
        "never two valid ids, never a login under the old id",
        "A process that dies in the middle of a sign-in leaves one valid id",
        met=r"0 wrong .*",
        apart=NO_SQL | NO_HTTP,
    ),
    "soak": Row(
        "64 threads, 10^5 operations (16 and 1,600 in the short form), deletes mixed in",
        "0 leaks, 0 resurrections, 0 lost keys",
        "Many threads on many sessions mix nothing up and lose nothing",
        met=r"0 leaks, 0 resurrections, 0 of [\d,]+ keys lost, 0 errors.*",
        apart=dict.fromkeys(EXPRESS, "it works on the store without HTTP"),
    ),
    "cookies": Row(
        "10^4 fuzzed cookies",
        "no status >= 500, 0 logins, 0 SQL for malformed ones",
        "Made-up cookies open nothing, break nothing and cost no query",
        met=r"0 error pages, 0 logins, SQL for 0 .*",
        apart={"cache": "it has no database that a cookie could cost a query"},
        remark="Logins on MariaDB are cookies in other letters, such as capitals: its comparison "
        "takes them for the same. django-user-sessions makes a row for each cookie that it does "
        "not know.",
    ),
    "rows": Row(
        "10^4 mutated rows",
        "0 exceptions, empty session, < 50 MB, < 100 ms each",
        "A damaged row is an empty session, never an error page",
        met=r"0 exceptions, 0 not empty .* at most \d\d? ms( and [1-4]?\d MB)?",
        apart=NO_SQL,
        remark="Not empty are rows that open a session though somebody has changed them. Nothing "
        "of express-session signs a row, and what its store cannot parse is an error 500 for as "
        "long as the browser sends the cookie. Of Express the memory is not measured.",
    ),
    "cleaning": Row(
        "10^6 expired rows deleted under 50 writers (5,000 under 10 in the short form), two "
        "cleaners at once",
        "0 failed writes",
        "No write fails while expired sessions are cleaned up",
        met=r"0 of \d+ writes failed, .*",
        apart={"cache": "Redis forgets by itself"},
        remark="The times are those of a busy machine. On one to itself the worst write has to "
        "take less than 100 ms (SQLite: 250 ms): see [misses](reliability.md#misses). With 10^6 "
        "expired rows one DELETE, as Django's stores send it, stops SQLite's writers: "
        "[measured](operations.md#measured).",
    ),
    "clocks": Row(
        "clock changes both ways x USE_TZ x 4 zones; 2038 and 2106; hosts 10 minutes apart",
        "exact to 1 s; the cleaner deletes 0 live rows",
        "Half an hour is half an hour, whatever the clocks do",
        met=r"30 min last 30 to 30 min|0 live rows deleted",
        apart=dict.fromkeys(
            ("cached_sql", "cached_db", "cache"),
            "Redis measures the time by its own clock, which no test moves",
        )
        | dict.fromkeys(EXPRESS, "the clock of Node is not the one that is moved"),
    ),
    "cache-lost": Row(
        "20 are signed in; Redis is killed, and started again with nothing in it",
        "20 of 20 are still signed in, no error meanwhile",
        "The cache dies and comes back empty: no error, nobody signed out",
        met=r"(\d+) of \1 still signed in; answered 200 while it is down",
        apart=UNCACHED,
        remark="Django says of `cache` that its data "
        "[can be evicted or lost](https://docs.djangoproject.com/en/5.2/topics/http/sessions/"
        "#using-cached-sessions), and recommends `cached_db` where that matters.",
    ),
    "cache-back": Row(
        "20 are signed in and Redis takes a snapshot; they sign out; Redis is killed and starts "
        "from the snapshot",
        "0 of 20 are let in",
        "The cache comes back with old content: who has signed out stays signed out",
        met=NONE,
        apart=UNCACHED,
        remark="An entry of `cached_sql` lives for 60 seconds at most; let Redis keep nothing "
        "([caching](caching.md#the-limits)), and it is none.",
    ),
    "cache": Row(
        "cached_sql: the cache killed and restarted, full, in Cluster mode (one node), failed over "
        "to a replica that has missed the last second; 100 sessions end, 4 workers ask for each",
        "0 of 400 let in",
        "A cache that fails lets nobody in whose session has ended",
        met=NONE,
        apart=UNCACHED,
        remark="The one figure that is not 0 shows why HAProxy has to wait after a failover, as "
        "[caching](caching.md#a-redis-that-fails-over) says.",
    ),
    "pools": Row(
        "psycopg's pool exhausted, its queue full, its connections killed by a restart; PgBouncer "
        "with pools of transactions and of statements, of four connections",
        "503 after two tries where no connection is to be had, else no error; nothing is lost",
        "A pool that is exhausted, full or dead loses no session",
        met=r"503 .*; session and change kept|(\d+) of \1 .*",
        remark="In a pool of statements no transaction can be begun: a change that is overtaken "
        "twice needs one, and `W093` tells.",
    ),
    "networks": Row(
        "a bad network under load: the server stopped and continued (SIGSTOP), packets that do not "
        "arrive (half-open connections), 200 ms and 5 % loss, a name that moves",
        "0 sessions lost, 0 logouts, 0 come back, errors only as 503, each answer within the "
        "timeouts, tries a second at most twice those of before",
        "A network that is bad rather than gone holds nobody and signs nobody out",
        met=r"(\d+) of \1 kept .*; 0 of .* \(statuses (503|none)\).*",
        remark="PostgreSQL was asked for connections made anew: one that is open when its server "
        "process stands still waits until what is before it ends it. "
        "[Operations](operations.md#timeouts) has the timeouts.",
    ),
    "servers": Row(
        "application servers under load: a worker killed with -9 before, in and after the save of "
        "a session, one ended with SIGTERM in mid-request, all replaced by a deployment",
        "0 acknowledged changes lost, 0 signed out, 0 ended keys come back, 0 see another's data",
        "A worker that is killed, or replaced by a deployment, loses no acknowledged change",
        met=r"0 of [\d,]+ acknowledged changes lost; 0 signed out; 0 of .* came back; 0 saw .*",
        remark="[Application servers](guides/servers.md) has the settings.",
    ),
    "galera": Row(
        "Galera, 2 nodes x 8 threads on 1 session, then on 100",
        "< 1 % errors, then 0",
        "Galera: two nodes write the same sessions",
        met=r"0\.\d% errors.*, 0 of \d+ lost|0 of .*",
    ),
    "galera-kill": Row(
        "a Galera node killed with -9, or cut off from the others, behind HAProxy, under load",
        "0 sessions lost, 0 logouts, 0 come back, errors only as 503",
        "Galera: a node dies, and the only errors are 503",
        met=r"(\d+) of \1 kept .*; 0 of .* \(statuses (503|none)\).*",
    ),
    "group": Row(
        "MySQL Group Replication, all members write: 2 members x 8 threads on 1 session, then on "
        "100; deletes meanwhile; reads and deletes on another member at once",
        "0 lost, 0 come back, < 2 % errors, then 0",
        "Group Replication: all members write the same sessions",
        met=r"\d+ conflicts: [01]\.\d% errors.*, 0 of \d+ lost|0 of [^,]*(, 0 of .*)?",
        remark="With the consistency EVENTUAL, the default before MySQL 8.4, other members lag; "
        "`BEFORE` is [what to set](scale.md#group-replication) where all write.",
    ),
    "group-kill": Row(
        "MySQL Group Replication behind HAProxy, under load: the primary killed with -9, or frozen "
        "until it is expelled; a rolling restart. And one browser at a member that is cut off from "
        "the majority",
        "0 sessions lost, 0 logouts, 0 come back, errors only as 503",
        "Group Replication: the primary dies or freezes, and the only errors are 503",
        met=r"503 to .*|(\d+) of \1 kept .*; 0 of .* \(statuses (503|none)\).*",
    ),
    "promotion": Row(
        "a primary killed with -9 under load and its synchronous follower promoted: PostgreSQL "
        "found by libpq and by HAProxy, MariaDB with semi-sync",
        "0 sessions lost, 0 logouts, 0 come back, errors only as 503",
        "A follower is promoted, and the only errors are 503",
        met=r"(\d+) of \1 kept .*; 0 of .* \(statuses (503|none)\).*",
    ),
    "lag": Row(
        "a follower that is 10 s behind: PostgreSQL behind a balancer that leads to both, MariaDB "
        "with a router that reads from it; logins and logouts",
        "nobody signed out, no logout without effect",
        "A follower lags by ten seconds",
        met=r"0 of \d+ signed out(, 0 of .*)?",
        remark="Where it says W098, a balancer sends reads to the follower: the check of that "
        "number finds it.",
    ),
    "sizes": Row(
        "payload at each size limit, strict and not",
        "exact round trip or SessionTooLarge",
        "A payload at each limit of size comes back whole",
        met=ALL,
    ),
    "least": Row(
        "a database user with SELECT, INSERT, UPDATE, DELETE on the one table",
        "the engine suite passes",
        "Four rights on one table suffice",
        met=r"(\d+) of \1 tests pass",
    ),
    "machine": Row(
        "hypothesis state machine against a dict",
        "0 differences",
        "Random programs of requests leave what a dict would hold",
        met=r"0 differences .*",
        apart={"cached_sql": "it merges as `sql` does, by the same code"}
        | {name: "it merges nothing" for name in STORES if name not in {"ours", "cached_sql"}},
    ),
}


def note(row: str, site: Any, part: str, figure: str) -> None:
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
