"""The verbs of express-mysql-session by name, beside those of the Node store itself."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import connections

from sessionstore.core.expiry import to_datetime
from sessionstore.core.express_format import sign
from sessionstore.exceptions import SessionNotSerializable
from sessionstore.express.store import ExpressStore
from tests.express.peer import SECRETS

COOKIE = {"originalMaxAge": None, "expires": None, "httpOnly": True, "path": "/"}


@pytest.fixture
def store(shared_table) -> ExpressStore:
    """The verbs on a table without the mark column."""
    shared_table()
    return ExpressStore()


class TestOnEachDatabase:
    def test_get_answers_what_set_stored(self, store):
        """A session with its cookie, as Express has it; None for an id that nobody has."""
        assert store.set("sid", {"cookie": COOKIE, "a": 1})
        assert store.get("sid") == {"cookie": COOKIE, "a": 1}
        assert store.get("other") is None

    def test_set_replaces_a_session(self, store):
        """The second call of set is an update."""
        store.set("sid", {"cookie": COOKIE, "a": 1})
        store.set("sid", {"cookie": COOKIE, "b": 2})
        assert store.get("sid") == {"cookie": COOKIE, "b": 2}

    def test_set_refuses_what_express_cannot_read(self, store):
        """The error names the key, and nothing is written."""
        with pytest.raises(SessionNotSerializable, match="big"):
            store.set("sid", {"cookie": COOKIE, "big": 2**60})
        assert store.length() == 0

    def test_a_session_lives_until_the_expiry_of_its_cookie(self, store, clock):
        """Text or datetime; without one, for `expiration`."""
        in_a_minute = to_datetime(clock.now_ms + 60_000)
        store.set("text", {"cookie": {"expires": in_a_minute.isoformat()}})
        store.set("none", {"cookie": COOKIE})
        clock.advance(seconds=62)
        assert set(store.all()) == {"none"}
        clock.advance(days=1)
        assert store.all() == {}

    def test_touch_moves_a_live_session_on_and_never_back(self, store, clock):
        """Express's own touch also revives what has expired, and shortens; ours does neither."""
        later = to_datetime(clock.now_ms + 120_000).isoformat()
        store.set("sid", {"cookie": {"expires": to_datetime(clock.now_ms + 60_000).isoformat()}})
        assert store.touch("sid", {"cookie": {"expires": later}})
        assert not store.touch(
            "sid", {"cookie": {"expires": to_datetime(clock.now_ms).isoformat()}}
        )
        clock.advance(seconds=90)
        assert store.get("sid") is not None
        clock.advance(seconds=60)
        assert not store.touch("sid", {"cookie": COOKIE})
        assert store.get("sid") is None

    def test_destroy_ends_a_session(self, store):
        """True once, False for what is gone."""
        store.set("sid", {"cookie": COOKIE})
        assert (store.destroy("sid"), store.destroy("sid")) == (True, False)

    def test_length_and_all_know_the_live_sessions(self, store, clock):
        """Expired rows are still in the table, and count as nothing."""
        for number in range(3):
            store.set(f"sid{number}", {"cookie": COOKIE, "n": number})
        assert store.length() == 3
        assert store.all()["sid2"] == {"cookie": COOKIE, "n": 2}
        clock.advance(days=2)
        assert (store.length(), store.all()) == (0, {})

    def test_all_leaves_damaged_sessions_out(self, store, database):
        """Express fails at each request with such a row; a script goes on."""
        store.set("good", {"cookie": COOKIE})
        store.set("bad", {"cookie": COOKIE})
        with connections[database].cursor() as cursor:
            cursor.execute("UPDATE sessions SET data = '{' WHERE session_id = 'bad'")
        assert set(store.all()) == {"good"}
        assert store.get("bad") is None

    def test_all_works_with_other_column_names(self, shared_table):
        """The Node store answers {undefined: undefined} then."""
        names = {"session_id": "k", "expires": "e", "data": "d"}
        shared_table(table="visits", columns=names)
        store = ExpressStore()
        store.set("sid", {"cookie": COOKIE, "a": 1})
        assert store.all() == {"sid": {"cookie": COOKIE, "a": 1}}

    def test_clear_ends_all_sessions(self, store):
        """More than one page of them."""
        for number in range(520):
            store.set(f"sid{number}", {"cookie": COOKIE})
        assert store.clear() == 520
        assert store.length() == 0

    def test_clear_expired_sessions_deletes_what_expired(self, store, clock):
        """In batches by primary key, after ten minutes of grace for clocks that differ."""
        store.set("old", {"cookie": {"expires": to_datetime(clock.now_ms).isoformat()}})
        store.set("live", {"cookie": COOKIE})
        assert store.clearExpiredSessions() == 0
        clock.advance(minutes=11)
        assert store.clearExpiredSessions() == 1
        assert set(store.all()) == {"live"}

    def test_an_expired_row_makes_room_for_a_new_session(self, store, clock):
        """Its id may be used again by a script; nothing of the old data comes back."""
        store.set("sid", {"cookie": COOKIE, "a": 1})
        clock.advance(days=2)
        assert store.set("sid", {"cookie": COOKIE, "b": 1})
        assert store.get("sid") == {"cookie": COOKIE, "b": 1}

    def test_it_makes_room_in_the_very_second_in_which_it_expires(self, store, clock):
        """By the rounding of the store, like everything that compares with the column."""
        store.set("sid", {"cookie": {"expires": to_datetime(clock.now_ms + 5_000).isoformat()}})
        clock.advance(seconds=4)
        while store.get("sid"):
            clock.advance(seconds=0.1)
        assert store.set("sid", {"cookie": COOKIE, "b": 1})

    def test_ids_that_differ_in_case_or_spaces_are_different_sessions(self, store):
        """MySQL's comparison ignores trailing spaces, so the id is compared again."""
        store.set("sid", {"cookie": COOKIE})
        assert store.get("SID") is None
        assert store.get("sid ") is None

    @pytest.mark.parametrize("odd", [True, "soon", [], {"a": 1}, float("nan"), float("inf")])
    def test_what_is_no_date_is_an_error_that_names_it(self, store, odd):
        """And so is a cookie that is no dict; nothing is written."""
        for cookie in ({"expires": odd or "no date"}, [1]):
            with pytest.raises(SessionNotSerializable, match="session\\['cookie'\\]"):
                store.set("sid", {"cookie": cookie})
        assert store.length() == 0


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
class TestBesideTheNodeStore:
    def test_the_node_store_reads_what_a_script_set(self, browser):
        """And the reverse."""
        store = ExpressStore()
        store.set("sid", {"cookie": COOKIE, "a": "é"})
        assert browser.peer.store("get", "sid") == {"cookie": COOKIE, "a": "é"}
        browser.peer.store("set", "sid", {"cookie": COOKIE, "b": 1})
        assert store.get("sid") == {"cookie": COOKIE, "b": 1}

    @pytest.mark.only_on("mariadb", "mysql")
    def test_both_stores_answer_the_same_length_and_all(self, browser):
        """With the names of Express's own schema, both are right."""
        store = ExpressStore()
        for number in range(3):
            store.set(f"sid{number}", {"cookie": COOKIE, "n": number})
        assert browser.peer.store("length") == store.length() == 3
        assert browser.peer.store("all") == store.all()

    def test_what_one_destroys_the_other_does_not_find(self, browser):
        """In both directions."""
        store = ExpressStore()
        for sid in ("one", "two"):
            store.set(sid, {"cookie": COOKIE})
        store.destroy("one")
        browser.peer.store("destroy", "two")
        assert browser.peer.store("get", "one") is None
        assert store.get("two") is None

    @pytest.mark.parametrize("form", range(8))
    def test_an_expiry_of_any_form_is_one_that_express_reads(self, browser, form):
        """The JSON has text, as Express writes it; both sides and the column mean one moment."""
        moment = datetime(2040, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)
        whole = moment.replace(microsecond=0)
        given, meant = [
            (moment, moment),
            (moment.replace(tzinfo=None), moment),
            (moment.astimezone(timezone(timedelta(hours=9))), moment),
            ("2040-02-03T04:05:06.789Z", moment),
            (moment.timestamp() * 1000, moment),
            ("Fri, 03 Feb 2040 04:05:06 GMT", whole),
            ("Fri Feb 03 2040 04:05:06 GMT+0000", whole),
            ("+275760-09-13T00:00:00.000Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ][form]
        text = meant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        store = ExpressStore()
        assert store.set("sid", {"cookie": {"expires": given}, "a": 1})
        assert store.get("sid") == store.all()["sid"] == browser.peer.store("get", "sid")
        assert store.get("sid")["cookie"] == {"expires": text}
        assert not store.touch("sid", {"cookie": {"expires": given}})
        browser.cookie = sign("sid", SECRETS[0])
        assert browser.express(["set", "b", 2])["loaded"]["cookie"]["expires"] == text

    @pytest.mark.parametrize(
        "session",
        [{"cookie": None}, {}, {"cookie": {}}]
        + [{"cookie": {"expires": none}} for none in (None, False, 0, "")],
    )
    def test_a_session_without_an_expiry_is_one_of_the_browser(self, browser, session):
        """Express reads its cookie object all the same."""
        store = ExpressStore()
        assert store.set("sid", {**session, "a": 1})
        assert store.get("sid")["a"] == 1
        browser.cookie = sign("sid", SECRETS[0])
        assert browser.express()["loaded"]["a"] == 1


ODD_COOKIES = [
    {},
    {"expires": "2100-12-31T23:59:59.999Z", "originalMaxAge": 1e12},
    {"originalMaxAge": 86399999.5, "expires": "2040-01-01T00:00:00.000Z"},
    {"originalMaxAge": -5, "expires": "2040-01-01T00:00:00.000Z"},
    {"originalMaxAge": None, "expires": None, "theirs": {"a": [1]}, "priority": "high"},
]


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
@pytest.mark.parametrize("cookie", ODD_COOKIES)
def test_an_odd_cookie_object_works_on_both_sides(browser, cookie):
    """Express loads it, Django changes the session and keeps what it does not understand."""
    sid = "o" * 32
    browser.peer.store("set", sid, {"cookie": cookie, "a": 1})
    browser.cookie = sign(sid, SECRETS[0])
    assert browser.express()["loaded"]["a"] == 1
    browser.django(["set", "b", 2])
    answer = browser.express()["session"]
    assert (answer["a"], answer["b"]) == (1, 2)
    kept = ExpressStore().get(sid)["cookie"]
    assert {name: kept.get(name) for name in ("theirs", "priority")} == {
        name: cookie.get(name) for name in ("theirs", "priority")
    }
