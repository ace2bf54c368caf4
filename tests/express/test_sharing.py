"""One session, two applications: a case is green only if Node itself read what Django wrote."""

import json

import pytest
from django.contrib.auth.models import User
from django.db import connections

from sessionstore.core.express_format import sign
from tests.express.conftest import each_release
from tests.express.peer import SECRETS, Browser

pytestmark = [pytest.mark.only_on("mariadb", "mysql", "postgresql"), each_release]

VALUES = [
    None,
    True,
    False,
    0,
    -1,
    2**53,
    -(2**53),
    0.1,
    1e21,
    5e-324,
    "",
    "é€😀",
    '\0\b\t\n\f\r"\\/\x7f\u2028',
    "lone \ud83d surrogate",
    [],
    {},
    [1, [2, {"a": None}]],
    {"": {"__proto__": 1, "cookie": 2}},
    "x" * 100_000,
]


def stored_text(browser: Browser, database: str) -> str:
    """Return the JSON of the only row, as it is in the table."""
    postgres = connections[database].vendor == "postgresql"
    column, table = ("sess::text", "session") if postgres else ("data", "sessions")
    with connections[database].cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table}")  # noqa: S608 - our own names
        [(text,)] = cursor.fetchall()
    return text


def overwrite(database: str, text: str) -> None:
    """Put another text into the only row."""
    postgres = connections[database].vendor == "postgresql"
    sql = "UPDATE session SET sess = %s" if postgres else "UPDATE sessions SET data = %s"
    with connections[database].cursor() as cursor:
        cursor.execute(sql, [text])


class TestValues:
    def test_a_value_of_each_half_is_seen_by_the_other(self, browser):
        """Each half adds a key to the session that the other half began."""
        browser.django(["set", "a", 1])
        assert browser.express(["set", "b", 2])["loaded"]["a"] == 1
        assert browser.django()["session"] == {"a": 1, "b": 2}

    def test_each_type_of_json_value_goes_both_ways(self, browser):
        """Express reads what Django wrote and writes it back; Django reads the same again."""
        for value in VALUES:
            browser.django(["set", "from_django", value])
            seen = browser.express(["set", "from_express", value])
            assert seen["loaded"]["from_django"] == value
            session = browser.django()["session"]
            assert (session["from_django"], session["from_express"]) == (value, value)
            assert type(session["from_express"]) is type(value)

    def test_a_whole_float_comes_back_from_express_as_an_integer(self, browser):
        """JavaScript has one type of number: equal, but no float any more."""
        browser.django(["set", "price", 2.0])
        browser.express(["set", "other", 1])
        assert browser.django()["session"]["price"] == 2

    def test_a_number_that_only_express_can_have_survives_a_save_of_django(self, browser):
        """What Express keeps beyond 2^53 is left as it was, whatever else Django changes."""
        browser.express(["set", "big", 2.0**60])
        browser.django(["set", "a", 1])
        assert float(browser.express()["loaded"]["big"]) == 2.0**60

    def test_a_number_without_end_is_null_on_both_sides(self, browser, database):
        """JavaScript reads Infinity, which JSON does not have."""
        browser.express(["set", "a", "far"])
        text = stored_text(browser, database)
        for number in ("1e999", "-1e999", "9" * 350):
            overwrite(database, text.replace('"far"', f"[{number}]"))
            assert browser.express()["loaded"]["a"] == browser.django()["session"]["a"] == [None]
            browser.django(["set", "b", number])
            assert browser.express()["loaded"]["a"] == [None]

    def test_a_name_that_express_would_drop_is_an_error_and_nothing_is_written(self, browser):
        """Django answers 500; Express still reads the session as it was."""
        browser.django(["set", "a", 1])
        for name in ("id", "save", "cookie", "__proto__", "toString"):
            browser.django(["set", name, 1], status=500)
            assert browser.express()["loaded"]["a"] == 1

    def test_a_number_that_express_cannot_hold_is_an_error(self, browser):
        """Django answers 500; nothing is rounded in silence."""
        for value in (2**53 + 1, float("nan"), float("inf")):
            browser.django(["set", "n", {"deep": [value]}], status=500)
            assert browser.cookie is None

    def test_deleted_keys_are_gone_on_the_other_side(self, browser):
        """A deletion is a change like any other, in both directions."""
        browser.django(["set", "a", 1], ["set", "b", 1])
        browser.express(["delete", "a"])
        assert browser.django(["delete", "b"])["session"] == {}
        assert set(browser.express()["loaded"]) - {"_sessionstore"} == {"cookie"}


