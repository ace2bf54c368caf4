"""A sign-in makes its browser known: what is kept, what the browser gets, and when neither is."""

import string
from functools import partial

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.test import AsyncClient, Client

from sessionstore.known_devices.belonging import forget
from sessionstore.known_devices.rows import known_devices
from sessionstore.models import KnownDevice, Link, Session
from sessionstore.signals import Reason, new_device
from tests.harness.statements import record_statements
from tests.harness.threads import run_together
from tests.known.conftest import COOKIE, again, leave, rows, token_of
from tests.web.conftest import PASSWORD, sign_in

on_sqlite = pytest.mark.only_on("sqlite")
TABLES = ("sessionstore_known_device", "sessionstore_link")


@pytest.fixture
def told():
    """The handles of devices that were new."""
    seen = []

    def hear(device, handle, user, **_):
        seen.append((device.handle, handle, user.get_username()))

    new_device.connect(hear)
    yield seen
    new_device.disconnect(hear)


def kinds(seen) -> list[str]:
    """The verbs of what is written and read about devices."""
    return [one.sql.split()[0] for one in seen if any(table in one.sql for table in TABLES)]


def test_a_browser_is_known_after_its_first_sign_in(browser, user, told):
    """By a cookie of its own; the table holds no token, and the session is linked."""
    sign_in(browser, user)
    cookie, [row] = browser.cookies[COOKIE], rows()
    flags = {name: cookie[name] for name in ("path", "httponly", "samesite", "secure", "max-age")}
    assert flags == {
        "path": "/",
        "httponly": True,
        "samesite": "Lax",
        "secure": "",
        "max-age": 400 * 86400,
    }
    assert (row.user_id, row.user_agent is not None, row.ip) == (str(user.pk), True, "127.0.0.1")
    assert [handle for _, handle, _ in told] == [Session.objects.get().handle]
    stored = b"".join(bytes(getattr(row, name)) for name in ("id", "digest", "site", "fingerprint"))
    assert cookie.value.encode() not in stored
    assert Link.objects.count() == 1


@on_sqlite
def test_over_https_the_cookie_is_bound_to_the_host(browser, user, settings):
    """`__Host-`, with what browsers ask of that."""
    settings.SESSION_COOKIE_SECURE = True
    browser.get("/account/login/", secure=True)
    fields = {"username": "ann", "password": PASSWORD}
    token = browser.cookies["csrftoken"].value
    fields["csrfmiddlewaretoken"] = token
    answer = browser.post(
        "/account/login/", fields, secure=True, headers={"referer": "https://testserver/"}
    )
    cookie = answer.cookies[f"__Host-{COOKIE}"]
    assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")


def test_a_known_browser_is_told_of_no_more_and_gets_a_new_token(browser, user, told, clock):
    """Two statements: an UPDATE, and the link of the session."""
    sign_in(browser, user)
    first, [row] = token_of(browser), rows()
    clock.advance(days=3)
    leave(browser)
    with record_statements() as seen:
        sign_in(browser, user)
    assert kinds(seen) == ["INSERT", "UPDATE"]
    assert token_of(browser) not in {first, ""}
    assert [one.pk for one in rows()] == [row.pk]
    assert len(told) == 1


@on_sqlite
def test_what_each_request_costs(browser, another, user, settings):
    """New: three and the link in all; nothing on other requests, and nothing when it is off."""
    with record_statements() as seen:
        sign_in(browser, user)
    assert kinds(seen) == ["SELECT", "INSERT", "INSERT"]
    with record_statements() as seen:
        browser.get("/remember/")
        Client(headers={"cookie": f"{COOKIE}={token_of(browser)}"}).get("/plain/")
    assert kinds(seen) == []
    settings.SESSIONSTORE_KNOWN_DEVICES = False
    with record_statements() as seen:
        again(browser, user)
        sign_in(another, user)
        another.get("/account/devices/")
        another.get("/asks/")
    assert kinds(seen) == []
    assert token_of(another) == ""


