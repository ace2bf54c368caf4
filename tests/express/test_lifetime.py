"""When a session ends: one clock, one column, two applications that slide it."""

import json

import pytest
from django.db import connections

from tests.express.conftest import each_release
from tests.express.peer import Browser
from tests.express.test_sharing import kind, make_table, stored_text

pytestmark = [pytest.mark.only_on("mariadb", "mysql", "postgresql"), each_release]

DAY = 86_400


def cookie_of(browser: Browser, database: str) -> dict[str, object]:
    """Return Express's cookie object, as it is in the table."""
    return json.loads(stored_text(browser, database))["cookie"]


def test_a_session_of_django_ends_in_express_at_the_same_second(browser, node_clock):
    """N seconds in Django are N seconds in Express: alive at N, gone after it."""
    browser.django(["set", "a", 1], ["expiry", 600])
    cookie = browser.cookie
    node_clock(seconds=599)
    assert browser.peer.store("get", sid_of(cookie))["a"] == 1
    node_clock(seconds=2)
    assert browser.peer.store("get", sid_of(cookie)) is None
    assert browser.django()["session"] == {}


def test_a_session_of_express_ends_in_django_at_the_same_second(browser, node_clock):
    """maxAge in Express is the age in Django, whatever SESSION_COOKIE_AGE says."""
    browser.express(["set", "a", 1], ["maxAge", 600_000])
    node_clock(seconds=599)
    assert browser.django()["session"] == {"a": 1, "_session_expiry": 600}
    node_clock(seconds=2)
    assert browser.django()["session"] == {}


def test_a_fraction_of_a_second_is_rounded_as_express_rounds_it(browser, node_clock):
    """At each tenth of the last seconds both halves give the same answer."""
    browser.express(["set", "a", 1], ["maxAge", 5_300])
    node_clock(seconds=3.05)
    for _ in range(40):
        node_clock(seconds=0.1)
        alive = browser.peer.store("get", sid_of(browser.cookie)) is not None
        probe = Browser(cookie=browser.cookie)
        assert (probe.django()["session"] != {}) == alive


def test_a_browser_session_of_django_is_one_in_express(browser, database):
    """set_expiry(0) stores null for both, and Express sends no Expires."""
    browser.django(["set", "a", 1], ["expiry", 0])
    assert "expires" not in browser.set_cookies[0].lower()
    cookie = cookie_of(browser, database)
    assert (cookie["originalMaxAge"], cookie["expires"]) == (None, None)
    browser.express(["set", "b", 1], ["regenerate"], ["set", "c", 1])
    assert "Expires" not in browser.set_cookies[0]


def test_a_browser_session_of_express_is_one_in_django(browser):
    """It has the age 0 in Django: nothing to renew, and with a new key no Expires either."""
    browser.express(["set", "a", 1])
    assert browser.django(["set", "b", 1])["session"]["_session_expiry"] == 0
    assert browser.set_cookies == []
    browser.django(["cycle"])
    assert "expires" not in browser.set_cookies[0].lower()


def test_the_row_of_a_browser_session_lives_for_expiration(browser, node_clock, settings):
    """`expiration` is the store's option: a day, unless both sides say otherwise."""
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    browser.django(["set", "a", 1])
    node_clock(seconds=DAY - 1)
    assert browser.peer.store("get", sid_of(browser.cookie))["a"] == 1
    node_clock(seconds=2)
    assert browser.peer.store("get", sid_of(browser.cookie)) is None


def test_express_slides_a_session_of_django(browser, node_clock):
    """Each request of Express starts the age anew, and Django sees it in the column."""
    browser.django(["set", "a", 1], ["expiry", 600])
    for _ in range(3):
        node_clock(seconds=500)
        assert browser.express()["loaded"]["a"] == 1
    assert browser.django()["session"]["a"] == 1


def test_a_touch_of_express_leaves_the_json_and_counts(browser, node_clock, database):
    """Express touches the column alone; its JSON goes stale and does not count."""
    browser.django(["set", "a", 1], ["expiry", 600])
    before = stored_text(browser, database)
    node_clock(seconds=500)
    browser.express()
    assert stored_text(browser, database) == before
    node_clock(seconds=500)
    assert browser.django()["session"]["a"] == 1


def test_a_touch_of_django_leaves_the_json_and_counts(browser, node_clock, database, settings):
    """SESSION_SAVE_EVERY_REQUEST moves the column on; Express goes by it."""
    settings.SESSION_SAVE_EVERY_REQUEST = True
    browser.django(["set", "a", 1], ["expiry", 600])
    before = stored_text(browser, database)
    node_clock(seconds=500)
    browser.django(["read"])
    assert stored_text(browser, database) == before
    node_clock(seconds=500)
    assert browser.peer.store("get", sid_of(browser.cookie))["a"] == 1