class TestCookie:
    def test_express_never_changes_an_id_that_django_issued(self, browser):
        """The sid that Django made is the one that Express goes on with."""
        browser.django(["set", "a", 1])
        before = browser.cookie
        sid = browser.express(["set", "b", 2])["id"]
        assert sign(sid, SECRETS[0]) == before == browser.cookie

    def test_django_goes_on_with_the_id_of_express(self, browser):
        """The cookie that Express set is the key in Django, unchanged."""
        browser.express(["set", "a", 1])
        before = browser.cookie
        assert browser.django(["set", "b", 1])["key"] == before == browser.cookie

    def test_the_stock_middleware_works_unchanged(self, browser, settings):
        """Django's own middleware sends the signed value, because the key is that value."""
        settings.MIDDLEWARE = [
            "django.contrib.sessions.middleware.SessionMiddleware"
            if path == "sessionstore.middleware.SessionMiddleware"
            else path
            for path in settings.MIDDLEWARE
        ]
        browser.django(["set", "a", 1])
        assert browser.express(["set", "b", 2])["loaded"]["a"] == 1
        assert browser.django()["session"] == {"a": 1, "b": 2}

    def test_a_forged_cookie_is_nobody_on_either_side(self, browser):
        """A cookie with a wrong signature costs no SQL and gets a new id."""
        browser.django(["set", "a", 1])
        forged = browser.cookie[:-3] + "AAA"
        browser.cookie = forged
        assert browser.django()["session"] == {}
        browser.cookie = forged
        assert "a" not in browser.express()["loaded"]

    def test_of_two_signed_cookies_node_reads_the_first_and_django_none(self, browser):
        """A limit that Node's parser leaves: a cookie of a wider domain can hide the other one."""
        browser.django(["set", "who", "first"])
        first = browser.cookie
        browser.cookie = None
        browser.django(["set", "who", "last"])
        browser.cookie = f"{first}; {browser.name}={browser.cookie}"
        both = Browser(browser.peer, browser.cookie)
        assert browser.django()["session"] == {}
        assert both.express()["loaded"]["who"] == "first"

    def test_what_is_unknown_in_the_cookie_object_is_kept(self, browser, database):
        """Express's own options, and keys of later releases, survive a save of Django."""
        browser.express(["set", "a", 1])
        text = stored_text(browser, database)
        changed = text.replace('"cookie":{', '"cookie":{"priority":"high","later":[1],', 1)
        overwrite(database, changed)
        browser.django(["set", "b", 1])
        cookie = json.loads(stored_text(browser, database))["cookie"]
        assert (cookie["priority"], cookie["later"]) == ("high", [1])
        assert list(cookie)[:3] == ["originalMaxAge", "priority", "expires"]

    def test_every_cookie_option_of_express_survives_django(self, database, shared_table, peers):
        """All options at once: Django changes none, and Express sends the same line again."""
        options = {
            "path": "/",
            "httpOnly": True,
            "sameSite": "strict",
            "domain": "example.com",
            "priority": "high",
            "partitioned": True,
            "maxAge": 3_600_000,
        }
        make_table(database, shared_table)
        peer = peers.get(database, **kind(database), session={"cookie": options, "rolling": True})
        browser = Browser(peer)
        browser.express(["set", "a", 1])
        [first] = browser.set_cookies
        browser.django(["set", "b", 1])
        browser.express()
        [again] = browser.set_cookies
        assert without_expires(again) == without_expires(first)

    def test_djangos_cookie_settings_are_those_that_express_sends(self, browser, settings):
        """A session that began in Django carries Django's cookie settings to Express."""
        settings.SESSION_COOKIE_SAMESITE = "Strict"
        settings.SESSION_COOKIE_DOMAIN = "example.com"
        browser.django(["set", "a", 1])
        browser.express(["maxAge", 60_000], ["set", "b", 1])
        [line] = browser.set_cookies
        assert line.endswith("; HttpOnly; SameSite=Strict")
        assert "; Domain=example.com; Path=/;" in line

    def test_a_secure_cookie_stays_secure(self, browser, settings, database):
        """A session of a site under HTTPS says so in its cookie object."""
        settings.SESSION_COOKIE_SECURE = True
        browser.django(["set", "a", 1])
        assert json.loads(stored_text(browser, database))["cookie"]["secure"] is True

    def test_another_cookie_name(self, database, shared_table, peers, settings):
        """SESSION_COOKIE_NAME is express-session's `name`."""
        settings.SESSION_COOKIE_NAME = "shop"
        make_table(database, shared_table)
        peer = peers.get(database, **kind(database), session={"name": "shop"})
        browser = Browser(peer, name="shop")
        browser.django(["set", "a", 1])
        assert browser.express(["set", "b", 2])["loaded"]["a"] == 1
        assert browser.django()["session"] == {"a": 1, "b": 2}