@on_sqlite
@pytest.mark.parametrize("is_in", [False, True])
def test_a_login_that_is_rolled_back_leaves_nothing(browser, user, told, settings, is_in):
    """Neither a device nor another token nor a word of it, be it the second one there."""
    if is_in:
        sign_in(browser, user)
    before = token_of(browser), len(rows()), len(told)
    settings.DATABASES["default"]["ATOMIC_REQUESTS"] = True
    browser.raise_request_exception = False
    try:
        browser.get("/signs-in/?wants=error")
    finally:
        settings.DATABASES["default"]["ATOMIC_REQUESTS"] = False
    assert (token_of(browser), len(rows()), len(told)) == before


@on_sqlite
def test_a_device_stands_with_the_login_that_a_rolled_back_block_leaves(browser, user, told):
    """The view goes on, and the session is saved after all; that it is trusted is taken back."""
    browser.get("/signs-in/?wants=rollback&wants=trust")
    assert (len(rows()), len(told), bool(token_of(browser))) == (1, 1, True)
    assert browser.get("/asks/").json() == [True, False]


@on_sqlite
def test_a_user_who_was_rolled_back_leaves_no_device(browser, user, told):
    """The next one would get the same number."""
    browser.get("/signs-in/?wants=rollback&user=new")
    assert (rows(), token_of(browser), told) == ([], "", [])


@on_sqlite
def test_a_device_that_is_forgotten_while_somebody_signs_in_there_keeps_nobody_in(
    browser, user, monkeypatch
):
    """Just after its token was renewed: the session ends with the device."""
    sign_in(browser, user)
    renew = known_devices.renew

    def renew_and_forget(token, *args):
        renewed = renew(token, *args)
        forget([token.device_id], reason=Reason.OWNER)
        return renewed

    monkeypatch.setattr(known_devices, "renew", renew_and_forget)
    again(browser, user)
    assert (Session.objects.count(), rows()) == (0, [])


@on_sqlite
@pytest.mark.parametrize("page", ["/signs-in-async/", "/signs-in-async/?saved"])
def test_async_logins_are_the_same(user, told, page):
    """Of views that await, and of those that have saved the session by then."""
    browser = AsyncClient()
    async_to_sync(browser.get)(page)
    assert len(rows()) == len(told) == 1
    assert token_of(browser)


@on_sqlite
def test_the_first_sign_in_of_a_user_is_no_news(browser, another, user, told):
    """Nobody else has been there before; the second browser is."""
    get_user_model().objects.filter(pk=user.pk).update(last_login=None)
    sign_in(browser, user)
    assert told == []
    get_user_model().objects.filter(pk=user.pk).update(last_login=None)
    sign_in(another, user)
    assert len(told) == 1


@on_sqlite
def test_two_users_of_a_browser_are_two_devices(browser, user, told):
    """Each is known after the other has signed in, and shares nothing with them."""
    bob = get_user_model().objects.create_user("bob", password=PASSWORD)
    for one in (user, bob, user, bob):
        again(browser, one)
    assert {row.user_id for row in rows()} == {str(user.pk), str(bob.pk)}
    one, other = (
        {bytes(getattr(row, name)) for name in ("id", "digest", "fingerprint")} for row in rows()
    )
    assert not one & other
    assert len(told) == 1, "bob's first sign-in is no news"


@on_sqlite
def test_a_token_of_another_user_counts_for_nothing(browser, another, user, told):
    """Mallory has copied ann's cookie: as mallory she is new, and no SQL asks for ann's row."""
    sign_in(browser, user)
    get_user_model().objects.create_user("mallory", password=PASSWORD)
    another.cookies[COOKIE] = token_of(browser)
    with record_statements() as seen:
        assert another.get("/asks/?user=mallory").json() == [False, False]
    assert kinds(seen) == []
    assert another.get("/asks/").json() == [True, False]
    assert another.get("/plain/").content == b"", "it signs nobody in"


