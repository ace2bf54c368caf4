"""Error reports: no frame shows a key, a digest or a secret, whatever raises where."""

import html
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from typing import Any

import django
import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import caches
from django.db import DatabaseError, connections
from django.test import Client
from django.utils.log import AdminEmailHandler

from sessionstore.conf import conf
from sessionstore.core import encryption
from sessionstore.core.crypto import derive
from sessionstore.models import Session
from tests.engine.old_sessions import DJANGO
from tests.engine.old_sessions import signed_in as old_cookie
from tests.faults.injection import PERMANENT, first_statements_fail
from tests.harness.databases import ENGINES
from tests.harness.reports import Raiser, leaks, raise_everywhere, recorded_in

PASSWORD = "correct horse"
PURPOSES = ("key.1", "old.1", "leave.1", "data.1", "data.2")
FILES = (
    *("core/", "session/", "table/", "cache/", "express/", "users/", "backends/"),
    *("moving/adoption", "moving/old_engine", "middleware"),
)
# What Django hands a cookie to: its own frames hold it, or its signal does.
HANDED_OVER = (
    *("SessionBackend.__init__", "SessionBackend._session_key", "Known.arriving", "as_text"),
    "forget_loaded",
)
numbers = count()


@dataclass
class Visit:
    """A browser and the secrets that its reports must not show."""

    browser: Client
    secrets: dict[str, Any]


def secrets_of(key: str) -> dict[str, Any]:
    """What nobody may read who reads a report."""
    opened = conf.keyring.open(key)
    secrets = {f"SECRET_KEY {n}": one for n, one in enumerate(conf.secrets)}
    for one in conf.secrets:
        secrets |= {f"derived secret {purpose}": derive(one, purpose) for purpose in PURPOSES}
    secrets["key"] = key
    if opened is not None:
        secrets |= {"digest": opened.digest, "random bytes": opened.material}
    return {
        name: bytes(one) if isinstance(one, bytes) else str.__str__(one)
        for name, one in secrets.items()
    }


def signed_in() -> Visit:
    browser = Client(raise_request_exception=False)
    browser.force_login(User.objects.create_user(f"user{next(numbers)}", password=PASSWORD))
    caches["default"].clear()
    cookie = browser.cookies["sessionid"].value
    return Visit(browser, secrets_of(cookie))


def with_old_cookie() -> Visit:
    cookie = old_cookie(f"user{next(numbers)}")
    browser = Client(raise_request_exception=False)
    browser.cookies["sessionid"] = cookie
    return Visit(browser, {**secrets_of(cookie), "digest of the new key": new_digest(cookie)})


def new_digest(cookie: str) -> bytes:
    return bytes(conf.keyring.derive_from(cookie, conf.secrets[0]).digest)


def sign_in(visit: Visit) -> None:
    name = User.objects.latest("pk").username
    visit.browser.post("/account/login/", {"username": name, "password": PASSWORD})


ACTS: dict[str, Callable[[Visit], object]] = {
    "read": lambda visit: visit.browser.get("/plain/"),
    "write": lambda visit: visit.browser.get("/remember/"),
    "sign in": sign_in,
    "sign out": lambda visit: visit.browser.post("/account/logout/"),
    "devices": lambda visit: visit.browser.get("/account/devices/"),
    "password": lambda visit: visit.browser.post(
        "/password/",
        dict.fromkeys(("old_password",), PASSWORD)
        | dict.fromkeys(("new_password1", "new_password2"), "battery staple"),
    ),
}
ENCRYPTED = ("read", "write", "sign in")


@pytest.fixture(autouse=True)
def pages(settings):
    """The pages of the project that tests/web shares."""
    settings.ROOT_URLCONF = "tests.web.urls"
    settings.LOGIN_URL = "sessionstore:login"
    settings.LOGIN_REDIRECT_URL = "/plain/"


def found(raiser: Raiser, prepare: Callable[[], Visit], act: Callable[[Visit], object]) -> set[str]:
    """Raise everywhere, and return what shows a secret."""
    shown: set[str] = set()
    for place, visit, error in raise_everywhere(raiser, prepare, act):
        if not place[0].endswith(HANDED_OVER):
            shown |= leaks(recorded_in(error), visit.secrets)
    return shown


LINES = pytest.mark.parametrize(
    "each_line", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["functions", "lines"]
)
SQL, CACHED = ENGINES
# Through the cache in short: what reads and fills it, and what ends an entry.
SHORT = {("write", False), ("sign out", False)}
CASES = [*((act, False) for act in ACTS), *((act, True) for act in ENCRYPTED)]


def through_the_cache(*case: object, short: bool) -> Any:
    """Return a case on the other engine, which takes the same way but for the cache."""
    return pytest.param(CACHED, *case, marks=() if short else pytest.mark.soak)


@LINES
@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("engine", "act", "encrypt"),
    [
        *((SQL, *case) for case in CASES),
        *(through_the_cache(*case, short=case in SHORT) for case in CASES),
    ],
    indirect=["engine"],
)
def test_no_frame_shows_a_secret(engine, database, settings, act, encrypt, each_line):
    """Every function that a request of ours runs through raises once."""
    settings.SESSIONSTORE_ENCRYPT = encrypt
    raiser = Raiser(FILES, each_line=each_line)
    assert found(raiser, signed_in, ACTS[act]) == set()
    assert len(raiser.tried) > 20


