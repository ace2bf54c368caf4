"""Changing the key, ending the session, and what a browser may do with an old key."""

import pytest
from django.contrib.sessions.backends.base import UpdateError

from sessionstore.core.keys import Keyring
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
    assert store.get_model_class().objects.using(signed_in.rows.alias).count() == 0


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


def test_a_logout_finds_the_row_that_was_renamed(store, signed_in):
    """Somebody changed the key between the load and the logout."""
    session = store(signed_in.session_key)
    session.get("a")
    signed_in.cycle_key()
    with record_statements() as seen:
        session.flush()
    assert len(seen) == 4  # DELETE finds nothing, SELECT, DELETE, SELECT finds no more
    assert store.get_model_class().objects.using(signed_in.rows.alias).count() == 0


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
    row = store.get_model_class().objects.using(saved.rows.alias).get()
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
    rows = store.get_model_class().objects.using(saved.rows.alias)
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
