"""The verbs of the session table, on each database, with a cache in front of it and without."""

from dataclasses import replace

import pytest
from django.core.cache import caches
from django.db import IntegrityError, connections, transaction

from sessionstore.core.expiry import to_ms
from sessionstore.core.keys import new_id
from sessionstore.core.record import IMPORTED, Record
from sessionstore.exceptions import TakenId
from sessionstore.table.faults import is_taken_id
from tests.harness.statements import record_statements
from tests.owntable.engine import SessionStore as OwnStore

HOUR_MS = 3_600_000


@pytest.fixture
def table(store, database):
    """The table of one engine after the other."""
    return store.get_table()


@pytest.fixture
def row(table, clock) -> Record:
    """A row that is stored."""
    row = new_row(clock.now_ms)
    table.insert(row)
    return row


def new_row(now, number=1, **columns) -> Record:
    """Return a live row that nobody has stored."""
    times = {"created_at": now, "authenticated_at": None, "last_seen_at": now}
    row = Record(new_id(now), digest(number), b"data", 1, None, **times, expires_at=now + HOUR_MS)
    return replace(row, **columns)


def digest(number) -> bytes:
    return number.to_bytes(32)


def stored(table, row):
    """Return the row as a model's instance, past the cache."""
    return table.objects.get(pk=row.id)


# --- inserting


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("taken", ["id", "digest", "both"])
def test_a_taken_id_or_digest_is_told_and_changes_nothing(
    table, row, clock, database, taken, inside
):
    """There is no upsert; inside a transaction the caller's work goes on."""
    other = new_row(clock.now_ms, 2, data=b"other")
    if taken in ("id", "both"):
        other.id = row.id
    if taken in ("digest", "both"):
        other.digest = row.digest
    third = new_row(clock.now_ms, 3)
    if inside:
        with transaction.atomic(using=database):
            with pytest.raises(TakenId):
                table.insert(other)
            table.insert(third)
    else:
        with pytest.raises(TakenId):
            table.insert(other)
        table.insert(third)
    assert table.find(row.id, 0) == row
    assert table.find(third.id, 0) == third
    assert table.objects.count() == 2


def test_what_the_database_says_of_a_taken_id_is_understood(table, row, clock, database):
    """The error of each driver itself; also in a table of one's own, whose name is another one."""
    for own in (table, OwnStore.get_table()):
        values = {"pk": row.id, "digest": row.digest, "data": b"", "version": 1}
        values |= dict.fromkeys(("created_at", "last_seen_at", "expires_at"), clock.now_ms)
        own.objects.all().delete()
        own.model(**values).save(using=database, force_insert=True)
        for same in ("pk", "digest"):
            other = values | {"pk": b"o" * 16, "digest": b"o" * 32} | {same: values[same]}
            with pytest.raises(IntegrityError) as error:
                own.model(**other).save(using=database, force_insert=True)
            assert is_taken_id(error.value), (own.table, same)


def test_another_error_of_an_insert_is_no_taken_id(table, clock):
    """Only the two keys of a row are a reason to try another one."""
    with pytest.raises(IntegrityError) as error:
        table.insert(new_row(clock.now_ms, data=None))
    assert not is_taken_id(error.value)


def test_a_second_unique_column_is_no_taken_id(table, row, clock, database):
    """A column of one's own says something else about two sessions."""
    with connections[database].cursor() as cursor:
        cursor.execute("CREATE UNIQUE INDEX other_digest ON sessionstore_session (last_seen_at)")
    try:
        with pytest.raises(IntegrityError) as error:
            table.insert(new_row(clock.now_ms, 2))
        assert not is_taken_id(error.value)
    finally:
        on = " ON sessionstore_session" if connections[database].vendor == "mysql" else ""
        with connections[database].cursor() as cursor:
            cursor.execute(f"DROP INDEX other_digest{on}")


# --- reading


def test_a_row_is_found_by_digest_and_by_id_while_it_lives(table, row):
    """Expiry is in the WHERE: at its last millisecond it has ended."""
    for now, found in ((0, row), (row.expires_at - 1, row), (row.expires_at, None)):
        assert table.fetch(row.digest, now) == found
        assert table.find(row.id, now) == found


