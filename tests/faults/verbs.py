"""What an engine is asked to do while the database fails, and whether it came out right."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from tests.faults.figures import share
from tests.faults.injection import Code, Injection, first_statements_fail
from tests.faults.sites import Site, browser, key_of, user_of
from tests.harness.clock import pauses_skipped


@dataclass(frozen=True, slots=True)
class Verb:
    """What is done while the database fails, and whether it came out right."""

    prepare: Callable[[Any, Site], Any]
    act: Callable[[Any, Site], int]
    is_right: Callable[[Any, Site], bool]


def new_browser(signed_in: Any, site: Site) -> Any:
    """Return a browser without a session."""
    return browser()


def old_browser(signed_in: Any, site: Site) -> Any:
    """Return a browser with a session, which remembers its key."""
    client = signed_in()
    client.old_key = key_of(client)
    return client


def expired_rows(signed_in: Any, site: Site) -> None:
    """Leave three rows that have expired long ago, and one live one."""
    for _ in range(3):
        session = site.store()
        session.set_expiry(-3600)
        session.create()
    site.store().create()


def get(url: str) -> Callable[[Any, Site], int]:
    """Return a function that asks for a page, and answers its status."""
    return lambda client, site: client.get(url).status_code


def clear(client: Any, site: Site) -> int:
    """Delete the expired rows."""
    site.store.clear_expired()
    return 200


def holds(value: str) -> Callable[[Any, Site], bool]:
    """Return a function that tells whether a browser's session has this value."""
    return lambda client, site: client.get("/read/").json()["value"] == value


def has_moved(client: Any, site: Site) -> bool:
    """Tell whether the session lives under its new key, and only there."""
    new = key_of(client)
    return new != client.old_key and user_of(new) is not None and user_of(client.old_key) is None


VERBS = {
    "load": Verb(old_browser, get("/read/"), holds("old")),
    "create": Verb(new_browser, get("/write/"), holds("new")),
    "save": Verb(old_browser, get("/write/"), holds("new")),
    "delete": Verb(old_browser, get("/logout/"), lambda c, s: user_of(c.old_key) is None),
    "cycle": Verb(old_browser, get("/cycle/"), has_moved),
    "login": Verb(
        new_browser,
        get("/login/"),
        lambda c, s: user_of(key_of(c)) is not None and len(s.rows_of(user_of(key_of(c)))) == 1,
    ),
    "clear": Verb(expired_rows, clear, lambda c, s: s.rows().count() == 1),
}


def trial(verb: Verb, fault: AbstractContextManager[Injection], signed_in: Any, site: Site) -> str:
    """Do it once under the fault; return "right", or what went wrong."""
    site.empty()
    client = verb.prepare(signed_in, site)
    site.forget_cached()
    with pauses_skipped(), fault as injection:
        try:
            status = verb.act(client, site)
        except Exception as error:  # noqa: BLE001 - an outcome like a status
            status = type(error).__name__
    assert injection.fired >= 1, "the fault was not injected"
    if status != 200:
        return f"{status}"
    return "right" if verb.is_right(client, site) else "wrong"


def cases() -> list[tuple[str, int, bool]]:
    """Return each verb, how many statements fail, and whether only writes do."""
    return [
        (name, times, writes_only)
        for name in VERBS
        for times in (1, 2)
        for writes_only in (False, True)
        if not (name == "load" and writes_only)
    ]


def matrix(codes: list[Code], database: str, signed_in: Any, site: Site) -> dict[Any, str]:
    """Try each code on the first 1 and 2 statements, and writes, of each verb."""
    return {
        (name, code, times, writes_only): trial(
            VERBS[name],
            first_statements_fail(database, code, times, writes_only=writes_only),
            signed_in,
            site,
        )
        for code in codes
        for name, times, writes_only in cases()
    }


def summary(outcomes: dict[Any, str]) -> str:
    """Return the figure of a matrix: how many were right, and how the others ended."""
    right = sum(outcome == "right" for outcome in outcomes.values())
    others = sorted({outcome for outcome in outcomes.values() if outcome != "right"})
    return share(right, len(outcomes)) + (f" (else {', '.join(others)})" if others else "")