class TestSecrets:
    def test_secrets_rotate_without_a_logout(self, database, shared_table, peers):
        """Old cookies count while their secret is listed, and Django sends them signed anew."""
        make_table(database, shared_table, secrets=["old"])
        old = peers.get(database, **kind(database), secrets=["old"])
        new = peers.get(database, **kind(database), secrets=["new", "old"])
        only_new = peers.get(database, **kind(database), secrets=["new"])
        browser = Browser(old)
        browser.express(["set", "a", 1])
        before = browser.cookie
        make_table(database, shared_table, secrets=["new", "old"])
        assert browser.django()["session"]["a"] == 1
        assert browser.cookie != before
        browser.peer = only_new
        assert browser.express()["loaded"]["a"] == 1
        browser.peer, browser.cookie = new, before
        assert browser.express()["loaded"]["a"] == 1

    def test_a_dropped_secret_ends_its_cookies_on_both_sides(self, database, shared_table, peers):
        """Whoever holds a cookie of the dropped secret is nobody."""
        make_table(database, shared_table, secrets=["old"])
        browser = Browser(peers.get(database, **kind(database), secrets=["new"]))
        browser.django(["set", "a", 1])
        held = browser.cookie
        make_table(database, shared_table, secrets=["new"])
        assert browser.django()["session"] == {}
        browser.cookie = held
        assert "a" not in browser.express()["loaded"]


class TestNames:
    def test_another_table_with_other_columns(self, database, shared_table, peers):
        """Every name that the store lets one configure, on both sides."""
        if connections[database].vendor == "postgresql":
            shared_table(layout="connect-pg-simple", table="visits")
            peer = peers.get(database, store="pg", store_options={"tableName": "visits"})
        else:
            names = {"session_id": "Key", "expires": "until$", "data": "json_text"}
            shared_table(table="visits", columns=names, mark=True)
            schema = {"tableName": "visits", "columnNames": names}
            peer = peers.get(database, store_options={"schema": schema})
        browser = Browser(peer)
        browser.django(["set", "a", 1])
        assert browser.express(["set", "b", 2])["loaded"]["a"] == 1
        assert browser.django()["session"] == {"a": 1, "b": 2}


