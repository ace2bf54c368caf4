"""What a row says of its cookie is what is sent and deleted, whoever sends it."""

import io
import json
from dataclasses import replace
from email.message import Message
from http.cookiejar import CookieJar
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.request import Request

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory

from sessionstore.backends.express import SessionStore
from sessionstore.conf import conf
from sessionstore.core.headers.set_cookie import CookieOptions
from sessionstore.express.cookies import cookie_with, options_in
from sessionstore.express.rows import SharedTable
from tests.express.conftest import each_release
from tests.express.peer import NAME, Peer
from tests.express.test_lifetime import sid_of
from tests.express.test_sharing import kind, make_table
from tests.harness.node import run_node

HOST = "shop.example.com"
STRICT = {
    "path": "/app",
    "domain": "example.com",
    "sameSite": "strict",
    "secure": True,
    "httpOnly": False,
}
with_node = pytest.mark.only_on("mariadb", "mysql", "postgresql")


class Browser:
    """A cookie jar before the two halves of a site under HTTPS, below /app unless told."""

    def __init__(self, peer: Peer | None = None) -> None:
        self.peer = peer
        self.jar = CookieJar()
        self.set_cookies: list[dict[str, str]] = []

    def express(self, *steps: list[Any], path: str = "/app/peer") -> Any:
        """Run steps in Express, which a proxy reaches in the clear."""
        status, answer, lines = self.peer.ask(
            path, list(steps), cookie=self.header(path), scheme="https"
        )
        assert status == 200, answer
        self.take(path, lines)
        return answer

    def django(self, *steps: list[Any], path: str = "/app/run/", status: int = 200) -> Any:
        """Run steps in Django."""
        response = Client(raise_request_exception=False).generic(
            *("POST", path, json.dumps(steps), "application/json"),
            headers=self.headers(path),
            secure=True,
        )
        assert response.status_code == status, response.content[:2000]
        self.take(path, [morsel.OutputString() for morsel in response.cookies.values()])
        return response.json() if status == 200 else None

    async def django_async(self, *steps: list[Any], path: str = "/app/async/") -> None:
        """Run steps in an async view."""
        client = AsyncClient()
        client.cookies[NAME] = self.header(path).partition("=")[2]
        response = await client.generic(
            *("POST", path, json.dumps(steps), "application/json"), secure=True
        )
        assert response.status_code == 200, response.content[:2000]
        self.take(path, [morsel.OutputString() for morsel in response.cookies.values()])

    def headers(self, path: str) -> dict[str, str]:
        header = self.header(path)
        return {"host": HOST} | ({"cookie": header} if header else {})

    def header(self, path: str) -> str | None:
        request = Request(f"https://{HOST}{path}")
        self.jar.add_cookie_header(request)
        return request.get_header("Cookie")

    def take(self, path: str, lines: list[str]) -> None:
        """Keep what an answer sets of the session's cookie, as a browser does."""
        lines = [line for line in lines if line.startswith(f"{NAME}=")]
        self.set_cookies = [attributes(line) for line in lines]
        answer = Message()
        for line in lines:
            answer["Set-Cookie"] = line
        request = Request(f"https://{HOST}{path}")
        self.jar.extract_cookies(SimpleNamespace(info=lambda: answer), request)

    def held(self) -> list[tuple[str, str, str]]:
        """Return domain, path and value of each cookie in the jar."""
        return [(one.domain, one.path, one.value) for one in self.jar]


def attributes(line: str) -> dict[str, str]:
    """Return the attributes of a Set-Cookie line but its end; flags are empty text."""
    parts = [part.partition("=") for part in line.split("; ")[1:]]
    ends = ("expires", "max-age")
    return {name.lower(): value for name, _, value in parts if name.lower() not in ends}


@pytest.fixture
def site(database, shared_table, peers, settings):
    """Make a browser before both halves, Express with these options of its cookie."""
    settings.SECURE_PROXY_SSL_HEADER = None

    def make(**cookie: Any) -> Browser:
        make_table(database, shared_table)
        options = {"cookie": cookie, "proxy": True}
        return Browser(peers.get(database, **kind(database), session=options))

    return make


