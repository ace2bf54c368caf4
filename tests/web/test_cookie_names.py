"""Cookies that are only nearly the session's, and several that are."""

import random
import re
from http.cookies import SimpleCookie
from urllib.parse import unquote

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as DjangoSession
from django.core.asgi import get_asgi_application
from django.db import connections
from django.http import HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory

from sessionstore import security_log
from sessionstore.backends.sql import SessionStore
from sessionstore.conf import conf
from sessionstore.middleware import SessionMiddleware
from sessionstore.signals import session_refused
from tests.engine.old_sessions import DJANGO
from tests.engine.old_sessions import signed_in as old_cookie
from tests.faults.injection import ALWAYS, TRANSIENT, first_statements_fail
from tests.web.conftest import PASSWORD, key_of

NAME = "__Host-sessionid"
BLANKS = ["\u2000", "\u3000", "\u1680", "\u2028", "\x1f", "\x0b"]


@pytest.fixture(autouse=True)
def calm(caplog):
    """No test counts the refusals of another, and only refusals are records."""
    caplog.set_level("WARNING", logger="sessionstore.security")
    security_log._flood.__init__()


def key_for(name: str) -> str:
    """Sign somebody of this name in, and return the key."""
    browser = Client()
    browser.force_login(User.objects.create_user(name, password=PASSWORD))
    return key_of(browser) or browser.cookies[NAME].value


def header(*pairs: str) -> str:
    """What a server hands over for these cookies."""
    return "; ".join(pairs).encode().decode("latin-1")


def two_of_ours(one: str = "ann", other: str = "eve") -> str:
    """The header of a browser that holds two cookies that we have signed."""
    return header(f"sessionid={key_for(one)}", f"sessionid={key_for(other)}")


def who(*pairs: str) -> str:
    """Who is signed in with these cookies, as a page sees it."""
    return Client().get("/plain/", HTTP_COOKIE=header(*pairs)).content.decode()


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("place", ["before", "behind"])
def test_a_disguised_cookie_is_not_the_sessions(db, settings, caplog, blank, place):
    """A sibling domain can set it: it opens nothing, replaces nothing, and is told."""
    settings.SESSION_COOKIE_NAME = NAME
    own, theirs = key_for("ann"), key_for("eve")
    name = f"{blank}{NAME}" if place == "before" else f"{NAME}{blank}"
    assert who(f"{name}={theirs}") == ""
    assert who(f"{NAME}={own}", f"{name}={theirs}") == "ann"
    assert who(f"{name}={theirs}", f"{NAME}={own}") == "ann"
    assert caplog.messages[0] == "Session refused: disguised=1 address=127.0.0.1"


async def test_a_disguised_cookie_opens_nothing_in_async_views(settings, transactional_db):
    """There Django reads the header as Latin-1, in which 0xA0 and 0x85 are blanks."""
    theirs = await sync_to_async(key_for)("eve")
    for blank, name in (("", b"eve"), ("\xa0", b""), ("\x85", b"")):
        cookie = f"{blank}sessionid={theirs}; a=1"
        answer = await AsyncClient().get("/async-poll/", headers={"cookie": cookie})
        assert answer.content == name


def test_two_sessions_of_ours_open_neither(db, caplog):
    """Nobody knows which of them is the browser's own: a sibling domain may have set the other."""
    own, theirs = key_for("ann"), key_for("eve")
    assert who(f"sessionid={own}", f"sessionid={theirs}") == ""
    assert who(f"sessionid={theirs}", f"sessionid={own}") == ""
    assert caplog.messages[0] == "Session refused: ambiguous=1 address=127.0.0.1"
    assert SessionStore().exists(own)
    assert SessionStore().exists(theirs)


def test_the_same_cookie_twice_is_one(db):
    """A proxy may have joined two headers."""
    own = key_for("ann")
    assert who(f"sessionid={own}", f"sessionid={own}") == "ann"