def test_nothing_else_finds_it(table, row):
    """An id is no digest, and neither is a part of one."""
    assert table.fetch(digest(2), 0) is None
    assert table.fetch(row.digest[:31], 0) is None
    assert table.find(new_id(1), 0) is None
    assert table.find(row.digest[:16], 0) is None


# --- writing


def test_a_write_expects_its_version(table, row):
    """Who has read an older one changes nothing."""
    written = replace(row, data=b"new", version=2, user_id="7")
    assert table.update(written, 1, 0)
    assert table.find(row.id, 0) == written
    assert not table.update(replace(row, data=b"late", version=2), 1, 0)
    assert table.find(row.id, 0) == written


def test_a_write_brings_no_ended_row_back(table, row):
    """Neither one that has expired, nor one that is gone; with a new key neither."""
    longer = replace(row, digest=digest(2), version=2, expires_at=row.expires_at * 2)
    for replaces in (None, row.digest):
        assert not table.update(longer, 1, row.expires_at, replaces=replaces)
    assert table.find(row.id, 0) == row
    assert table.remove(row.id, digest=row.digest) == 1
    for replaces in (None, row.digest):
        assert not table.update(longer, 1, 0, replaces=replaces)
    assert table.objects.count() == 0


def test_a_write_changes_no_key_that_it_was_not_told_to_replace(table, row):
    """A late request knows the old digest, and its row keeps the new one."""
    assert table.update(replace(row, digest=digest(2), version=2), 1, 0)
    assert bytes(stored(table, row).digest) == row.digest


def test_a_change_of_key_is_one_statement_and_keeps_what_it_replaced(table, row, clock):
    """The old digest opens nothing from then on; id and creation stay."""
    changed = replace(row, digest=digest(2), data=b"new", version=2)
    clock.advance(seconds=1)
    with record_statements() as seen:
        assert table.update(changed, 1, clock.now_ms, replaces=row.digest)
    assert [statement.sql.split()[0] for statement in seen] == ["UPDATE"]
    assert (table.fetch(row.digest, 0), table.fetch(digest(2), 0)) == (None, changed)
    now = stored(table, row)
    assert bytes(now.previous_digest) == row.digest
    assert to_ms(now.cycled_at) == clock.now_ms


def test_a_change_of_key_to_a_taken_digest_changes_nothing(table, row, clock):
    """136 random bits do not collide; an error all the same, and no row is lost."""
    other = new_row(clock.now_ms, 2)
    table.insert(other)
    with pytest.raises(IntegrityError):
        table.update(replace(row, digest=other.digest, version=2), 1, 0, replaces=row.digest)
    assert table.find(row.id, 0) == row
    assert table.find(other.id, 0) == other


def test_times_only_move_on(table, row, clock):
    """Of a live row of this version, and never back."""
    later, end = row.last_seen_at + 5000, row.expires_at + 5000
    assert table.touch(row, later, end)
    assert not table.touch(row, later, end)
    assert not table.touch(row, later - 1, end)
    assert not table.touch(replace(row, version=2), later + 1, end)
    assert table.find(row.id, 0) == row.seen(later, end)
    clock.move_to(stored(table, row).expires_at)
    assert not table.touch(row, later + HOUR_MS * 2, end + HOUR_MS * 2)


@pytest.mark.only_on("mariadb", "mysql")
def test_writers_lock_a_row_by_its_primary_key(table, row, database):
    """By the index of the ends, two writers of one row would lock it from both sides."""
    sql, which = table._sql(database), [row.id, row.version]
    keys = {}
    for name, last in (
        ("update", [*which, 0]),
        ("change_key", [*which, 0]),
        ("touch", [*which, row.last_seen_at + 1, 0]),
        ("lock", [row.id, 0]),
        ("remove", [row.id]),
    ):
        text = getattr(sql, name)
        values = [1] * (text.count("%s") - len(last)) + last
        with connections[database].cursor() as cursor:
            cursor.execute(f"EXPLAIN FORMAT=TRADITIONAL {text}", values)
            [plan] = cursor.fetchall()
            keys[name] = plan[[column[0] for column in cursor.description].index("key")]
    assert keys == dict.fromkeys(keys, "PRIMARY")