class TestUsers:
    def test_a_login_in_django_is_visible_to_express(self, browser):
        """Express finds the primary key under `_auth_user_id`."""
        ann = User.objects.create_user("ann")
        browser.django(["login", ann.pk])
        assert browser.express()["loaded"]["_auth_user_id"] == str(ann.pk)

    def test_a_login_in_express_counts_in_django_only_when_set(self, browser):
        """The JSON is not sealed, so trusting it is a decision of the site."""
        ann = User.objects.create_user("ann")
        browser.express(["login", ann.pk])
        assert browser.django()["user"] is None

    @pytest.mark.usefixtures("trust_passport")
    def test_a_login_with_passport_is_a_login_in_django(self, browser):
        """`"user": True` takes passport's user, and a logout there ends it here."""
        ann = User.objects.create_user("ann")
        browser.express(["login", ann.pk])
        assert browser.django()["user"] == ann.pk
        browser.express(["logout"])
        assert browser.django()["user"] is None

    @pytest.mark.usefixtures("trust_passport")
    def test_the_derived_login_is_never_stored(self, browser, database):
        """Else it would outlive a logout in Express that keeps the session."""
        ann = User.objects.create_user("ann")
        browser.express(["login", ann.pk])
        assert browser.django(["set", "a", 1])["user"] == ann.pk
        assert "_auth_user" not in stored_text(browser, database)
        browser.express(["delete", "passport"])
        assert browser.django()["user"] is None

    def test_a_callable_finds_the_user_elsewhere(self, browser, settings):
        """The callable gets the session's data and answers a primary key."""
        ann = User.objects.create_user("ann")
        settings.SESSIONSTORE_EXPRESS = {
            **settings.SESSIONSTORE_EXPRESS,
            "user": lambda data: data.get("account", {}).get("id"),
        }
        browser.express(["set", "account", {"id": ann.pk}])
        assert browser.django()["user"] == ann.pk

    @pytest.mark.usefixtures("trust_passport")
    def test_a_user_that_is_none_is_nobody(self, browser):
        """Whatever stands under passport.user, Django answers an anonymous page."""
        User.objects.create_user("ann", pk=1)
        for value in (0, -1, "x", "1 OR 1=1", True, 1.5, [], {"id": 1}, None):
            browser.express(["set", "passport", {"user": value}])
            assert browser.django()["user"] is None

    @pytest.mark.usefixtures("trust_passport")
    def test_a_disabled_user_is_nobody(self, browser):
        """The authentication backend decides, as at each of Django's own requests."""
        ann = User.objects.create_user("ann", is_active=False)
        browser.express(["login", ann.pk])
        assert browser.django()["user"] is None

    @pytest.mark.usefixtures("trust_passport")
    def test_a_logout_of_passport_ends_djangos_own_login_too(self, browser):
        """A logout on either side is one for both, whichever half has signed in last."""
        ann = User.objects.create_user("ann")
        browser.express(["login", ann.pk])
        browser.django(["login", ann.pk])
        assert browser.django()["user"] == ann.pk
        browser.express(["delete", "passport"])
        assert browser.django()["user"] is None


@pytest.fixture
def trust_passport(browser, settings) -> None:
    """A site that takes passport's user for Django's."""
    settings.SESSIONSTORE_EXPRESS = {**settings.SESSIONSTORE_EXPRESS, "user": True}


def kind(database: str) -> dict[str, str]:
    """Return which Node store belongs to a database."""
    return {"store": "pg" if connections[database].vendor == "postgresql" else "mysql"}


def make_table(database: str, shared_table, **express) -> None:
    """Make the table in the layout that the database calls for."""
    if connections[database].vendor == "postgresql":
        express["layout"] = "connect-pg-simple"
    shared_table(**express)


def without_expires(line: str) -> list[str]:
    """Return the parts of a Set-Cookie line but its date, which moves."""
    return [part for part in line.split("; ") if not part.startswith("Expires=")]