def test_rolling_in_express_renews_a_cookie_of_django(
    database, shared_table, peers, clock, settings
):
    """`rolling: true` sends the cookie of a session that began in Django at each request."""
    make_table(database, shared_table)
    browser = Browser(peers.get(database, **kind(database), session={"rolling": True}))
    browser.django(["set", "a", 1], ["expiry", 600])
    before = browser.cookie
    browser.express()
    assert "Expires" in browser.set_cookies[0]
    assert browser.cookie == before


def test_set_expiry_of_django_replaces_the_age_that_express_gave(browser, node_clock):
    """The last who sets an age decides, for both halves."""
    browser.express(["set", "a", 1], ["maxAge", 60_000])
    browser.django(["expiry", 600])
    node_clock(seconds=300)
    assert browser.express(["maxAge", 60_000], ["set", "b", 1])["loaded"]["a"] == 1
    node_clock(seconds=61)
    assert browser.django()["session"] == {}


def test_an_age_that_did_not_change_is_kept_to_the_millisecond(browser, database):
    """Express's ages drift by a millisecond; Django's save does not add to that."""
    browser.express(["set", "a", 1], ["maxAge", 59_999])
    before = cookie_of(browser, database)["originalMaxAge"]
    browser.django(["set", "b", 1])
    assert cookie_of(browser, database)["originalMaxAge"] == before


def test_a_fixed_moment_holds_in_django_though_express_slides(browser, node_clock, clock):
    """Express would go on for ever; a deadline is Django's own to enforce."""
    until = (clock.now.replace(microsecond=0)).isoformat()
    browser.django(["set", "a", 1], ["expiry_at", until, 600])
    for _ in range(3):
        node_clock(seconds=190)
        assert browser.express()["loaded"]["a"] == 1
    node_clock(seconds=31)
    assert browser.express()["loaded"]["a"] == 1
    assert browser.django()["session"] == {}


class TestSitePolicy:
    def test_the_absolute_timeout_is_enforced_by_django_alone(self, browser, node_clock, settings):
        """A session that Express keeps alive is refused by Django once its time is up."""
        settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = 1000
        browser.django(["set", "a", 1], ["expiry", 600])
        node_clock(seconds=500)
        browser.express(["set", "b", 1])
        node_clock(seconds=499)
        assert browser.django()["session"]["b"] == 1
        browser.express(["set", "c", 1])
        node_clock(seconds=2)
        held = browser.cookie
        assert browser.django()["session"] == {}
        browser.cookie = held
        assert browser.express()["loaded"]["c"] == 1

    def test_it_counts_from_when_django_first_stores_a_session_of_express(
        self, browser, node_clock, settings
    ):
        """Nothing else tells Django when such a session began."""
        settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = 1000
        browser.express(["set", "a", 1], ["maxAge", 2_000_000])
        node_clock(seconds=600)
        assert browser.django()["session"]["a"] == 1
        node_clock(seconds=999)
        assert browser.django()["session"]["a"] == 1
        node_clock(seconds=2)
        assert browser.django()["session"] == {}

    def test_express_slides_by_no_more_than_the_idle_timeout(self, browser, node_clock, settings):
        """The age that Django writes into the cookie object is the idle timeout at most."""
        settings.SESSIONSTORE_IDLE_TIMEOUT = 600
        browser.django(["set", "a", 1])
        node_clock(seconds=500)
        assert browser.express()["loaded"]["a"] == 1
        node_clock(seconds=601)
        held = browser.cookie
        assert browser.django()["session"] == {}
        browser.cookie = held
        assert "a" not in browser.express()["loaded"]


def test_the_year_2107_fits_no_column_of_mysql_and_is_cut(browser, database):
    """An unsigned int ends in 2106; a later expiry is stored as that and nothing fails."""
    browser.django(["set", "a", 1], ["expiry", 100 * 365 * DAY])
    assert browser.express(["set", "b", 1])["loaded"]["a"] == 1
    if connections[database].vendor == "mysql":
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT expires FROM sessions")
            assert cursor.fetchone() == (2**32 - 1,)


@pytest.mark.only_on("postgresql")
def test_the_zone_of_nodes_connections_may_differ_from_djangos(database, shared_table, peers):
    """connect-pg-simple stores local times of its own connections; `time_zone` names their zone."""
    make_table(database, shared_table, time_zone="Asia/Seoul")
    zoned = peers.get(database, store="pg", pgoptions="-c TimeZone=Asia/Seoul")
    browser = Browser(zoned)
    browser.express(["set", "a", 1], ["maxAge", 600_000])
    assert browser.django(["set", "b", 1])["session"]["a"] == 1
    assert browser.express()["loaded"]["b"] == 1


def sid_of(cookie: str) -> str:
    """Return the plain id in a cookie's value."""
    return cookie.removeprefix("s%3A").rpartition(".")[0]