@LINES
@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("engine", "act"),
    [
        *((SQL, act) for act in ("read", "write", "sign out")),
        *(through_the_cache(act, short=False) for act in ("read", "write", "sign out")),
    ],
    indirect=["engine"],
)
def test_no_frame_shows_an_old_cookie(engine, database, settings, act, each_line):
    """Nor one that a session moves in with."""
    settings.SESSIONSTORE_ADOPT_FROM = DJANGO
    raiser = Raiser(FILES, each_line=each_line)
    assert found(raiser, with_old_cookie, ACTS[act]) == set()
    assert len(raiser.tried) > 20
    assert Session.objects.using(database).exists() or act == "sign out"


@LINES
@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("act", ["read", "sign out"])
def test_no_frame_shows_a_cookie_that_leaves(database, settings, act, each_line):
    """Nor on the engine that gives sessions back; what Django's own frames hold is Django's."""
    raiser = Raiser(("core/", "session/", "table/", "backends/"), each_line=each_line)

    def prepare() -> Visit:
        settings.SESSION_ENGINE = "sessionstore.backends.sql"
        visit = signed_in()
        settings.SESSION_ENGINE = "sessionstore.backends.leaving"
        return visit

    assert found(raiser, prepare, ACTS[act]) == set()
    assert len(raiser.tried) > 20


@pytest.mark.parametrize("method", ["exists", "delete"])
def test_a_key_that_other_code_hands_over_is_not_shown(engine, database, settings, method):
    """It comes as plain text, from an app that keeps keys."""
    visit = signed_in()
    key, store = visit.browser.cookies["sessionid"].value, import_module(engine).SessionStore()
    code = PERMANENT[connections[database].vendor][0]
    with (
        first_statements_fail(database, code, times=1),
        pytest.raises(DatabaseError) as caught,
    ):
        getattr(store, method)(key)
    del visit.secrets["digest"]  # as above, of MySQL
    assert leaks(recorded_in(caught.value), visit.secrets) == set()


# --- the reports that people read


@pytest.fixture
def mails(settings):
    """What goes to ADMINS, as HTML with the variables of each frame."""
    address = "admin@example.org"
    # Compat: Django 6.0 takes addresses, before it was pairs; 6.1 wants to know by what it sends.
    settings.ADMINS = [("Admin", address) if django.VERSION < (6, 0) else address]
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    handler = AdminEmailHandler(include_html=True)
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    yield lambda: "".join(f"{one.body} {one.alternatives}" for one in mail.outbox)
    logger.removeHandler(handler)


def reports_of(visit: Visit, settings, mails) -> dict[str, str]:
    """The debug page and the mail about a request that fails."""
    visit.browser.get("/plain/")
    settings.DEBUG = True
    page = visit.browser.get("/plain/").content.decode()
    assert "Traceback" in page
    return {"page": html.unescape(page), "mail": html.unescape(mails())}


def test_a_database_error_shows_neither_key_nor_digest(engine, database, settings, mails):
    """A look-up fails: the debug page, and the mail, with the statement's values in its frames."""
    visit = signed_in()
    code = PERMANENT[connections[database].vendor][0]
    with first_statements_fail(database, code, times=2) as injection:
        shown = reports_of(visit, settings, mails)
    assert injection.fired == 2
    if connections[database].vendor == "mysql":
        # The driver's own frames hold the statement with its values; a digest opens nothing.
        del visit.secrets["digest"]
    assert all("fetch" in one for one in shown.values())
    assert leaks(shown, visit.secrets) == set()


def test_a_server_without_the_library_shows_no_secret(
    engine, database, settings, mails, monkeypatch
):
    """Each encrypted session raises there, and so does each that is to be encrypted."""
    settings.SESSIONSTORE_ENCRYPT = True
    visit = signed_in()
    monkeypatch.setattr(encryption, "_library", lambda: None)
    shown = reports_of(visit, settings, mails)
    assert all("EncryptionUnavailable" in one for one in shown.values())
    assert leaks(shown, visit.secrets) == set()


def test_the_search_finds_what_it_looks_for():
    """Else the tests above would be green for ever."""

    def careless(key: str, digest: bytes) -> None:
        raise ValueError(key)

    secrets = {"key": "k" * 40, "digest": bytes(range(100, 132))}
    try:
        careless(**secrets)
    except ValueError as error:
        frame = error.__traceback__.tb_next.tb_frame
        shown = {name: repr(value) for name, value in frame.f_locals.items()}
        shown |= recorded_in(error)
    assert {one.rpartition(" ")[2] for one in leaks(shown, secrets)} == {"key", "digest"}


def test_whoever_traced_before_traces_again():
    """Else coverage ends with the first of these tests, for all that run after it."""

    def measure(_frame, _event, _arg):
        return None

    before = sys.gettrace()
    sys.settrace(measure)
    try:
        with Raiser(("nothing",)).armed():
            assert sys.gettrace() is not measure
        assert sys.gettrace() is measure
    finally:
        sys.settrace(before)