@pytest.mark.parametrize("order", [1, -1])
def test_one_session_under_two_secrets_is_one(db, settings, caplog, order):
    """A site that changes SECRET_KEY and its cookie's place at once leaves both in the browser."""
    old = key_for("ann")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]
    new = conf.keyring.renew(conf.keyring.open(old)).text
    assert new != old
    assert who(*[f"sessionid={old}", f"sessionid={new}"][::order]) == "ann"
    assert not caplog.messages


@pytest.mark.parametrize("other", ["", "x" * 32, "v" * 40])
def test_a_cookie_that_we_have_not_signed_does_not_count_beside_one_that_we_have(db, other):
    """The site above this one may use the same name; and nobody can sign others out with one."""
    own = key_for("ann")
    assert who(f"sessionid={own}", f"sessionid={other}") == "ann"
    assert who(f"sessionid={other}", f"sessionid={own}") == "ann"


def deletions(answer) -> set[tuple[str, str]]:
    """The domain and path of each cookie that an answer deletes, as a browser reads them."""
    sent = [SimpleCookie(morsel.OutputString()) for morsel in answer.cookies.values()]
    found = [one["sessionid"] for one in sent if "sessionid" in one]
    return {(one["domain"], one["path"]) for one in found if one["max-age"] == "0"}


def test_the_way_out_of_two_sessions_is_to_keep_the_cookie_in_its_right_place(db, settings):
    """A site that has changed its cookie's domain or path locks nobody out."""
    settings.SESSION_COOKIE_DOMAIN = "example.com"
    settings.ALLOWED_HOSTS = ["shop.example.com"]
    both = header(f"sessionid={key_for('ann')}", f"sessionid={key_for('eve')}")
    answer = Client().get("/plain/", HTTP_COOKIE=both, HTTP_HOST="shop.example.com")
    assert deletions(answer) >= {("", "/"), ("shop.example.com", "/"), ("", "/plain")}
    assert ("example.com", "/") not in deletions(answer)
    assert "Cookie" in answer.headers["Vary"]


def test_a_login_is_not_undone_by_the_way_out(db):
    """Whoever signs in with two cookies in the jar gets the new key."""
    user = User.objects.create_user("kim", password=PASSWORD)
    both = header(f"sessionid={key_for('ann')}", f"sessionid={key_for('eve')}")
    answer = Client().post(
        "/account/login/", {"username": user.username, "password": PASSWORD}, HTTP_COOKIE=both
    )
    assert answer.status_code == 302
    assert SessionStore().exists(answer.cookies["sessionid"].value)


def test_a_cookie_that_code_has_put_into_the_request_counts(db, rf):
    """Tests and other apps do that, and there is no header to doubt."""
    request, own = rf.get("/"), key_for("ann")
    request.COOKIES = {"sessionid": own}
    SessionMiddleware(lambda _: HttpResponse())(request)
    assert request.session.session_key == own


def lines(answer) -> list[str]:
    """The cookies of an answer as they are sent."""
    return [morsel.OutputString() for morsel in answer.cookies.values()]


SENT = re.compile(
    r'sessionid=""; expires=Thu, 01 Jan 1970 00:00:00 GMT(; Domain=(?P<domain>[a-z.]+))?; Max-Age=0'
    r"; Path=(?P<path>/[!-:<-~]*); SameSite=Lax"
)


def test_no_path_gets_into_a_response_but_as_the_path_of_a_cookie(db):
    """Response splitting, attributes from a link, and letters that no header can hold."""
    both, luck = two_of_ours(), random.Random(7)  # noqa: S311 - repeats its draws
    parts = [*"//a%,='\"\\?#<> \x00\x7f\x1b\xfc\u65e5\u2028", "..", "\r\n\r\n"]
    parts += ["\r\nSet-Cookie: evil=1", "; Domain=evil.example"]
    for _ in range(150):
        path = "/" + "".join(luck.choices(parts, k=luck.randrange(12)))
        info = path.encode().decode("latin-1")
        answer = Client().get("/", PATH_INFO=info, HTTP_COOKIE=both)
        found = [SENT.fullmatch(line) for line in lines(answer)]
        assert all(found), (path, lines(answer))
        assert all(path.startswith(unquote(one["path"])) for one in found)