@with_node
class TestBothHalves:
    OPTIONS = [
        STRICT,
        {"path": "/app", "sameSite": True, "priority": "high"},
        {"path": "/app/", "sameSite": "none", "secure": True, "partitioned": True},
        {"path": "/", "sameSite": False, "maxAge": 3_600_000},
        {"domain": ".Example.com", "sameSite": "lax", "priority": "Low"},
        {},
    ]

    @each_release
    @pytest.mark.parametrize("cookie", OPTIONS, ids=str)
    def test_what_express_has_set_django_sends_and_deletes(self, site, settings, cookie):
        """A new key, a save at each request and a logout: one cookie, and then none."""
        settings.SESSION_SAVE_EVERY_REQUEST = True
        ann, browser = User.objects.create_user("ann"), site(**cookie)
        browser.express(["set", "cart", 1])
        [as_express_sent], [before] = browser.set_cookies, browser.held()
        for steps in ([["login", ann.pk]], [["set", "a", 1]], [["cycle"]]):
            browser.django(*steps)
            assert browser.set_cookies == [as_express_sent]
            assert len(browser.held()) == 1
        assert browser.held() != [before]
        assert browser.express()["loaded"]["cart"] == 1
        browser.django(["logout"])
        assert place_of(browser.set_cookies[0]) == place_of(as_express_sent)
        assert browser.held() == []

    def test_what_django_has_set_express_sends(self, site, settings, database, peers):
        """Django's settings stand in the row, whatever Express's own options are."""
        settings.SESSION_COOKIE_PATH, settings.SESSION_COOKIE_DOMAIN = "/app", "example.com"
        settings.SESSION_COOKIE_SAMESITE, settings.SESSION_COOKIE_SECURE = "Strict", True
        browser = site()
        options = {"cookie": {"maxAge": 60_000}, "proxy": True, "rolling": True}
        browser.peer = peers.get(database, **kind(database), session=options)
        browser.django(["set", "a", 1])
        as_django_sent = browser.set_cookies
        browser.express(["set", "b", 2])
        assert browser.set_cookies == as_django_sent
        assert len(browser.held()) == 1


def place_of(sent: dict[str, str]) -> dict[str, str]:
    """Return by which of its attributes a browser finds a cookie, and takes a new one for it."""
    return {
        name: value
        for name, value in sent.items()
        if name in ("path", "domain", "samesite", "partitioned")
    }


def begin(database: str, shared_table, cookie: Any = None, **express: Any) -> Browser:
    """Return a browser that holds the cookie of a row which Express has written."""
    make_table(database, shared_table, **express)
    session = SessionStore()
    session["cart"] = 1
    session.save()
    tell(database, cookie)
    browser = Browser()
    domain = cookie.get("domain") if isinstance(cookie, dict) else None
    path = cookie.get("path", "/") if isinstance(cookie, dict) else "/"
    where = f"; Domain={domain}" if domain else ""
    browser.take("/app/", [f"{NAME}={session.session_key}; Path={path}{where}"])
    return browser


def tell(database: str, cookie: Any) -> None:
    """Let the only row say something else of its cookie."""
    postgres = connections[database].vendor == "postgresql"
    select, update = "SELECT data FROM sessions", "UPDATE sessions SET data = %s"
    if postgres:
        select, update = "SELECT sess::text FROM session", "UPDATE session SET sess = %s"
    with connections[database].cursor() as cursor:
        cursor.execute(select)
        [(text,)] = cursor.fetchall()
        cursor.execute(update, [json.dumps({**json.loads(text), "cookie": cookie})])


@pytest.fixture
def visitor(database, shared_table):
    """Make a browser whose session Express has begun, with these options of its cookie."""
    return lambda cookie=STRICT: begin(database, shared_table, cookie)


AS_STRICT = {"path": "/app", "domain": "example.com", "samesite": "Strict", "secure": ""}
AS_SETTINGS = {"path": "/", "samesite": "Lax", "httponly": ""}


