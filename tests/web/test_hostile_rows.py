"""Rows with any value in any column: they keep no session from being ended, and break no page."""

import random
import secrets
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connections
from django.test import Client

from sessionstore.backends.sql import SessionStore
from sessionstore.core import expiry
from sessionstore.models import Session
from tests.harness import commands

MOMENTS = ("created_at", "authenticated_at", "last_seen_at", "expires_at", "cycled_at", "bound_at")
NUMBERS = (0, -1, 253402300800000, -62135596800001, 10**14, 2**53, 2**62, 2**63 - 1, -(2**63))
TEXTS = (
    "",
    "\u202e<script>",
    "\x1b[31m",
    "::::",
    "999.1.1.1",
    "fe80::1%eth0",
    "9" * 40,
    "\U0001f600",
)
BLOBS = (b"", b"\x41", b"\x41" + b"x" * 7, b"\x0f", b"\xc1" + b"y" * 50, b"\x42" * 40, b"z" * 5000)
# SQLite keeps any type in any column; the last one is text that is no UTF-8.
ODD = ("text", "", "12", 1.5, float("inf"), b"\xff\xfe", 12, "CAST(x'ff41fe' AS TEXT)")
PAGES = ("/admin/sessionstore/session/", "/admin/sessionstore/session/statistics/")
ROUNDS = pytest.mark.parametrize("rounds", [8, pytest.param(100, marks=pytest.mark.soak)])


@pytest.fixture(params=[True, False], ids=["aware", "naive"])
def ann(request, database, settings) -> User:
    """A user whose sessions are stored in each database, with either USE_TZ."""
    settings.USE_TZ, settings.TIME_ZONE = request.param, "America/Sao_Paulo"
    settings.SESSIONSTORE_MAX_PER_USER = 5
    User.objects.create_superuser("root", password="x")
    return User.objects.create_user("ann", password="x")


def columns(user_id: str) -> dict:
    now = expiry.now_ms()
    times = {"created_at": now, "last_seen_at": now, "expires_at": now + 10**7}
    ids = {"id": secrets.token_bytes(16), "digest": secrets.token_bytes(32)}
    return {**ids, **times, "data": b"", "version": 1, "user_id": user_id}


def values(vendor: str) -> list[tuple[str, object]]:
    """Return hostile values with their columns, as far as a database takes them."""
    found = [(name, value) for name in (*MOMENTS, "version") for value in NUMBERS]
    found += [(name, value) for name in ("ip", "user_agent") for value in TEXTS]
    found += [("data", value) for value in BLOBS]
    if vendor == "sqlite":
        names = {*columns(""), *MOMENTS, "ip", "user_agent"} - {"user_id"}
        found += [(name, value) for name in sorted(names) for value in ODD]
    return found


def put(alias: str, row: dict) -> None:
    quote = connections[alias].ops.quote_name
    names = ", ".join(map(quote, row))
    places = [value if "CAST" in str(value) else "%s" for value in row.values()]
    given = [value for value in row.values() if "CAST" not in str(value)]
    table, values = quote(Session._meta.db_table), ", ".join(places)
    text = f"INSERT INTO {table} ({names}) VALUES ({values})"  # noqa: S608 - the test's own words
    with connections[alias].cursor() as cursor:
        cursor.execute(text, given)


def hostile(alias: str, user_id: str, luck: random.Random) -> list[tuple[str, object]]:
    """Put rows there, each with one hostile value; return the values."""
    chosen = luck.sample(values(connections[alias].vendor), 12)
    for name, value in chosen:
        try:
            put(alias, {**columns(user_id), name: value})
        except DatabaseError:  # the column takes no such value
            continue
    return chosen


def signed_in(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def set_password(user: User) -> None:
    user.set_password("x")
    user.save()


def disable(user: User) -> None:
    user.is_active = False
    user.save()
    User.objects.filter(pk=user.pk).update(is_active=True)
    user.is_active = True


ENDS: list[Callable] = [
    set_password,
    disable,
    lambda user: commands.run("revokesessions", "--user-id", str(user.pk), "--no-input"),
    lambda user: commands.run("revokesessions", "--all", "--no-input"),
]


@ROUNDS
def test_nothing_in_a_row_keeps_sessions_from_being_ended(ann, database, rounds):
    """By whatever ends them: a password, an administrator, a command."""
    luck = random.Random(7)  # noqa: S311 - the same rows at each run
    for number in range(rounds):
        chosen = hostile(database, str(ann.pk), luck)
        key = signed_in("ann").cookies["sessionid"].value
        ENDS[number % len(ENDS)](ann)
        assert SessionStore(key).load() == {}, chosen
        with connections[database].cursor() as cursor:
            cursor.execute("DELETE FROM sessionstore_session")


@ROUNDS
def test_nothing_in_a_row_breaks_a_page(ann, database, settings, rounds):
    """The devices, the list in the admin, the statistics; and all others can be ended there."""
    luck = random.Random(8)  # noqa: S311 - as above
    for _ in range(rounds // 2):
        chosen = hostile(database, str(ann.pk), luck)
        # The last one is spared by the limit, though rows from the future are newer than it.
        other, own, root = signed_in("ann"), signed_in("ann"), signed_in("root")
        assert [root.get(page).status_code for page in PAGES] == [200, 200], chosen
        assert own.get("/account/devices/").status_code == 200, chosen
        commands.run("sessionstats", "--json")
        commands.run("sessionstats")
        own.post("/account/devices/revoke-others/")
        assert SessionStore(other.cookies["sessionid"].value).load() == {}, chosen
        with connections[database].cursor() as cursor:
            cursor.execute("DELETE FROM sessionstore_session")


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("odd", [("version", ODD[-1]), ("id", "")], ids=["version", "id"])
def test_what_sqlite_keeps_in_any_column_breaks_no_page_and_no_end(ann, database, odd):
    """Text that is no UTF-8 in the place of a number, and a row without an id."""
    put(database, {**columns(str(ann.pk)), odd[0]: odd[1]})
    own, root = signed_in("ann"), signed_in("root")
    assert [root.get(page).status_code for page in PAGES] == [200, 200]
    assert own.get("/account/devices/").status_code == 200
    commands.run("revokesessions", "--user-id", str(ann.pk), "--no-input")
    assert SessionStore(own.cookies["sessionid"].value).load() == {}


def test_the_admin_ends_whatever_is_in_a_row(ann, database):
    """Each has a page; chosen together, the page that asks names them, and the answer ends them."""
    hostile(database, str(ann.pk), random.Random(9))  # noqa: S311 - as above
    key, root = signed_in("ann").cookies["sessionid"].value, signed_in("root")
    handles = [row.handle for row in Session.objects.using(database).for_user(ann).only("pk")]
    chosen = {"_selected_action": handles, "select_across": "1", "action": "end_selected"}
    assert {root.get(f"{PAGES[0]}{one}/").status_code for one in handles} == {200}
    assert root.post(PAGES[0], chosen).status_code == 200
    assert root.post(PAGES[0], {"confirmed": "yes", **chosen}).status_code == 302
    assert SessionStore(key).load() == {}