async def test_a_folder_with_a_name_that_is_not_ascii_is_no_error(transactional_db):
    """A browser holds its path escaped; ASGI takes bytes alone."""
    cookie = (await sync_to_async(two_of_ours)()).encode()
    scope = AsyncRequestFactory()._base_scope(path="/\xfcber/x", method="GET")
    scope["headers"] = [(b"host", b"testserver"), (b"cookie", cookie)]
    server = ApplicationCommunicator(get_asgi_application(), scope)
    await server.send_input({"type": "http.request", "body": b""})
    answer, _body = await server.receive_output(), await server.receive_output()
    await server.wait()
    sent = [value for name, value in answer["headers"] if name == b"Set-Cookie"]
    assert answer["status"] == 404
    assert any(b"; Path=/%C3%BCber;" in one for one in sent)


@pytest.mark.parametrize(
    ("path", "status"), [("/plain/", 200), ("/nowhere/", 404), ("/broken/", 500)]
)
def test_the_way_out_is_there_on_error_pages_and_under_a_prefix(db, settings, path, status):
    """Whatever the page is, the next one knows its visitor."""
    settings.FORCE_SCRIPT_NAME = "/sh\u00f6p"
    answer = Client(raise_request_exception=False).get(path, HTTP_COOKIE=two_of_ours())
    assert answer.status_code == status
    assert {("", "/sh%C3%B6p"), ("", f"/sh%C3%B6p{path}")} < deletions(answer)


def test_a_host_that_is_not_allowed_makes_no_error_of_an_answer(db, rf):
    """Not every page asks for the host; nothing is deleted for one that nobody knows."""
    request = rf.get("/", HTTP_HOST="evil.example", HTTP_COOKIE=two_of_ours())
    answer = SessionMiddleware(lambda _: HttpResponse())(request)
    assert (answer.status_code, lines(answer)) == (200, [])


def test_the_way_out_is_there_where_a_view_has_deleted_the_session(db, rf):
    """Some apps do; Django serves such a request."""

    def view(request):
        del request.session
        return HttpResponse()

    answer = SessionMiddleware(view)(rf.get("/a", HTTP_COOKIE=two_of_ours()))
    assert deletions(answer) == {("", "/a")}


class ByHeader(SessionMiddleware):
    """One that does not call what it replaces."""

    def process_request(self, request):
        """Make the session of the cookie."""
        request.session = self.SessionStore(request.COOKIES.get("sessionid"))


@pytest.mark.parametrize("middleware", [SessionMiddleware, ByHeader])
def test_a_middleware_of_the_sites_own_keeps_the_rules(db, rf, caplog, middleware):
    """Whatever its process_request does."""
    request = rf.get("/a", HTTP_COOKIE=two_of_ours(), HTTP_HOST="testserver")
    answer = middleware(lambda request: HttpResponse(request.session.get("_auth_user_id")))(request)
    assert answer.content == b"None"
    assert deletions(answer) == {("", "/a")}
    assert caplog.messages == ["Session refused: ambiguous=1 address=127.0.0.1"]


@pytest.mark.parametrize("middleware", [SessionMiddleware, ByHeader])
async def test_a_receiver_may_use_the_database_under_asgi(transactional_db, async_rf, middleware):
    """The signal is sent in a thread, as the others are."""
    heard = []

    def audit(reason, **_):
        heard.append((str(reason), User.objects.count()))

    async def view(_):
        return HttpResponse()

    session_refused.connect(audit)
    try:
        for cookie in (await sync_to_async(two_of_ours)(), "\xa0sessionid=x; a=1"):
            request = async_rf.get("/", headers={"cookie": cookie})
            assert (await middleware(view)(request)).status_code == 200
    finally:
        session_refused.disconnect(audit)
    assert heard == [("ambiguous", 2), ("disguised", 2)]


