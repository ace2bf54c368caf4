"""What a save does: as few statements as the change takes, and none when nothing changed."""

import pickle
import secrets
import time
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.core.cache import caches

from sessionstore.conf import conf
from sessionstore.core.merge import is_same
from sessionstore.exceptions import SessionNotSerializable, SessionTooLarge
from sessionstore.models import Session
from sessionstore.session import store as store_module
from tests.harness.statements import record_statements

TABLE = "sessionstore_session"


def verbs(seen):
    """Return the first word of each statement on the session table."""
    return [sql.split()[0] for sql in seen.about(TABLE)]


def test_an_anonymous_visitor_costs_nothing(store, database):
    """No key, nothing set: no SQL, no row."""
    with record_statements() as seen:
        session = store()
        assert session.get("a") is None
        assert not session.modified
        assert session.is_empty()
    assert list(seen) == []


def test_a_forged_key_costs_nothing(store, database):
    """It is no key: not for a read, not for a save, not for is_empty()."""
    with record_statements() as seen:
        session = store("0" * 40)
        assert session.is_empty()
        assert session.get("a") is None
        assert not session.exists("v" * 40)
    assert list(seen) == []


def test_a_read_is_one_statement(store, saved):
    """One SELECT by the digest of the key, whatever is asked for afterwards."""
    with record_statements() as seen:
        session = store(saved.session_key)
        assert session["a"] == 1
        assert session.get("b") is None
        session.save()
    assert verbs(seen) == ["SELECT"]


def test_a_change_is_one_more_statement(store, saved):
    """Read and change: SELECT and UPDATE."""
    with record_statements() as seen:
        session = store(saved.session_key)
        session["a"] = 2
        session.save()
    assert verbs(seen) == ["SELECT", "UPDATE"]


def test_the_first_write_of_a_visitor_is_one_statement(store, database):
    """One INSERT: no probe whether the key is taken."""
    with record_statements() as seen:
        session = store()
        session["a"] = 1
        session.save()
    assert verbs(seen) == ["INSERT"]


def test_a_conflict_is_four_statements(store, saved):
    """Read, refused update, read, merged update."""
    with record_statements() as seen:
        ours = store(saved.session_key)
        ours["ours"] = 1
    theirs = store(saved.session_key)
    theirs["theirs"] = 1
    theirs.save()
    with record_statements() as rest:
        ours.save()
    assert verbs(seen) + verbs(rest) == ["SELECT", "UPDATE", "SELECT", "UPDATE"]
    assert store(saved.session_key).load() == {"a": 1, "ours": 1, "theirs": 1}


def test_a_merge_that_changes_nothing_writes_nothing(store, saved):
    """Both requests made the same change."""
    ours, theirs = store(saved.session_key), store(saved.session_key)
    ours["b"] = theirs["b"] = 2
    theirs.save()
    with record_statements() as seen:
        ours.save()
    assert verbs(seen) == ["UPDATE", "SELECT"]


def test_changing_the_key_is_one_statement(store, saved):
    """An UPDATE of digest and data: never two valid keys."""
    session = store(saved.session_key)
    session["b"] = 2
    with record_statements() as seen:
        session.cycle_key()
    assert verbs(seen) == ["UPDATE"]
    assert Session.objects.using(Session.objects.db).count() <= 1


def test_a_flush_is_one_statement(store, signed_in):
    """One DELETE, without reading first (D7)."""
    with record_statements() as seen:
        signed_in.flush()
    assert verbs(seen) == ["DELETE"]


@pytest.mark.parametrize("value", [{"deep": [1, {"x": 1}]}, [1, 2], {"a": {"b": {}}}])
def test_a_nested_change_is_saved(store, database, value):
    """Nobody has to say modified = True."""
    session = store()
    session["value"] = value
    session.save()
    again = store(session.session_key)
    if isinstance(again["value"], list):
        again["value"].append(3)
    else:
        again["value"]["new"] = {"c": 1}
    assert again.modified
    again.save()
    assert store(session.session_key)["value"] == again["value"]


def test_modified_never_loads(store, saved):
    """The middleware asks it at the end of each request."""
    with record_statements() as seen:
        assert not store(saved.session_key).modified
    assert list(seen) == []