# --- ending


def test_a_row_ends_by_its_id_by_its_key_and_by_the_key_before(table, clock):
    """Each tells whether there was one."""
    rows = [new_row(clock.now_ms, number) for number in (1, 2, 3, 4)]
    for one in rows:
        table.insert(one)
    third = replace(rows[2], digest=digest(30), version=2)
    assert table.update(third, 1, 0, replaces=digest(3))
    assert [table.remove(rows[0].id) for _ in range(2)] == [1, 0]
    assert [table.remove_key(digest(2)) for _ in range(2)] == [1, 0]
    assert table.remove_key(digest(3)) == 0
    assert table.remove_replaced(digest(30)) == 0
    assert [table.remove_replaced(digest(3)) for _ in range(2)] == [1, 0]
    assert [bytes(pk) for pk in table.objects.values_list("pk", flat=True)] == [rows[3].id]


def test_an_end_by_id_does_not_mind_a_key_that_changed(table, row):
    """Whoever has read the row ends it, whatever key it has by now."""
    changed = replace(row, digest=digest(2), version=2)
    assert table.update(changed, 1, 0, replaces=row.digest)
    assert table.remove(row.id, digest=row.digest) == 1
    assert table.fetch(digest(2), 0) is None


def test_a_key_was_replaced_for_as_long_as_somebody_asks(table, row, clock):
    """By a live row, after a moment; the key before the last one only."""
    begin = clock.now_ms
    assert not table.was_replaced(row.digest, 0)
    assert table.update(replace(row, digest=digest(2), version=2), 1, begin, replaces=row.digest)
    assert table.was_replaced(row.digest, begin - 1)
    assert not table.was_replaced(row.digest, begin)
    assert not table.was_replaced(digest(2), 0)
    clock.advance(hours=1, seconds=1)
    assert not table.was_replaced(row.digest, 0)


def test_one_session_of_a_user_is_spared_by_its_id(table, clock):
    """ "Everywhere else": it may get a new key meanwhile."""
    for number in range(1, 6):
        table.insert(new_row(clock.now_ms, number, user_id="7" if number < 5 else "8"))
    kept = table.fetch(digest(2), 0)
    assert len(table.remove_of_users(["7"], but=kept.id)) == 3
    assert sorted(map(bytes, table.objects.values_list("digest", flat=True))) == [
        digest(2),
        digest(5),
    ]


@pytest.mark.parametrize("but", [None, "the newest"])
def test_only_what_has_expired_is_cleaned_up(table, row, clock, but):
    """With a cutoff, whatever ids were given."""
    old = new_row(clock.now_ms - 2 * HOUR_MS, 2)
    table.insert(old)
    now = clock.now_ms
    assert table.count_expired(now) == 1
    assert table.expired(now, 10) == [old.id]
    assert table.expired(now, 0) == []
    ids = [row.id] if but else [row.id, old.id]
    assert table.remove_many(ids, expired_before=now) == (0 if but else 1)
    assert table.find(row.id, now) == row


# --- moving in


def test_an_imported_row_is_started_once(table, clock):
    """Whoever is first gives it its version, and the moment of that."""
    row = new_row(clock.now_ms, version=IMPORTED)
    table.insert(row)
    assert table.moved_at(row) == row.created_at
    clock.advance(seconds=5)
    assert [table.start_imported(row.id, clock.now_ms) for _ in range(2)] == [True, False]
    assert table.fetch(row.digest, 0).version == table.first_version
    assert table.moved_at(row) == row.created_at + 5000


# --- a cache in front


def test_what_a_cache_answers_is_the_row(table, row):
    """Each column, as the table would say it."""
    named = replace(row, user_id="7", ip="192.0.2.7", user_agent="Firefox", authenticated_at=5)
    assert table.update(replace(named, version=2), 1, 0)
    first = table.fetch(row.digest, 0)
    again = table.fetch(row.digest, 0)
    caches["default"].clear()
    assert first == again == table.fetch(row.digest, 0) == replace(named, version=2)