class TestOneRequest:
    def test_a_flush_deletes_the_cookie_where_the_row_has_it(self, visitor):
        """Not where the settings would have it."""
        browser = visitor()
        browser.django(["read"], ["flush"])
        assert [place_of(one) for one in browser.set_cookies] == [place_of(AS_STRICT)]
        assert browser.held() == []

    @pytest.mark.parametrize("then", [[], [["set", "a", 1]]], ids=str)
    def test_a_flush_that_nobody_has_read_before_leaves_no_second_cookie(self, visitor, then):
        """The row alone says where the browser holds it."""
        browser = visitor()
        browser.django(["flush"], *then)
        assert place_of(browser.set_cookies[0]) == place_of(AS_STRICT)
        assert len(browser.held()) == len(then)

    def test_a_new_session_after_a_flush_leaves_one_cookie(self, visitor):
        """The old one goes, in its place, and the new one comes as the settings say."""
        ann, browser = User.objects.create_user("ann"), visitor()
        browser.django(["read"], ["flush"], ["login", ann.pk])
        assert [place_of(one) for one in browser.set_cookies] == [
            place_of(AS_STRICT),
            place_of(AS_SETTINGS),
        ]
        [(domain, path, _)] = browser.held()
        assert (domain, path) == (HOST, "/")
        assert browser.django()["user"] == ann.pk

    def test_the_login_of_somebody_else_leaves_one_cookie(self, visitor):
        """Django's login() flushes the session of the user before."""
        ann, bob = User.objects.create_user("ann"), User.objects.create_user("bob")
        browser = visitor()
        browser.django(["login", ann.pk])
        browser.django(["login", bob.pk])
        assert len(browser.held()) == 1
        assert browser.django()["user"] == bob.pk

    def test_a_flush_and_a_login_in_one_place_send_one_line(self, visitor):
        """Nothing is deleted where the new cookie takes the place of the old one."""
        ann, browser = User.objects.create_user("ann"), visitor({"path": "/"})
        browser.django(["read"], ["flush"], ["login", ann.pk])
        assert browser.set_cookies == [AS_SETTINGS]

    @pytest.mark.parametrize("then", [[], [["flush"]], [["set", "a", 1]]], ids=str)
    def test_another_session_object_after_a_flush_leaves_no_second_cookie(self, visitor, then):
        """Other apps replace `request.session` in mid-request."""
        browser = visitor()
        browser.django(["read"], ["flush"], ["replace"], *then)
        assert place_of(browser.set_cookies[0]) == place_of(AS_STRICT)
        assert len(browser.held()) == (then == [["set", "a", 1]])

    def test_two_cookies_in_two_places_become_the_one_of_the_settings(self, visitor):
        """Express has ended its own and left the cookie, and Django has begun another."""
        browser = visitor()
        SharedTable().remove_many(SharedTable().live_after(b"", 10))
        browser.django(["set", "mine", 1])
        assert len(browser.held()) == 2
        assert browser.django(["read"])["session"] == {}
        assert [path for _, path, _ in browser.held()] == ["/"]
        assert browser.django()["session"] == {"mine": 1}

    @pytest.mark.parametrize("steps", [[["cycle"]], [["set", "a", 1], ["cycle"], ["save"]]])
    def test_an_error_page_sends_a_new_key_as_the_row_says(self, visitor, steps):
        """It is in the table already, and the browser has to have it."""
        browser = visitor()
        browser.django(*steps, ["fail"], status=500)
        assert browser.set_cookies == [AS_STRICT]
        assert browser.django()["session"]["cart"] == 1

    def test_an_error_page_after_a_flush_leaves_no_second_cookie(self, visitor):
        """The new session is dropped with what is in it, and the old cookie opens nothing."""
        browser = visitor()
        browser.django(["flush"], ["set", "a", 1], ["fail"], status=500)
        assert [place_of(one) for one in browser.set_cookies] == [place_of(AS_STRICT)]
        browser.django(["set", "a", 1])
        assert browser.django()["session"] == {"a": 1}

    def test_a_rollback_of_the_view_changes_nothing_of_it(self, visitor, monkeypatch, database):
        """404 under ATOMIC_REQUESTS: the key is changed anew, and a logout is repeated."""
        monkeypatch.setitem(connections[database].settings_dict, "ATOMIC_REQUESTS", True)
        browser = visitor()
        browser.django(["cycle"], ["missing"], status=404)
        assert browser.set_cookies == [AS_STRICT]
        assert browser.django()["session"]["cart"] == 1
        browser.django(["logout"], ["missing"], status=404)
        assert place_of(browser.set_cookies[0]) == place_of(AS_STRICT)
        assert browser.held() == []

    def test_a_rollback_of_a_new_id_takes_no_logout_back(self, visitor, monkeypatch, database):
        """The row has its former id again, and is ended under that."""
        monkeypatch.setitem(connections[database].settings_dict, "ATOMIC_REQUESTS", True)
        ann, browser = User.objects.create_user("ann"), visitor()
        browser.django(["login", ann.pk])
        browser.django(["confirm"], ["logout"], ["missing"], status=404)
        assert SharedTable().count() == 0

    def test_a_double_click_on_login_leaves_one_cookie(self, visitor):
        """The anonymous row is gone: the data go on as a new session, in its own place."""
        ann, browser = User.objects.create_user("ann"), visitor()
        browser.django(["read"], ["end"], ["login", ann.pk])
        assert len(browser.held()) == 1
        assert browser.django()["user"] == ann.pk

    def test_a_session_that_has_ended_is_deleted_nowhere(self, visitor):
        """A late answer must not wipe the cookie of a login that has just happened."""
        browser = visitor()
        SharedTable().remove_many(SharedTable().live_after(b"", 10))
        browser.django(["read"])
        assert browser.set_cookies == []

    def test_an_async_view_sends_the_same(self, visitor):
        """A new key and a flush."""
        browser = visitor()
        async_to_sync(browser.django_async)(["cycle"])
        assert browser.set_cookies == [AS_STRICT]
        async_to_sync(browser.django_async)(["read"], ["flush"])
        assert [place_of(one) for one in browser.set_cookies] == [place_of(AS_STRICT)]


