"""Changing the key, ending the session, and what a browser may do with an old key."""

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.core.cache import caches

from sessionstore.core.keys import Keyring, handle_of
from tests.harness.statements import record_statements


def test_the_old_key_ends_when_it_changes(store, saved):
    """One row, one valid key, the same data."""
    old = saved.session_key
    saved.cycle_key()
    assert store(old).load() == {}
    assert store(saved.session_key).load() == {"a": 1}


def test_without_a_row_only_the_key_changes(store, database):
    """The row is inserted at the save, under the key that was promised."""
    session = store()
    with record_statements() as seen:
        session.cycle_key()
    assert list(seen) == []
    promised = session.session_key
    assert promised is not None
    session["a"] = 1
    session.save()
    assert session.session_key == promised
    assert store(promised).load() == {"a": 1}


def test_a_double_click_on_log_in_is_no_error(store, saved):
    """An anonymous session whose row is gone goes on as a new one, with its data."""
    session = store(saved.session_key)
    session.get("a")
    saved.delete()
    session.cycle_key()
    session.save()
    assert store(session.session_key).load() == {"a": 1}


def test_a_new_key_does_not_undo_a_revocation(store, signed_in):
    """A session that had a user and is gone stays gone."""
    session = store(signed_in.session_key)
    session.get("a")
    signed_in.delete()
    with pytest.raises(UpdateError):
        session.cycle_key()
    assert store.get_model_class().objects.using(signed_in.table.alias).count() == 0


def test_a_flush_leaves_nothing(store, signed_in):
    """No row, no key, no data; and no shared empty key (CVE-2015-3982)."""
    key = signed_in.session_key
    signed_in.flush()
    assert signed_in.session_key is None
    assert signed_in.is_empty()
    assert signed_in.modified
    assert not store().exists(key)


def test_an_anonymous_flush_makes_no_row(store, database):
    """CVE-2015-5963."""
    session = store()
    session.flush()
    assert session.session_key is None
    assert store.get_model_class().objects.using(database).count() == 0


def test_after_a_flush_a_new_session_begins(store, signed_in):
    """With another key and nothing of the old data."""
    key = signed_in.session_key
    signed_in.flush()
    signed_in["b"] = 1
    signed_in.save()
    assert signed_in.session_key != key
    assert store(signed_in.session_key).load() == {"b": 1}


def test_a_logout_finds_the_row_whose_key_has_changed(engine, store, signed_in):
    """Somebody changed the key between the load and the logout: the row is known by its id."""
    session = store(signed_in.session_key)
    session.get("a")
    signed_in.cycle_key()
    with record_statements() as seen:
        session.flush()
    # A cache knows rows by their digest: the DELETE finds nothing, a SELECT tells the new one.
    deletes = ["DELETE", "SELECT", "DELETE"] if engine.endswith("cached_sql") else ["DELETE"]
    assert [statement.sql.split()[0] for statement in seen] == deletes
    assert store.get_model_class().objects.using(signed_in.table.alias).count() == 0


def test_a_logout_with_a_key_that_was_replaced_ends_the_row(store, signed_in):
    """Nobody has read it: by the key that it had before the last change."""
    late = store(signed_in.session_key)
    signed_in.cycle_key()
    late.flush()
    assert not store().exists(signed_in.session_key)
    assert store.get_model_class().objects.using(signed_in.table.alias).count() == 0


def test_the_handle_is_the_same_for_the_life_of_a_session(store, saved):
    """Whatever becomes of its key, its data and its user; None where there is no row."""
    handle, row_id = saved.handle, saved.row_id
    saved.update({"_auth_user_id": "7", "_auth_user_backend": "b", "_auth_user_hash": "h"})
    saved.cycle_key()
    saved.save()
    again = store(saved.session_key)
    assert again.known_handle is None
    assert (again.handle, again.known_handle) == (handle, handle)
    assert (again.row_id, handle_of(row_id)) == (row_id, handle)
    again.flush()
    assert (again.handle, again.known_handle, again.row_id) == (None, None, None)


def test_a_saved_delete_is_an_interruption(store, saved):
    """Django's contract: the row is gone, and the save says so."""
    saved.delete()
    with pytest.raises(UpdateError):
        saved.save()


def test_rotating_the_secret_logs_nobody_out(store, saved, settings):
    """The old secret still opens key and data; the next save writes both under the new one."""
    key = saved.session_key
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]
    session = store(key)
    assert session["a"] == 1
    assert session.modified
    session.save()
    settings.SECRET_KEY_FALLBACKS = []
    assert store(session.session_key)["a"] == 1
    assert store(key).load() == {}