class TestMovingIn:
    """Old cookies are not signed, so anybody can write what looks like one."""

    @pytest.fixture(autouse=True)
    def adopting(self, settings, db):  # noqa: ARG002 - that there is one
        """Sessions move in from Django's own engine."""
        settings.SESSIONSTORE_ADOPT_FROM = DJANGO

    @pytest.mark.parametrize("other", ["", "x", "Z" * 32, "v" * 50])
    def test_junk_beside_an_old_cookie_signs_nobody_out(self, other, django_assert_max_num_queries):
        """Only one of them has the looks of an old key; that costs no statement."""
        for name, last in (("ann", True), ("bob", False)):
            old = f"sessionid={old_cookie(name)}"
            pair = (f"sessionid={other}", old) if last else (old, f"sessionid={other}")
            with django_assert_max_num_queries(0):
                request = RequestFactory().get("/", HTTP_COOKIE=header(*pair))
                SessionMiddleware(lambda _: HttpResponse())(request)
            assert who(*pair) == name

    @pytest.mark.parametrize("other", ["x" * 32, "v" * 40])
    def test_of_several_old_cookies_the_live_one_counts(self, other):
        """What was made up opens nothing."""
        old = old_cookie("ann")
        assert who(f"sessionid={old}", f"sessionid={other}") == "ann"
        old = old_cookie("bob")
        assert who(f"sessionid={other}", f"sessionid={old}") == "bob"

    def test_two_old_cookies_that_live_open_neither(self, caplog):
        """As with two that we have signed; and nothing has moved."""
        pair = [f"sessionid={old_cookie(name)}" for name in ("ann", "eve")]
        answer = Client().get("/plain/", HTTP_COOKIE=header(*pair))
        assert answer.content == b""
        assert ("", "/plain") in deletions(answer)
        assert caplog.messages == ["Session refused: ambiguous=1 address=127.0.0.1"]
        assert DjangoSession.objects.count() == 2

    def test_an_old_cookie_beside_one_of_ours_opens_neither(self):
        """An attacker who plants a cookie of ours signs nobody in who has yet to move."""
        pair = [f"sessionid={old_cookie('ann')}", f"sessionid={key_for('eve')}"]
        for cookies in (pair, pair[::-1]):
            answer = Client().get("/plain/", HTTP_COOKIE=header(*cookies))
            assert answer.content == b""
            assert ("", "/plain") in deletions(answer)

    def test_a_made_up_old_cookie_beside_one_of_ours_does_not_count(self):
        """Else whoever sets one would sign everybody out."""
        assert who(f"sessionid={key_for('ann')}", f"sessionid={'x' * 32}") == "ann"

    def test_an_old_cookie_beside_the_one_that_came_of_it_is_no_other_session(self):
        """A site that changes engine and domain at once leaves both in the browser."""
        old = old_cookie("ann")
        new = Client().get("/plain/", HTTP_COOKIE=f"sessionid={old}").cookies["sessionid"].value
        assert who(f"sessionid={old}", f"sessionid={new}") == "ann"
        assert who(f"sessionid={new}", f"sessionid={old}") == "ann"

    def test_an_old_cookie_that_has_moved_counts_for_as_long_as_it_opens_something(self, clock):
        """For a minute; afterwards it is nobody's."""
        old, own = old_cookie("eve"), key_for("ann")
        Client().get("/plain/", HTTP_COOKIE=f"sessionid={old}")
        assert who(f"sessionid={own}", f"sessionid={old}") == ""
        clock.advance(seconds=61)
        assert who(f"sessionid={own}", f"sessionid={old}") == "ann"


def test_a_database_that_is_down_is_a_503_that_deletes_nothing(database, settings):
    """Nobody can tell then which of two old cookies lives."""
    settings.SESSIONSTORE_ADOPT_FROM = DJANGO
    pair = header(f"sessionid={'x' * 32}", f"sessionid={'y' * 32}")
    code = TRANSIENT[connections[database].vendor][0]
    with first_statements_fail(database, code, ALWAYS) as injection:
        answer = Client().get("/plain/", HTTP_COOKIE=pair)
    assert injection.fired
    assert (answer.status_code, lines(answer)) == (503, [])