class TestServers:
    """What reaches the wire of a cookie that Python itself could not write."""

    LINE = "HttpOnly; Partitioned; Path=/app; Priority=High; SameSite=None; Secure"
    CHIPS: ClassVar = {
        "path": "/app",
        "sameSite": "none",
        "secure": True,
        "partitioned": True,
        "priority": "high",
    }

    def test_a_wsgi_server_gets_it(self, visitor):
        """As a header of the response."""
        headers = self._from_wsgi(visitor(self.CHIPS), [["cycle"]])
        assert self._lines(headers) == [self.LINE]

    def test_a_deletion_names_the_partition(self, visitor):
        """With Secure, without which Chrome drops the whole line."""
        headers = self._from_wsgi(visitor(self.CHIPS), [["read"], ["flush"]])
        [line] = self._lines(headers)
        assert {"Partitioned", "Path=/app", "SameSite=None", "Secure"} <= set(line.split("; "))

    def test_an_asgi_server_gets_it(self, visitor):
        """In ASCII."""
        scope = AsyncRequestFactory()._base_scope(
            method="POST",
            path="/app/async/",
            headers=[(b"cookie", visitor(self.CHIPS).header("/app/").encode())],
        )
        scope["headers"] = scope["headers"][:1]

        async def answer() -> Any:
            server = ApplicationCommunicator(get_asgi_application(), scope)
            await server.send_input({"type": "http.request", "body": b'[["cycle"]]'})
            start, _ = [await server.receive_output(5) for _ in ("head", "body")]
            await server.wait()  # or the thread that it has begun leaves its connection open
            return start

        headers = async_to_sync(answer)()["headers"]
        assert self._lines([(n.decode(), v.decode()) for n, v in headers]) == [self.LINE]

    @staticmethod
    def _from_wsgi(browser: Browser, steps: list[Any]) -> list[tuple[str, str]]:
        request = RequestFactory().post(
            "/app/run/", steps, "application/json", headers={"cookie": browser.header("/app/")}
        )
        started: list[Any] = []
        get_wsgi_application()(request.environ, lambda *given: started.append(given)).close()
        return started[0][1]

    @staticmethod
    def _lines(headers: list[tuple[str, str]]) -> list[str]:
        lines = [value for name, value in headers if name == "Set-Cookie"]
        return [
            "; ".join(
                part for part in line.split("; ")[1:] if part[:7] not in ("expires", "Max-Age")
            )
            for line in lines
        ]