@on_sqlite
def test_a_copied_token_is_known_to_neither_side_after_both_used_it(
    browser, another, user, told, clock
):
    """The thief signs in first; when the owner comes with the old token, both are new again."""
    sign_in(browser, user)
    another.cookies[COOKIE] = token_of(browser)
    clock.advance(days=1)
    sign_in(another, user)
    clock.advance(days=1)
    again(browser, user)
    assert len(told) == 2
    clock.advance(minutes=2)
    again(another, user)
    assert len(told) == 3


@on_sqlite
def test_the_token_of_a_login_that_was_just_replaced_still_counts(browser, another, user, told):
    """Two logins at once in one browser: the second answer leaves the cookie alone."""
    sign_in(browser, user)
    first = token_of(browser)
    again(browser, user)
    another.cookies[COOKIE] = first
    assert COOKIE not in sign_in(another, user).cookies
    assert (len(rows()), len(told)) == (1, 1)
    again(browser, user)
    assert (len(rows()), len(told)) == (1, 1)


@pytest.mark.only_on("sqlite", "mariadb", "postgresql", "mysql")
def test_logins_at_once_in_a_known_browser_leave_one_device(browser, user, told):
    """Whichever answer comes last, the browser is known at the next login."""
    sign_in(browser, user)
    before = token_of(browser)

    def one_more() -> str:
        tab = Client()
        tab.cookies[COOKIE] = before
        answer = tab.get("/signs-in/")
        return answer.cookies[COOKIE].value if COOKIE in answer.cookies else ""

    outcomes = run_together([partial(one_more) for _ in range(4)])
    sent = [value for value in outcomes if value]
    assert (len(sent), len(rows()), len(told)) == (1, 1, 1), outcomes
    browser.cookies[COOKIE] = sent[0]
    again(browser, user)
    assert len(told) == 1


@on_sqlite
def test_a_new_secret_forgets_no_device_while_the_old_one_is_listed(browser, user, told, settings):
    """What has signed in meanwhile stays known when it is dropped; a sudden one forgets all."""
    sign_in(browser, user)
    browser.get("/trusts/")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "new" * 20
    assert browser.get("/asks/").json() == [True, True]
    again(browser, user)
    settings.SECRET_KEY_FALLBACKS = []
    browser.cookies.pop("csrftoken")
    again(browser, user)
    assert len(told) == 1
    settings.SECRET_KEY = "newer" * 20
    browser.cookies.pop("csrftoken")
    again(browser, user)
    assert len(told) == 2


@on_sqlite
def test_a_device_is_known_for_its_age_after_the_last_sign_in(browser, user, told, settings, clock):
    """An age that was shortened counts at once."""
    settings.SESSIONSTORE_KNOWN_DEVICES = 100 * 86400
    sign_in(browser, user)
    for _ in range(3):
        clock.advance(days=60)
        again(browser, user)
    assert len(told) == 1
    settings.SESSIONSTORE_KNOWN_DEVICES = 50 * 86400
    clock.advance(days=60)
    again(browser, user)
    assert len(told) == 2


@on_sqlite
def test_a_user_has_so_many_devices_and_no_more(user, settings, clock):
    """The one that was used longest ago makes room."""
    settings.SESSIONSTORE_KNOWN_DEVICES = {"most": 2}
    browsers = [Client() for _ in range(4)]
    for one in browsers:
        clock.advance(minutes=1)
        one.get("/signs-in/")
    assert [token_of(one) != "" for one in browsers] == [True] * 4
    known = [one.get("/asks/").json()[0] for one in browsers]
    assert known == [False, False, True, True]


@on_sqlite
@pytest.mark.parametrize("with_password", [True, False])
def test_devices_end_with_the_password_where_the_site_says_so(
    browser, user, told, settings, with_password
):
    """Also where no signal tells of it."""
    settings.SESSIONSTORE_KNOWN_DEVICES = {"end_with_password": with_password}
    sign_in(browser, user)
    user.set_password("another one")
    get_user_model().objects.filter(pk=user.pk).update(password=user.password)
    assert browser.get("/asks/").json()[0] is not with_password
    leave(browser)
    browser.get("/signs-in/")
    assert len(told) == 1 + with_password
    assert len(rows()) == 1


