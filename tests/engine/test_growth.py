"""Nothing grows faster than its input: counted in calls, statements and rows, never in time."""

import gc
import sys
from collections import Counter

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.signals import post_init

from sessionstore.backends.sql import SessionStore
from sessionstore.core import expiry
from sessionstore.history.table import events
from sessionstore.models import Session
from sessionstore.table.statistics import oldest_end, take_sample
from sessionstore.users.devices import PER_PAGE, list_devices, revoke, revoke_others
from sessionstore.users.limits import keep_limit
from sessionstore.users.mass_revocation import all_until_now, inactive_user_ids
from tests.harness.statements import record_statements

pytestmark = pytest.mark.django_db(transaction=True)
# Four times the input may take so many times as much.
FOUR_TIMES = 4.4
KIB = 1024


def wide(size):
    return {f"line-{number:05}": {"name": "a thing", "count": 1} for number in range(size // 44)}


def deep(size):
    """Below as many dicts as a save takes."""
    data = wide(size)
    for _ in range(97):
        data = {"level": 1, "inner": data}
    return data


def read(key):
    session = SessionStore(key)
    assert session["data"]
    assert not session.modified


def change(key):
    session = SessionStore(key)
    session["visits"] = session.get("visits", 0) + 1
    session.save()


def meet(key):
    """Merge with what another request has saved."""
    session = SessionStore(key)
    session["mine"] = session.get("mine", 0) + 1
    change(key)
    session.save()


def calls_of(work, *args):
    """Return how many functions, of Python and of C, are called."""
    seen = Counter()
    gc.disable()  # A callback of the collector would count too.
    sys.setprofile(lambda _, event, __: seen.update([event]))
    try:
        work(*args)
    finally:
        sys.setprofile(None)
        gc.enable()
    return seen["call"] + seen["c_call"]


def stored(data):
    session = SessionStore()
    session["data"] = data
    session.save()
    return session.session_key


@pytest.mark.parametrize("work", [read, change, meet])
@pytest.mark.parametrize("shape", [wide, deep])
def test_a_large_session_costs_what_its_size_costs(shape, work):
    """16 KiB and 64 KiB, read without and with a change, and in a merge."""
    small, large = stored(shape(16 * KIB)), stored(shape(64 * KIB))
    work(small)
    assert calls_of(work, large) <= FOUR_TIMES * calls_of(work, small)


def test_reading_calls_no_more_functions_for_a_large_session():
    """What looks at each value does so in C."""
    small, large = stored(wide(4 * KIB)), stored(wide(256 * KIB))
    read(small)
    assert calls_of(read, large) <= calls_of(read, small) + 5


# --- a user with many sessions


@pytest.fixture
def ann(db):
    return User.objects.create_user("ann")


def sign_in(user, sessions):
    """Let a user have so many sessions, and return the newest one."""
    now = expiry.now_ms()
    Session.objects.bulk_create(
        Session(user_id=str(user.pk), authenticated_at=now - number, expires_at=now + 10**6)
        for number in range(1, sessions)
    )
    session = SessionStore()
    session.update({"_auth_user_id": str(user.pk)})
    session.save()
    return session


def cost_of(work):
    """Return the statements and the rows that ``work`` takes."""
    rows = []
    note = lambda **_: rows.append(1)  # noqa: E731 - a receiver is kept while it is named
    post_init.connect(note, sender=Session)
    try:
        with record_statements() as seen:
            work()
    finally:
        post_init.disconnect(note, sender=Session)
    return len(seen), len(rows)


def test_a_page_of_the_list_costs_the_same_however_many_there_are(ann):
    """One statement, and a row more than the page shows; those before it may be another site's."""
    session = sign_in(ann, 2000)
    assert cost_of(lambda: list_devices(ann, session)) == (1, PER_PAGE + 1)
    assert cost_of(lambda: list_devices(ann, session, number=20)) == (1, 20 * PER_PAGE + 1)


def test_ending_one_costs_the_same_however_many_there_are(ann):
    """By its handle: one SELECT and one DELETE."""
    session = sign_in(ann, 2000)
    handle = Session.objects.for_user(ann).exclude(pk=session.row_id).first().handle
    assert cost_of(lambda: revoke(ann, session, handle)) == (2, 1)


def test_ending_all_others_reads_each_row_once(ann):
    """In batches: statements by the batch, rows by the row."""
    session = sign_in(ann, 2001)
    statements, rows = cost_of(lambda: revoke_others(ann, session))
    assert (rows, Session.objects.count()) == (2000, 1)
    assert statements <= 2 * 2000 / 500 + 4


def test_a_login_under_a_limit_reads_no_more_than_the_limit_and_what_it_ends(ann, settings):
    """Also where the limit is new, and a user has many times as many; one not reached, no row."""
    costs = {}
    for sessions in (800, 3200):
        settings.SESSIONSTORE_MAX_PER_USER = None
        session = sign_in(ann, sessions)
        settings.SESSIONSTORE_MAX_PER_USER = 5
        costs[sessions] = cost_of(lambda own=session: keep_limit(own, str(ann.pk), own=own.row_id))
        assert Session.objects.for_user(ann).count() == 5
        assert cost_of(lambda own=session: keep_limit(own, str(ann.pk), own=own.row_id)) == (1, 0)
    for few, many in zip(costs[800], costs[3200], strict=True):
        assert many <= FOUR_TIMES * few


def test_a_login_without_a_limit_asks_for_no_other_session(ann):
    """However many the user has."""
    session = sign_in(ann, 500)
    assert cost_of(session.cycle_key) == (1, 0)


IN_ORDER = {
    "the newest session": lambda: all_until_now(SessionStore()),
    "users who are disabled or gone": lambda: list(inactive_user_ids(SessionStore())),
    "events that are to be cleaned up": lambda: events.expired(expiry.now_ms(), 10),
    "sessions that are to be cleaned up": lambda: SessionStore.get_table().expired(0, 10),
    "the sample of sessionstats": lambda: take_sample(Session.objects),
    "what ended first": lambda: oldest_end(Session.objects),
}


@pytest.mark.parametrize("what", IN_ORDER)
def test_what_an_index_has_in_order_is_not_sorted(what):
    """SQLite would read all of it first: what a column is read as stands in no index."""
    with record_statements() as seen:
        IN_ORDER[what]()
    for one in seen:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {one.sql}", one.params)
            assert "TEMP B-TREE" not in str(cursor.fetchall())