class TestHostileRows:
    TEXTS = [
        *("/app; Domain=evil.example", "/\r\nSet-Cookie: a=b", "/\x00", "/\x7f", "/<é>"),
        *("/" + "a" * 1024, "\u2028", "\ud800", "a;b", "a,b c\n", "x" * 5000),
    ]
    OTHERS = [7, True, ["/app"], {"a": 1}, 1.5]

    @pytest.mark.parametrize("option", ["path", "domain", "sameSite", "priority"])
    @pytest.mark.parametrize("value", [*TEXTS, *OTHERS], ids=ascii)
    def test_a_value_that_is_none_counts_as_djangos_setting(self, option, value):
        """For this one option; nothing of it gets into a header."""
        if (option, value) == ("sameSite", True):
            return
        settings = CookieOptions("/own", "own.example", "Lax", secure=False, httponly=False)
        cookie = {"path": "/p", "domain": "d.example", "sameSite": "none", "priority": "low"}
        found = options_in({**cookie, option: value}, settings)
        expected = options_in({**cookie, option: None}, settings)
        name = option.lower()
        assert found == replace(expected, **{name: getattr(settings, name)})

    def test_an_answer_has_none_of_it(self, visitor):
        """Nor is there an error, in Django or in the server that writes the header."""
        for text in self.TEXTS[:5]:
            browser = visitor({"path": text, "domain": text, "sameSite": text, "priority": text})
            browser.django(["cycle"])
            assert browser.set_cookies == [AS_SETTINGS]
            SharedTable().remove_many(SharedTable().live_after(b"", 10))

    @pytest.mark.parametrize(
        ("value", "sent"),
        [(True, True), (1, True), ("false", True), ([], True), (0, False), ("", False)],
    )
    def test_a_flag_is_read_as_javascript_reads_it(self, value, sent):
        """What Express sends for a configuration like `secure: process.env.SECURE`."""
        settings = CookieOptions("/", None, None, secure=not sent, httponly=not sent)
        cookie = {"secure": value, "httpOnly": value, "partitioned": value}
        found = options_in(cookie, settings)
        assert (found.secure, found.httponly, found.partitioned) == (sent, sent, sent)

    @with_node
    def test_what_express_itself_refuses_to_send_is_not_sent(self):
        """The very package that makes its Set-Cookie, on the same values."""
        texts = [*self.TEXTS, "/ok", ".Example.com", "a..b", "localhost:3000", "[::1]", "-a"]
        texts = [text for text in texts if len(text) <= 1024]  # Browsers refuse the others.
        wanted = [{option: text} for option in ("path", "domain") for text in texts]
        wanted += [{"sameSite": one} for one in (True, "STRICT", "lax", "None", "x", 1)]
        wanted += [{"priority": one} for one in ("low", "HIGH", "x", 1, True)]
        script = (
            "const c = require('cookie'); console.log(JSON.stringify(JSON.parse("
            "process.argv[1]).map(o => { try { return c.serialize('n', 'v', o) } "
            "catch { return null } })))"
        )
        lines = json.loads(run_node(script, json.dumps(wanted)))
        nowhere = CookieOptions("-", "-", "-", secure=False, httponly=False, priority="-")
        for cookie, line in zip(wanted, lines, strict=True):
            [option] = cookie
            found = getattr(options_in(cookie, nowhere), option.lower())
            assert found == ("-" if line is None else line.partition("=")[2].partition("=")[2])


def test_a_row_of_django_says_what_its_settings_say(settings):
    """Whatever they are: what is read back of it is what Django would send."""
    for given in (
        {"PATH": "/app", "DOMAIN": "example.com", "SAMESITE": "Strict", "SECURE": True},
        {"PATH": None, "SAMESITE": False, "HTTPONLY": False},
        {"SAMESITE": "None", "SECURE": True, "DOMAIN": ".example.com"},
        {"PATH": "/é;", "DOMAIN": "müller.example"},
    ):
        for name, value in given.items():
            setattr(settings, f"SESSION_COOKIE_{name}", value)
        ours = conf.cookie_options
        read = options_in(json.loads(json.dumps(cookie_with(ours))), ours)
        assert read == replace(ours, samesite=ours.samesite or None)