def test_dropping_the_secret_logs_everybody_out(store, saved, settings):
    """And costs no SQL: the keys are forged now."""
    settings.SECRET_KEY = "another"
    with record_statements() as seen:
        assert store(saved.session_key).load() == {}
    assert list(seen) == []


def test_the_table_holds_no_usable_key(store, saved, settings):
    """What a dump shows opens nothing."""
    row = store.get_model_class().objects.using(saved.table.alias).get()
    ring = Keyring((settings.SECRET_KEY,))
    assert ring.open(bytes(row.digest).hex()[:40]) is None
    assert saved.session_key.encode() not in bytes(row.data) + bytes(row.digest)


def test_nothing_shows_the_key(store, saved):
    """repr() and str() name the handle."""
    assert saved.handle in repr(saved)
    assert saved.session_key not in repr(saved) + str(saved)


@pytest.mark.parametrize("damage", ["bit", "cut", "empty", "json", "moved"])
def test_a_damaged_row_is_an_empty_session(store, saved, damage, caplog):
    """One security record with the handle, no exception, no fallback to another format."""
    rows = store.get_model_class().objects.using(saved.table.alias)
    blob = bytes(rows.get().data)
    other = store()
    other["stolen"] = True
    other.save()
    moved = bytes(rows.by_key(other.session_key).get().data)
    broken = {
        "bit": blob[:-1] + bytes([blob[-1] ^ 1]),
        "cut": blob[:10],
        "empty": b"",
        "json": b'{"a": 2}',
        "moved": moved,
    }[damage]
    rows.by_key(saved.session_key).update(data=broken)
    with caplog.at_level("WARNING", "sessionstore.security"):
        session = store(saved.session_key)
        assert dict(session.items()) == {}
        assert session.session_key is None
    assert [record.name for record in caplog.records] == ["sessionstore.security"]
    assert saved.handle in caplog.text
    assert saved.session_key not in caplog.text


@pytest.fixture(params=[False, True], ids=["signed", "encrypted"])
def encrypts(request, settings):
    """Whether the data are encrypted."""
    settings.SESSIONSTORE_ENCRYPT = request.param
    return request.param


@pytest.fixture
def proved(encrypts, signed_in):
    """The session of a user who has just proved who they are, and its row; no cache knows it."""
    signed_in.mark_authenticated()
    signed_in.save()
    caches["default"].clear()
    rows = type(signed_in).get_model_class().objects.using(signed_in.table.alias)
    return signed_in, rows.filter(pk=signed_in.row_id)


@pytest.mark.parametrize(
    ("column", "forged"),
    [
        *(("user_id", "8"), ("user_id", None), ("user_id", "")),
        *(("created_at", 1), ("created_at", 2**42)),
        *(("authenticated_at", None), ("authenticated_at", 2**42)),
        ("id", b"\0" * 16),
    ],
)
def test_whoever_changes_the_table_signs_nobody_in(store, proved, caplog, column, forged):
    """The data are sealed to the columns that decide about a login: each change damages them."""
    session, row = proved
    assert row.update(**{column: forged}) == 1
    caches["default"].clear()
    attacked = store(session.session_key)
    assert dict(attacked.items()) == {}
    assert (attacked.session_key, attacked.user_id) == (None, None)
    [told] = [record for record in caplog.records if record.name == "sessionstore.security"]
    assert "damaged" in told.getMessage()


def test_a_row_given_to_another_key_opens_nothing(store, proved):
    """Whoever can write the table and has a cookie of their own does not come in as somebody."""
    _, row = proved
    own = store()
    own["a"] = 1
    own.save()
    rows = type(row.get()).objects.using(row.db)
    digest = rows.get(pk=own.row_id).digest
    rows.filter(pk=own.row_id).delete()
    row.update(digest=digest)
    caches["default"].clear()
    assert store(own.session_key).load() == {}


def test_the_data_of_another_session_of_the_same_user_are_refused(store, proved):
    """With every column that is sealed but the id."""
    session, row = proved
    other = store()
    other.update({"admin": True, "_auth_user_id": "7"})
    other.save()
    stolen = type(row.get()).objects.using(row.db).get(pk=other.row_id)
    names = ("data", "user_id", "created_at", "authenticated_at")
    row.update(**{name: getattr(stolen, name) for name in names})
    caches["default"].clear()
    assert store(session.session_key).load() == {}


def test_what_a_touch_or_a_clean_up_changes_damages_nothing(store, proved, clock):
    """Times of use, addresses and versions are not sealed."""
    session, row = proved
    moved = {"last_seen_at": clock.now_ms + 5, "expires_at": clock.now_ms + 50_000}
    row.update(**moved, version=77, ip="192.0.2.7", user_agent="x", cycled_at=1)
    caches["default"].clear()
    assert store(session.session_key)["_auth_user_id"] == "7"
