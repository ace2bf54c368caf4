"""What Express keeps of its users is foreign: checked before it names anybody, and never told."""

import logging
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError

from sessionstore import signals
from sessionstore.backends.express import SessionStore
from sessionstore.core.express_format import new_sid, sign
from sessionstore.express import users as users_of_express
from sessionstore.express.store import ExpressStore
from tests.express.conftest import each_release, open_site
from tests.express.peer import SECRETS, Browser

MARKER = "hunter2-of-the-visitor"
NOBODY = [
    *(None, True, False, "", "0", 0, -1, 1.5, 2.0**60, 1e30, "1e3", " 1 ", "1_0", "01", "\u0661"),
    *("x" * 10_000, "\0", "\ud800", [], [1], [[1]], {}, {"id": 1}, {"user": {"id": 1}}, MARKER),
]


@pytest.fixture
def users(db) -> list[User]:
    """Users 1 and 10, whom a value may name by accident."""
    return [User.objects.create_user(f"user{pk}", pk=pk) for pk in (1, 10)]


@pytest.fixture(autouse=True)
def quiet(clock) -> None:
    """A second that stands still, in which nothing has been told yet."""
    users_of_express._failures.__init__()


def visit(session: dict[str, Any]) -> Browser:
    """Return a browser whose session Express has written."""
    sid = new_sid()
    ExpressStore().set(sid, {"cookie": {}, **session})
    return Browser(cookie=sign(sid, SECRETS[0]))


def nested(data: Any) -> Any:
    return nested(data)


def raises(data: dict[str, Any]) -> Any:
    raise ValueError(data)


def documented(data: dict[str, Any]) -> Any:
    return data.get("account", {}).get("id")


@pytest.mark.parametrize("mapping", [True, documented])
@pytest.mark.parametrize("value", NOBODY, ids=range(len(NOBODY)))
def test_what_is_no_primary_key_is_nobody(shared_table, users, value, mapping):
    """Each page works, with a write and a new key too."""
    shared_table(user=mapping)
    for session in ({"passport": value}, {"passport": {"user": value}}, {"account": {"id": value}}):
        browser = visit(session)
        assert browser.django(["set", "a", 1], ["cycle"])["user"] is None
        assert browser.django()["session"]["a"] == 1


# passport itself stores none of the falsy ones but 0.
FOREIGN = [0, 1.5, True, "x", "1e3", [], [1], {}, {"id": 1}, {"user": {"id": 1}}, 1e30]


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
@each_release
def test_what_node_keeps_as_its_user_signs_nobody_in(database, shared_table, peers, users):
    """Whatever a serializeUser answers: pages work, and a login of Django ends Express's."""
    browser = open_site(database, shared_table, peers, user=True)
    for value in [*FOREIGN, None, "", False]:
        browser.cookie, is_login = None, any(value is one for one in FOREIGN)
        browser.express(["login", value] if is_login else ["set", "passport", {"user": value}])
        assert browser.django(["set", "b", 1])["user"] is None
        assert browser.express()["loaded"]["passport"] == {"user": value}
        assert browser.express()["user"] == (value if is_login else None)
        assert browser.django(["login", 10])["user"] == 10
        assert browser.express()["user"] is None
        assert browser.django()["user"] == 10


@pytest.mark.parametrize("value", [1, "1"], ids=["number", "text"])
def test_a_primary_key_is_its_user(shared_table, users, value):
    """As a number or as text."""
    shared_table(user=True)
    assert visit({"passport": {"user": value}}).django()["user"] == 1


@pytest.mark.parametrize("account", [None, [], "text", 0, {"id": {"id": 1}}])
def test_the_documented_callable_meets_what_it_did_not_expect(shared_table, account, caplog):
    """Nobody is signed in, and one record a second names the callable and the kind of error."""
    shared_table(user=documented)
    browser = visit({"account": account, "secret": MARKER})
    with caplog.at_level(logging.INFO, "sessionstore"):
        for _ in range(3):
            assert browser.django()["user"] is None
    [record] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert record.session_callable == f"{__name__}.documented"
    assert record.session_reason in (
        "it raises AttributeError",
        "its dict is no primary key",
    )


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        (raises, "it raises ValueError"),
        (nested, "it raises RecursionError"),
        (partial(raises), "it raises ValueError"),
        (lambda _: MARKER, "its str is no primary key"),
        (lambda _: object(), "its object is no primary key"),
        (lambda _: True, "its bool is no primary key"),
    ],
    ids=range(6),
)
def test_a_callable_that_fails_is_told_without_what_it_has_seen(
    shared_table, caplog, mapping, reason
):
    """Neither the text of its error nor a traceback, whose frames hold the session."""
    shared_table(user=mapping)
    browser = visit({"passport": {"user": MARKER}})
    with caplog.at_level(logging.DEBUG):
        assert browser.django()["user"] is None
    [record] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert record.session_reason == reason
    assert record.exc_info is None
    assert MARKER not in caplog.text + str([vars(one) for one in caplog.records])


def test_a_callable_that_fails_again_and_again_is_counted(shared_table, caplog, clock):
    """The next record has how often it failed meanwhile."""
    shared_table(user=raises)
    browser = visit({"a": 1})
    with caplog.at_level(logging.WARNING, "sessionstore.security"):
        browser.django()
        for _ in range(3):
            browser.django()
        clock.advance(seconds=2)
        browser.django()
    assert len(caplog.records) == 2
    assert caplog.records[1].session_times >= 4


def test_nobody_is_nothing_to_tell(shared_table, caplog):
    """None is the answer for most sessions."""
    shared_table(user=True)
    with caplog.at_level(logging.WARNING, "sessionstore.security"):
        visit({"a": 1}).django()
        visit({"passport": {}}).django()
    assert caplog.records == []


def test_a_mapping_that_is_not_asked_for_is_none(shared_table, users, caplog):
    """A number of Express's may be another user's here: it is in no record, signal or log."""
    shared_table()
    heard: list[Any] = []

    def hear(user_id, **_) -> None:
        heard.append(user_id)

    told = [signals.session_cycled, signals.session_revoked, signals.session_merged]
    for one in told:
        one.connect(hear)
    browser = visit({"passport": {"user": 1}})
    session = SessionStore(browser.cookie)
    with caplog.at_level(logging.DEBUG, "sessionstore"):
        session["a"] = 1
        session.save()
        session.cycle_key()
        session.flush()
    for one in told:
        one.disconnect(hear)
    assert heard == [None, None]
    assert "user=" not in caplog.text


@pytest.mark.parametrize("value", [MARKER, {"name": MARKER}, [MARKER]])
def test_contents_reach_no_log_and_no_signal(shared_table, value, caplog, clock):
    """From the first look to the end, by expiry too."""
    shared_table(user=True)
    heard: list[Any] = []

    def hear(**told) -> None:
        heard.append({name: str(one) for name, one in told.items()})

    every = [one for one in vars(signals).values() if isinstance(one, signals.Signal)]
    for one in every:
        one.connect(hear)
    browser = visit({"passport": {"user": value}, "_auth_user_id": value, "_sessionstore": value})
    late = SessionStore(browser.cookie)
    assert "_auth_user_id" not in late
    with caplog.at_level(logging.DEBUG):
        browser.django(["set", "a", 1], ["cycle"])
        late["b"] = 1
        with pytest.raises(UpdateError) as error:
            late.save()
        clock.advance(days=30)
        browser.django()
    for one in every:
        one.disconnect(hear)
    shown = caplog.text + str(heard) + str(error.value)
    assert heard
    assert MARKER not in shown