class TestChecks:
    @pytest.mark.usefixtures("express_site")
    def test_djangos_own_middleware_is_told(self, settings):
        """W055: it knows the settings only."""
        assert told("W055") == []
        settings.MIDDLEWARE = [
            one.replace("sessionstore.middleware", "django.contrib.sessions.middleware")
            for one in settings.MIDDLEWARE
        ]
        assert len(told("W055")) == 1

    def test_each_option_that_differs_is_told_with_both_ways_out(self, visitor, database):
        """W056: what Express has, what Django has, and where either is set; the stronger first."""
        visitor({**STRICT, "partitioned": True})
        found = {one.msg.partition(" has ")[2].split()[0]: one for one in told("W056", database)}
        assert set(found) == {"path", "domain", "sameSite", "secure", "httpOnly", "partitioned"}
        assert found["path"].msg == (
            "The cookie of 1 of 1 live sessions has path '/app', and that of a session which "
            "begins in Django '/'."
        )
        after = "; a session keeps what it began with."
        assert {name: one.hint.removesuffix(after) for name, one in found.items()} == {
            "path": "Set SESSION_COOKIE_PATH = '/app' or, in Express, set cookie: {path: \"/\"}",
            "domain": "Set SESSION_COOKIE_DOMAIN = 'example.com' or, in Express, leave domain out "
            "of `cookie`",
            "sameSite": "Set SESSION_COOKIE_SAMESITE = 'Strict' or, in Express, set cookie: "
            '{sameSite: "lax"}',
            "secure": "Set SESSION_COOKIE_SECURE = True or, in Express, leave secure out of "
            "`cookie`",
            "httpOnly": "In Express, set cookie: {httpOnly: true}, or set "
            "SESSION_COOKIE_HTTPONLY = False",
            "partitioned": "Leave partitioned out of `cookie`",
        }

    def test_halves_that_agree_are_told_nothing(self, visitor, database, settings):
        """Also where they write the same differently."""
        settings.SESSION_COOKIE_DOMAIN, settings.SESSION_COOKIE_SAMESITE = ".Example.com", "strict"
        visitor({"domain": "example.com", "sameSite": True, "priority": "high", "secure": 0})
        assert told("W056", database) == []

    def test_what_cannot_be_read_is_passed_over(self, visitor, database):
        """Neither the check nor the command breaks on a row that somebody has damaged."""
        browser = visitor({"sameSite": "lax"})
        for text in ("[", "[" * 50_000, "7", '{"cookie":7}', "{}"):
            session = SessionStore()
            session["a"] = 1
            session.save()
            if connections[database].vendor != "postgresql":
                overwrite_one(database, session.session_key, text)
        told("W056", database)
        assert browser.django()["session"]["cart"] == 1

    def test_the_command_tells_the_same(self, visitor, database):
        """`expresstable --check`, which fails on nothing of it and prints no contents."""
        visitor({"path": "/app", "sameSite": "lax"})
        [message] = told("W056", database)
        out = io.StringIO()
        call_command("expresstable", "--check", stdout=out)
        assert f"{message.msg} {message.hint}" in out.getvalue()
        assert "cart" not in out.getvalue()

    @with_node
    def test_a_site_of_express_as_it_comes_differs_in_one_option(self, site, database):
        """Express sends no SameSite unless told, and Django sends Lax."""
        browser = site()
        browser.express(["set", "a", 1])
        [message] = told("W056", database)
        assert " has sameSite None, " in message.msg
        assert message.hint.startswith('In Express, set cookie: {sameSite: "lax"}, or set ')


def told(number: str, database: str | None = None) -> list[Any]:
    """Return the messages of one of our checks."""
    databases = [database] if database else []
    found = run_checks(tags=["sessionstore"], databases=databases)
    return [one for one in found if one.id == f"sessionstore.{number}"]


def overwrite_one(database: str, key: str, text: str) -> None:
    """Put another text into a row."""
    with connections[database].cursor() as cursor:
        cursor.execute("UPDATE sessions SET data = %s WHERE session_id = %s", [text, sid_of(key)])