@on_sqlite
@pytest.mark.parametrize("at_once", [1, 3])
def test_devices_end_with_the_account(user, at_once):
    """When that is committed; many in one statement."""
    users = [user, *(get_user_model().objects.create_user(f"u{n}") for n in range(at_once - 1))]
    for one in users:
        Client().get(f"/signs-in/?user={one.get_username()}")
    assert len(rows()) == at_once
    with record_statements() as seen:
        get_user_model().objects.all().delete()
    deletes = [sql for sql in seen.about(TABLES[0]) if sql.startswith("DELETE")]
    assert (rows(), len(deletes)) == ([], 1)


@on_sqlite
@pytest.mark.parametrize(
    "value",
    [
        "x",
        "A" * 59,
        ".".join(["A" * 59] * 60),
        "A" * 100_000,
        "é\u2000",
        ";".join(f" {COOKIE}={'B' * 59}" for _ in range(50)),
        "=" * 59,
        ("A" * 58) + "\n",
    ],
    ids=range(8),
)
def test_no_cookie_that_was_made_up_costs_a_statement(browser, user, value):
    """Forged, huge, many: the login goes on, and the browser gets a right one."""
    sent = Client(
        headers={"cookie": f"{COOKIE}={value}".encode(errors="replace").decode("latin-1")}
    )
    with record_statements() as seen:
        assert sent.get("/asks/").json() == [False, False]
    assert kinds(seen) == []
    with record_statements() as seen:
        answer = sent.get("/signs-in/")
    assert kinds(seen) == ["SELECT", "INSERT", "INSERT"]
    assert len(answer.cookies[COOKIE].value) < 5 * 60


@on_sqlite
def test_a_token_has_one_spelling(browser, user):
    """Of the last character two bits are spare: no other one that says the same counts."""
    sign_in(browser, user)
    token = token_of(browser)
    spelt = [token[:-1] + last for last in string.ascii_letters + string.digits + "-_"]
    known = [
        Client(headers={"cookie": f"{COOKIE}={text}"}).get("/asks/").json()[0] for text in spelt
    ]
    assert known.count(True) == 1


@on_sqlite
def test_a_cookie_that_a_sibling_domain_has_set_hides_nothing(browser, user):
    """All of that name are read, and nothing under a name that is only nearly right."""
    sign_in(browser, user)
    good = token_of(browser)
    for header in (
        f"{COOKIE}=x; {COOKIE}={good}; {COOKIE}=y",
        f"\u2000{COOKIE}=z; {COOKIE}={good}",
    ):
        sent = Client(headers={"cookie": header.encode().decode("latin-1")})
        assert sent.get("/asks/").json() == [True, False]
    sent = Client(headers={"cookie": f"\u2000{COOKIE}={good}".encode().decode("latin-1")})
    assert sent.get("/asks/").json() == [False, False]


@on_sqlite
def test_a_database_that_fails_keeps_nobody_from_signing_in(browser, user, monkeypatch, caplog):
    """One record; the next sign-in makes the browser known."""
    monkeypatch.setattr(KnownDevice._meta, "db_table", "nowhere")
    answer = sign_in(browser, user)
    assert (answer.status_code, token_of(browser)) == (302, "")
    assert "A device is not known" in caplog.text


@on_sqlite
def test_another_site_in_the_same_table_shares_no_device(browser, another, user, settings):
    """Its user has the same key; its devices are not listed, and stay with its account."""
    sign_in(browser, user)
    own, settings.SECRET_KEY = settings.SECRET_KEY, "of another site" * 4
    another.get("/signs-in/")
    settings.SECRET_KEY = own
    assert len(known_devices.of_user(str(user.pk))) == 1
    assert [known_devices.count_of(one) for one in (None, str(user.pk))] == [1, 1]
    assert known_devices.remove_of_users([str(user.pk)]) == 1
    assert known_devices.remove_all(10) == 0
    assert len(rows()) == 1
