"""What the receipts of a write rely on in Django's list of callbacks, and who else stands in it."""

import contextlib
from itertools import chain, product

import pytest
from django.db import connections, transaction

from sessionstore.table.receipts import Fate, Receipt, receipt_for
from tests.harness.statements import record_statements

PATHS = list(chain.from_iterable(product([False, True], repeat=depth) for depth in (1, 2, 3)))


def nested(alias, act, rolled_back):
    """Act inside blocks, one for each entry from the outermost on; True rolls that one back."""
    if not rolled_back:
        act()
        return
    first, *others = rolled_back
    with transaction.atomic(using=alias):
        nested(alias, act, others)
        transaction.set_rollback(first, using=alias)


def verbs(seen):
    """Return the first words of the statements on the table of sessions."""
    return [sql.split()[0] for sql in seen.about("sessionstore_session")]


# --- Django's list


def test_an_entry_is_what_the_receipt_takes_it_for(database):
    """The savepoints of all open blocks, the function, and whether its errors are only logged."""
    with transaction.atomic(using=database), transaction.atomic(using=database):
        transaction.on_commit(verbs, using=database)
        entry = connections[database].run_on_commit[-1]
        assert entry == (set(connections[database].savepoint_ids), verbs, False)
        transaction.set_rollback(True, using=database)


@pytest.mark.parametrize("rolled_back", PATHS, ids=lambda path: "".join("cr"[one] for one in path))
def test_a_rollback_at_any_depth_takes_the_receipt_away(database, rolled_back):
    """The outermost block stands first; `c` is committed and `r` rolled back."""
    taken = []
    nested(database, lambda: taken.append(receipt_for(database)), rolled_back)
    assert taken[0].fate is (Fate.TAKEN_BACK if any(rolled_back) else Fate.COMMITTED)
    assert connections[database].run_on_commit == []


def test_an_inner_rollback_is_known_at_once_and_an_inner_commit_decides_nothing(database):
    """The outer block is still open."""
    taken = []
    with transaction.atomic(using=database):
        nested(database, lambda: taken.append(receipt_for(database)), [False, False])
        nested(database, lambda: taken.append(receipt_for(database)), [True, False])
        assert [one.fate for one in taken] == [Fate.OPEN, Fate.TAKEN_BACK]
        functions = [function for _, function, _ in connections[database].run_on_commit]
        assert functions == taken[:1]
    assert [one.fate for one in taken] == [Fate.COMMITTED, Fate.TAKEN_BACK]


# --- somebody else's callbacks, registered before the session's save


def test_a_callback_that_saves_the_session_finds_it_stored(store, database):
    """It runs in the middle of the commit, and nothing is inserted twice or lost."""
    session = store()
    session["a"] = 1

    def late():
        session["late"] = 1
        session.save()

    with record_statements() as seen, transaction.atomic(using=database):
        transaction.on_commit(late, using=database)
        session.save()
    assert verbs(seen) == ["INSERT", "UPDATE"]
    assert store(session.session_key).load() == {"a": 1, "late": 1}


def test_a_callback_that_saves_without_a_change_costs_nothing(store, database):
    """What was committed is known to be stored."""
    session = store()
    session["a"] = 1
    with record_statements() as seen, transaction.atomic(using=database):
        transaction.on_commit(session.save, using=database)
        session.save()
    assert verbs(seen) == ["INSERT"]
    assert store(session.session_key).load() == {"a": 1}


def test_a_callback_that_raises_is_no_rollback(store, database):
    """Django calls none of those after it, and the block is committed nevertheless."""
    session = store()
    session["a"] = 1
    with contextlib.suppress(ZeroDivisionError), transaction.atomic(using=database):
        transaction.on_commit(lambda: 1 / 0, using=database)
        session.save()
    session["late"] = 1
    with record_statements() as seen:
        session.save()
    assert verbs(seen) == ["UPDATE"]
    assert store(session.session_key).load() == {"a": 1, "late": 1}


# --- where there is none


def test_there_is_no_receipt_inside_the_transaction_of_a_test_case(db, store):
    """Tests of other apps count the callbacks: with the `db` fixture, as in a TestCase."""
    with transaction.atomic():
        session = store()
        session["a"] = 1
        session.save()
        assert receipt_for("default") is None
        # The engine with a cache has a callback of its own.
        functions = [function for _, function, _ in connections["default"].run_on_commit]
        assert not any(isinstance(function, Receipt) for function in functions)


def test_there_is_no_receipt_in_autocommit(database):
    """Nothing can be taken back."""
    assert receipt_for(database) is None