def test_setting_modified_to_false_drops_a_change(store, saved):
    """'Save nothing of this': the present data become what later ones are compared with."""
    session = store(saved.session_key)
    session["b"] = 2
    session.modified = False
    assert not session.modified
    with record_statements() as seen:
        session.save()
    assert list(seen) == []


def test_setting_modified_to_true_is_a_touch(store, saved, clock):
    """Equal data are not written again; the time of last use is."""
    session = store(saved.session_key)
    session["a"] = 1
    clock.advance(seconds=5)
    with record_statements() as seen:
        session.save()
    assert verbs(seen) == ["UPDATE"]
    row = Session.objects.db_manager(database_of(session)).by_key(session.session_key).get()
    assert row.version == 1
    assert row.last_seen_at == clock.now.replace(microsecond=clock.now.microsecond // 1000 * 1000)


def database_of(session):
    """Return the alias that holds the session."""
    return session.table.alias


def test_save_keeps_modified(store, saved):
    """The answer still has to carry the cookie."""
    assert saved.modified
    saved.save()
    assert saved.modified


def test_popping_does_not_serialise(store, database, monkeypatch):
    """Django's pop() asks modified, which would serialise the session at each call."""
    session = store()
    session.update({str(number): number for number in range(100)})
    monkeypatch.setattr(store_module, "dumps", lambda _: pytest.fail("it serialised"))
    for number in range(100):
        assert session.pop(str(number)) == number
    assert session.pop("gone", "default") == "default"


def test_save_does_not_resurrect_a_session_deleted_elsewhere(store, saved):
    """A logout is final."""
    session = store(saved.session_key)
    session["b"] = 2
    saved.delete()
    with pytest.raises(UpdateError):
        session.save()
    assert not store(saved.session_key).exists(saved.session_key)


def test_a_touch_does_not_resurrect_either(store, saved):
    """A row that is gone is no error there: nothing was lost."""
    session = store(saved.session_key)
    session.load()
    saved.delete()
    assert session.touch() is False
    assert not session.exists(session.session_key)


def test_reading_an_unknown_key_makes_no_row(store, saved):
    """Rows made by reading are a denial of service (CVE-2015-5143)."""
    key = saved.session_key
    saved.delete()
    session = store(key)
    assert session.get("a") is None
    assert session.session_key is None
    assert session.is_empty()


def test_an_unknown_key_is_not_adopted(store, saved):
    """A session that begins under an old cookie gets a key of its own."""
    key = saved.session_key
    saved.delete()
    session = store(key)
    session["b"] = 2
    session.save()
    assert session.session_key != key
    assert store(key).load() == {}


def test_an_empty_session_can_be_saved(store, database):
    """Explicitly: other apps create sessions for their key alone."""
    session = store()
    session.save()
    assert session.exists(session.session_key)


def test_create_stores_the_data_in_memory(store, saved):
    """Under another key; the first row stays."""
    session = store(saved.session_key)
    session["b"] = 2
    session.create()
    assert session.session_key != saved.session_key
    assert store(session.session_key).load() == {"a": 1, "b": 2}
    assert store(saved.session_key).load() == {"a": 1}


def test_only_a_taken_id_is_tried_again(store, saved, monkeypatch):
    """And five times at the most (D2)."""
    taken = conf.keyring.open(saved.session_key)
    tries = []

    class Ring:
        def mint(self):
            tries.append(1)
            return taken

        def __getattr__(self, name):
            raise AssertionError(name)

    monkeypatch.setitem(conf.__dict__, "keyring", Ring())
    with pytest.raises(CreateError):
        store().create()
    assert len(tries) == 5


def test_must_create_refuses_a_taken_key(store, saved):
    """An INSERT never becomes an UPDATE (tower-sessions 0.12)."""
    with pytest.raises(CreateError):
        store(saved.session_key).save(must_create=True)
    assert store(saved.session_key).load() == {"a": 1}


def test_reload_forgets_unsaved_changes(store, saved):
    """One SELECT, and what is stored is what is seen."""
    session = store(saved.session_key)
    session["b"] = 2
    caches["default"].clear()
    with record_statements() as seen:
        session.reload()
    assert verbs(seen) == ["SELECT"]
    assert dict(session.items()) == {"a": 1}
    assert not session.modified


def test_reload_before_the_first_look_is_that_look(store, saved):
    """A key that nobody has opened yet is still the browser's."""
    session = store(saved.session_key)
    session.reload()
    assert (session.get("a"), session.session_key) == (1, saved.session_key)


def test_clearing_keeps_the_row(store, saved):
    """clear() empties a session and keeps its key, loaded or not."""
    session = store(saved.session_key)
    session.clear()
    session.save()
    assert store(saved.session_key).load() == {}
    assert session.exists(saved.session_key)


@pytest.mark.parametrize(("extra", "stored"), [(0, True), (1, False)])
def test_the_size_limit_is_exact(store, saved, settings, extra, stored):
    """At the limit it is stored, one byte above nothing is lost and the error names the key."""
    settings.SESSIONSTORE_MAX_BYTES = 1000
    session = store(saved.session_key)
    overhead = len('{"a":1,"large":""}')
    session["large"] = "x" * (1000 - overhead + extra)
    if stored:
        session.save()
        assert store(saved.session_key)["large"] == session["large"]
        return
    with pytest.raises(SessionTooLarge, match=r"1001 bytes.*limit is 1000.*'large'"):
        session.save()
    assert store(saved.session_key).load() == {"a": 1}


def test_a_value_that_cannot_be_stored_is_named(store, saved):
    """With its whole path; nothing is written and nothing lost."""
    session = store(saved.session_key)
    session["cart"] = {"lines": [1, {"item": object()}]}
    assert session.modified
    with pytest.raises(SessionNotSerializable) as error:
        session.save()
    assert str(error.value).startswith("session['cart']['lines'][1]['item'] cannot be stored")
    assert store(saved.session_key).load() == {"a": 1}


def nested(depth, kind):
    """Return data of so many levels, the session's own dict among them."""
    value = 1
    for _ in range(depth - 1):
        value = {"x": value} if kind == "dicts" else [value]
    return {"deep": value}


@pytest.mark.parametrize("kind", ["dicts", "lists"])
def test_a_hundred_levels_are_stored_and_merged(store, saved, kind):
    """As deep as data may be nested they are read, compared and merged."""
    ours, theirs = store(saved.session_key), store(saved.session_key)
    ours.update(nested(100, kind))
    theirs["theirs"] = 1
    theirs.save()
    ours.save()
    expected = {"a": 1, "theirs": 1, **nested(100, kind)}
    assert store(saved.session_key).load() == expected
    assert dict(ours.items()) == expected


@pytest.mark.parametrize("depth", [101, 5000])
@pytest.mark.parametrize("kind", ["dicts", "lists"])
def test_what_is_nested_deeper_is_refused_at_the_save(store, saved, kind, depth):
    """With its path; nothing is written, and no reader meets it."""
    session = store(saved.session_key)
    session.update(nested(depth, kind))
    with pytest.raises(SessionNotSerializable) as error:
        session.save()
    step = "['x']" if kind == "dicts" else "[0]"
    assert str(error.value).startswith(f"session['deep']{step}{step}")
    if depth == 101:
        path = f"session['deep']{step * 99}"
        assert str(error.value) == f"{path} is nested more than 100 levels deep"
    assert store(saved.session_key).load() == {"a": 1}


def test_many_values_side_by_side_are_not_deep(store, saved):
    """Only levels count, not brackets."""
    saved["lines"] = [{"tags": [n]} for n in range(500)]
    saved.save()
    assert len(store(saved.session_key)["lines"]) == 500


class PickleSerializer:
    """Writes what JSON cannot, as Django's former serializer did."""

    def dumps(self, data):
        return pickle.dumps(data)

    def loads(self, data):
        return pickle.loads(data)  # noqa: S301 - our own bytes


def test_values_that_hold_one_another_are_refused(store, saved, settings):
    """A tree whose leaves name their parent has no end, and three times as many ways a level."""
    settings.SESSION_SERIALIZER = f"{__name__}.PickleSerializer"
    tree = {}
    tree["leaves"] = [{"parent": tree} for _ in range(3)]
    session = store()
    session["tree"] = tree
    with pytest.raises(
        SessionNotSerializable, match=r"^session\['tree'\]\['leaves'\].* 100 levels"
    ):
        session.save()
    assert session.session_key is None


def test_data_larger_than_a_packet_of_text_survive(store, database):
    """A megabyte of emoji comes back as it was, compressed on the way."""
    session = store()
    session["text"] = "🍪" * 80_000
    session.save()
    assert store(session.session_key)["text"] == session["text"]


class NonceSerializer:
    """As one that encrypts: the same data are other bytes each time."""

    calls = 0

    def dumps(self, data):
        type(self).calls += 1
        return secrets.token_bytes(16) + pickle.dumps(data)

    def loads(self, payload):
        type(self).calls += 1
        return pickle.loads(payload[16:])  # noqa: S301 - written a moment ago


class FailingSerializer(NonceSerializer):
    """Never writes."""

    def dumps(self, data):  # noqa: ARG002 - the interface
        raise KeyError("no key to encrypt with")


@pytest.fixture
def with_nonce(settings, store, database):
    """A session that such a serializer has written, with a cart inside."""
    settings.SESSION_SERIALIZER = f"{__name__}.NonceSerializer"
    session = store()
    session["cart"] = {"lines": [1], "price": Decimal("1.5")}
    session.save()
    caches["default"].clear()
    return session


def test_a_serializer_with_a_nonce_makes_no_read_a_write(store, with_nonce):
    """The values are compared where the bytes tell nothing."""
    for _ in range(3):
        with record_statements() as seen:
            session = store(with_nonce.session_key)
            assert session["cart"]["lines"] == [1]
            assert not session.modified
            session.save()
        assert set(verbs(seen)) <= {"SELECT"}


def test_a_page_that_reads_writes_nothing_with_a_nonce(client, settings, with_nonce):
    """Under the middleware too."""
    settings.ROOT_URLCONF = "tests.engine.pages"
    client.cookies["sessionid"] = with_nonce.session_key
    with record_statements() as seen:
        assert client.get("/read/").status_code == 200
    assert set(verbs(seen)) <= {"SELECT"}


def test_a_change_inside_is_saved_with_a_nonce(store, with_nonce):
    """1 and True, or a number of another type, are not the same value."""
    for value in ([1, 2], [True, 2], [True, Decimal(2)]):
        session = store(with_nonce.session_key)
        session["cart"]["lines"] = value
        assert session.modified
        session.save()
        assert is_same(store(with_nonce.session_key)["cart"]["lines"], value)


def test_what_is_declined_with_a_nonce_stays_declined(store, with_nonce):
    """``modified = False``: the present data are the ones to compare with."""
    session = store(with_nonce.session_key)
    session["cart"]["lines"].append(2)
    session.modified = False
    assert not session.modified
    session["cart"]["lines"].append(3)
    assert session.modified


def test_a_nonce_is_noticed_once(store, with_nonce):
    """Afterwards a look costs one look at the data, and at what they were."""
    assert not store(with_nonce.session_key).modified
    session = store(with_nonce.session_key)
    session.load()
    assert not session.modified
    session = store(with_nonce.session_key)
    session.get("cart")
    NonceSerializer.calls = 0
    assert not session.modified
    assert NonceSerializer.calls == 3  # written once; that and the stored bytes read


class StampedSerializer:
    """Its bytes hold the second in which they were written."""

    def dumps(self, data):
        return b"%d " % time.time() + pickle.dumps(data)

    def loads(self, payload):
        return pickle.loads(payload.split(b" ", 1)[1])  # noqa: S301 - written a moment ago


def test_a_serializer_that_changes_with_time_makes_no_read_a_write(
    settings, store, database, clock
):
    """Two writes of the same second agree, which says nothing of the next."""
    settings.SESSION_SERIALIZER = f"{__name__}.StampedSerializer"
    session = store()
    session["cart"] = [1]
    session.save()
    for lines, seconds, is_change in (([2], 0, True), ([2], 1, False), ([3], 1, True)):
        clock.advance(seconds=seconds)
        session = store(session.session_key)
        session["cart"][:] = lines
        assert session.modified is is_change
        session.save()


def test_bytes_tell_of_a_change_where_they_can(settings, store, database):
    """Values that call themselves equal are another matter: two moments in two time zones."""
    settings.SESSION_SERIALIZER = f"{__name__}.PickleSerializer"
    noon = datetime(2026, 11, 26, 12, tzinfo=UTC)
    session = store()
    session["at"] = noon
    session.save()
    session = store(session.session_key)
    session["at"] = noon.astimezone(timezone(timedelta(hours=9)))
    assert session._has_changed()
    session.save()
    assert store(session.session_key)["at"].utcoffset() == timedelta(hours=9)
