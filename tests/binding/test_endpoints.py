"""What browsers ask on their own behalf, and what others may send in their place."""

import json

import pytest
from django.db import OperationalError, connections

from sessionstore.core.binding import tokens
from sessionstore.core.expiry import to_ms
from sessionstore.models import Session
from sessionstore.signals import session_bound
from tests.binding.client import REFRESH, REGISTER, Browser, DeviceKey, base64url, parameter
from tests.harness.statements import record_statements
from tests.harness.threads import run_together

SECRETS = ["only-for-tests-" + "x" * 50]
TABLE = "sessionstore_session"


@pytest.fixture
def offered(clock, user):
    """A browser that has signed in and not answered the offer yet, and the offer."""
    browser = Browser(clock, can_bind=False)
    response = browser.sign_in(user)
    return browser, response.headers["Secure-Session-Registration"]


@pytest.fixture
def row(database):
    return lambda: Session.objects.using(database).get()


def send(browser, path, **headers):
    """Send one request of the browser's own; names of headers without their dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return browser.client.post(path, secure=True, headers=named)


def prove(browser, *, by=None, challenge=None, name=None):
    """Send a proof for a refresh, right but for what is given."""
    bound = browser.bindings[0]
    name = name or bound.name
    if challenge is None:
        asked = send(browser, REFRESH, sec_secure_session_id=name)
        challenge = parameter(asked.headers["Secure-Session-Challenge"], "")
    proof = (by or bound.key).proof(challenge, registers=False)
    return send(browser, REFRESH, sec_secure_session_id=name, secure_session_response=proof)


# --- what is right


def test_a_login_is_offered_to_be_bound(offered):
    """Once, on its own answer, whatever that is."""
    browser, header = offered
    assert header.startswith(f'(ES256);path="{REGISTER}";challenge="')
    assert "Secure-Session-Registration" not in browser.open("/plain/").headers


def test_a_registration_answers_what_to_keep_up(offered, row, clock):
    """With every attribute of the cookie spelled, in the answer and in the cookie."""
    browser, header = offered
    response = browser.register(header)
    assert response.json() == {
        "session_identifier": tokens.identifier(bytes(row().pk), to_ms(row().bound_at)),
        "refresh_url": REFRESH,
        "scope": {"include_site": False},
        "credentials": [
            {
                "type": "cookie",
                "name": "sessionid_device",
                "attributes": "Path=/; SameSite=Lax; Secure; HttpOnly",
            }
        ],
    }
    cookie = response.cookies["sessionid_device"]
    names = ("path", "samesite", "secure", "httponly", "max-age", "domain")
    assert [cookie[name] for name in names] == ["/", "Lax", True, True, 600, ""]


def test_the_cookie_has_the_prefix_of_the_sessions(offered, settings, user, clock):
    """So that no sibling domain can set it."""
    settings.SESSION_COOKIE_NAME = "__Host-sessionid"
    browser = Browser(clock)
    browser.sign_in(user)
    assert browser.value("__Host-sessionid_device")


def test_a_refresh_is_asked_for_a_proof_and_then_answered(browser):
    """With the same instructions, and the cookie."""
    bound = browser.bindings[0]
    asked = send(browser, REFRESH, sec_secure_session_id=bound.name)
    told = asked.headers["Secure-Session-Challenge"]
    assert (asked.status_code, parameter(told, "id")) == (403, bound.name)
    response = prove(browser, challenge=parameter(told, ""))
    assert response.status_code == 200
    assert response.json()["session_identifier"] == bound.name
    assert response.cookies["sessionid_device"]["max-age"] == 600


def test_no_answer_is_kept_by_a_cache(browser, offered):
    """Neither a proof's nor a question's."""
    bound = browser.bindings[0]
    answers = [
        send(browser, REGISTER),
        send(browser, REFRESH, sec_secure_session_id=bound.name),
        send(browser, REFRESH, sec_secure_session_id="sother"),
        prove(browser),
    ]
    assert all("no-store" in one.headers["Cache-Control"] for one in answers)


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "options"])
@pytest.mark.parametrize("path", [REGISTER, REFRESH])
def test_only_a_post_is_taken(database, client, method, path):
    """Without a token against forgeries: no form can send these headers."""
    assert getattr(client, method)(path, secure=True).status_code == 405


@pytest.mark.parametrize("path", [REGISTER, REFRESH])
def test_who_sends_no_headers_gets_nothing(database, client, path):
    """A form, a script, a curious person."""
    with record_statements() as seen:
        assert client.post(path, secure=True).status_code == 403
    assert seen == []


def test_the_endpoints_need_no_login(browser, settings):
    """Where the site asks everybody to sign in: a redirect would end the binding."""
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    del browser.client.cookies["sessionid_device"]
    assert browser.reads() == "ann"


# --- statements


def test_what_binding_costs(engine, clock, user, database):
    """A login nothing more, binding one UPDATE, a question nothing, a proof one SELECT."""
    browser = Browser(clock, can_bind=False)
    with record_statements() as seen:
        header = browser.sign_in(user).headers["Secure-Session-Registration"]
    assert len(seen.about(TABLE)) == 1
    with record_statements() as seen:
        browser.register(header)
    assert [sql.partition(" ")[0] for sql in seen.on(database)] == ["UPDATE"]
    bound = browser.bindings[0]
    with record_statements() as seen:
        asked = send(browser, REFRESH, sec_secure_session_id=bound.name)
    assert seen == []
    with record_statements() as seen:
        prove(browser, challenge=parameter(asked.headers["Secure-Session-Challenge"], ""))
    assert [sql.partition(" ")[0] for sql in seen.on(database)] == ["SELECT"]


@pytest.mark.only_on("sqlite")
def test_an_ordinary_request_costs_what_it_did(browser, settings, database):
    """Of a bound session, and of one where nothing is bound."""
    with record_statements() as seen:
        browser.reads()
    bound = seen.about(TABLE)
    settings.SESSIONSTORE_BIND_DEVICE = False
    with record_statements() as seen:
        browser.open("/plain/")
    assert bound == seen.about(TABLE)
    assert len(bound) == 1


@pytest.mark.parametrize("cookie", [None, "forged", "0" * 40])
def test_a_refresh_without_a_session_costs_nothing_and_ends_the_binding(browser, cookie):
    """The user has signed out, or the cookie has ended."""
    name = browser.bindings[0].name
    browser.client.cookies.clear()
    if cookie:
        browser.client.cookies["sessionid"] = cookie
    with record_statements() as seen:
        response = send(browser, REFRESH, sec_secure_session_id=name)
    assert (seen, response.json()) == ([], {"session_identifier": name, "continue": False})


# --- attacks: registering


def registering(browser, header, key=None, **changed):
    key = key or DeviceKey()
    proof = key.proof(parameter(header, "challenge"), registers=True, **changed)
    return send(browser, REGISTER, secure_session_response=proof).status_code


@pytest.mark.parametrize(
    "changed",
    [
        {"head": {"alg": "none"}},
        {"head": {"alg": "HS256"}},
        {"head": {"alg": "RS256"}},
        {"head": {"crit": ["b64"]}},
        {"head": {"typ": "JWT"}},
        {"head": {"jwk": None}},
        {"head": {"jwk": {**DeviceKey().jwk, "d": base64url(b"1" * 32)}}},
        {"head": {"jwk": {**DeviceKey().jwk, "y": base64url(b"1" * 32)}}},
        {"head": {"jwk": DeviceKey().jwk}},
        {"signature": bytes(64)},
        {"payload": {"jti": "made up"}},
        {"payload": {"jti": "A" * 52}},
        {"payload": {"jti": "c", "more": "x" * 8192}},
        {"payload": '{"jti":' + "[" * 900},
    ],
)
def test_what_no_browser_sends_binds_nothing(offered, row, changed):
    """Refused without SQL, and the right one is still taken."""
    browser, header = offered
    with record_statements() as seen:
        assert registering(browser, header, **changed) == 400
    assert (seen, row().bound_at) == ([], None)
    assert registering(browser, header) == 200


def test_an_offer_counts_for_two_minutes(offered, clock):
    """It came with the login."""
    browser, header = offered
    clock.advance(seconds=121)
    assert registering(browser, header) == 400


def test_an_offer_is_for_its_own_session(offered, clock, user, row):
    """Not for that of another user, nor for who has no session."""
    _, header = offered
    other = Browser(clock, can_bind=False)
    other.sign_in(user)
    assert registering(other, header) == 400
    assert registering(Browser(clock), header) == 400


def test_the_first_key_is_the_one(offered, row, refusals):
    """A second one is refused, and told."""
    browser, header = offered
    first = DeviceKey()
    assert registering(browser, header, first) == 200
    assert registering(browser, header) == 400
    assert bytes(row().device_key) == first.point
    assert refusals == [("unproved", row().handle)]


def test_the_same_registration_again_has_the_same_answer(offered, row, clock):
    """A browser repeats it when its connection was dropped; and no time is bought by that."""
    browser, header = offered
    key = DeviceKey()
    assert registering(browser, header, key) == 200
    bound_at = row().bound_at
    clock.advance(seconds=100)
    response = browser.register(header, key)
    assert response.cookies["sessionid_device"]["max-age"] == 500
    assert row().bound_at == bound_at


def test_of_registrations_at_once_one_binds(engine, clock, user, database, row):
    """Whoever has the login's answer may try; the row has one key."""
    browser = Browser(None, can_bind=False)
    header = browser.sign_in(user).headers["Secure-Session-Registration"]
    keys = [DeviceKey() for _ in range(6)]
    rivals = [browser.copied() for _ in keys]
    outcomes = run_together(
        [
            lambda rival=rival, key=key: registering(rival, header, key)
            for rival, key in zip(rivals, keys, strict=True)
        ]
    )
    assert sorted(outcomes) == [200, 400, 400, 400, 400, 400]
    assert bytes(row().device_key) == keys[outcomes.index(200)].point


def test_a_visitor_binds_nothing(clock, user, row):
    """Nor does a session whose user has signed out."""
    browser = Browser(clock, can_bind=False)
    header = browser.sign_in(user).headers["Secure-Session-Registration"]
    row().__class__.objects.using(row()._state.db).update(user_id=None)
    assert registering(browser, header) == 400


def test_nothing_is_offered_without_https(clock, user, client):
    """Browsers would not take it."""
    response = client.post("/account/login/", {"username": "ann", "password": "correct horse"})
    assert response.status_code == 302
    assert "Secure-Session-Registration" not in response.headers


def test_binding_is_told(offered, row):
    """By a signal."""
    told = []

    def note(handle, **_):
        told.append(handle)

    session_bound.connect(note)
    browser, header = offered
    registering(browser, header)
    session_bound.disconnect(note)
    assert told == [row().handle]


# --- attacks: refreshing


def test_a_proof_of_another_key_ends_only_its_own(browser):
    """The victim goes on."""
    thief = browser.copied()
    thief.bindings = list(browser.bindings)
    assert prove(thief, by=DeviceKey()).json()["continue"] is False
    assert prove(browser).status_code == 200


def test_a_proof_for_another_name_ends_only_that(browser):
    """Such as the binding that a later login has replaced."""
    assert prove(browser, name="sother").json() == {
        "session_identifier": "sother",
        "continue": False,
    }
    assert prove(browser).status_code == 200


def test_a_session_of_ones_own_proves_no_other(browser, clock, user):
    """With the victim's cookie and the own key, by either name."""
    own = Browser(clock)
    own.sign_in(user)
    thief = browser.copied("sessionid")
    thief.bindings = list(own.bindings)
    assert prove(thief).json()["continue"] is False
    assert prove(thief, name=browser.bindings[0].name).json()["continue"] is False
    assert browser.reads() == "ann"


@pytest.mark.parametrize("which", ["stale", "of another", "to register", "made up", "empty"])
def test_a_challenge_that_is_not_right_is_answered_by_a_new_one(browser, clock, which):
    """The binding lives on: the browser may have been slow."""
    name = browser.bindings[0].name
    now = clock.now_ms
    challenge = {
        "stale": tokens.refresh_challenge(SECRETS, name, now=now - 121_000),
        "of another": tokens.refresh_challenge(SECRETS, "sother", now=now),
        "to register": tokens.registration_challenge(SECRETS, bytes(16), now=now),
        "made up": "A" * 30,
        "empty": "",
    }[which]
    with record_statements() as seen:
        response = prove(browser, challenge=challenge)
    assert (response.status_code, seen) == (403, [])
    assert parameter(response.headers["Secure-Session-Challenge"], "id") == name


def test_a_proof_that_is_sent_again_buys_no_time(browser, clock):
    """Its cookie ends when the first one does."""
    asked = send(browser, REFRESH, sec_secure_session_id=browser.bindings[0].name)
    challenge = parameter(asked.headers["Secure-Session-Challenge"], "")
    prove(browser, challenge=challenge)
    clock.advance(seconds=119)
    response = prove(browser, challenge=challenge)
    assert response.cookies["sessionid_device"]["max-age"] == 481
    clock.advance(seconds=2)
    assert prove(browser, challenge=challenge).status_code == 403


@pytest.mark.parametrize(
    "changed",
    [
        {"head": {"alg": "none"}},
        {"head": {"jwk": DeviceKey().jwk}},
        {"payload": {"jti": "c", "more": "x" * 8192}},
        {"payload": '{"jti":"a","jti":"b"}'},
    ],
)
def test_what_is_no_proof_is_refused_without_sql(browser, changed):
    """No browser sends it."""
    bound = browser.bindings[0]
    proof = bound.key.proof("c", registers=False, **changed)
    with record_statements() as seen:
        response = send(
            browser, REFRESH, sec_secure_session_id=bound.name, secure_session_response=proof
        )
    assert (response.status_code, seen) == (400, [])


def test_a_session_that_has_ended_is_not_refreshed(browser, database):
    """Whoever has ended it."""
    Session.objects.using(database).all().delete()
    assert prove(browser).json()["continue"] is False


def test_a_database_that_is_down_leaves_the_binding_alone(browser, monkeypatch, database):
    """The browser asks again with its next request."""
    bound = browser.bindings[0]

    def fail(*_):
        raise OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(connections[database], "cursor", fail)
        assert prove(browser).status_code in (500, 503)
    browser.client.cookies.pop("sessionid_device")
    assert browser.reads() == "ann"
    assert browser.bindings == [bound]


def test_a_change_of_secret_signs_nobody_out(browser, settings, clock):
    """While the old one is among the fallbacks: cookie, challenge and proof hold."""
    asked = send(browser, REFRESH, sec_secure_session_id=browser.bindings[0].name)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another" * 10
    assert browser.reads() == "ann"
    challenge = parameter(asked.headers["Secure-Session-Challenge"], "")
    assert prove(browser, challenge=challenge).status_code == 200
    clock.advance(minutes=11)
    assert browser.reads() == "ann"


@pytest.mark.parametrize("ahead", [-25, 25, 300])
def test_servers_whose_clocks_differ_take_each_others_cookies(browser, clock, ahead):
    """By half a minute behind, and by minutes ahead."""
    del browser.client.cookies["sessionid_device"]
    clock.advance(seconds=ahead)
    browser.refresh_if_due()
    clock.advance(seconds=-ahead)
    assert browser.client.cookies["sessionid_device"]
    assert browser.open("/plain/").content == b"ann"


def test_a_browser_is_asked_early_when_its_proof_is_nearly_due(browser, clock):
    """Then it proves itself without a question."""
    clock.advance(minutes=6, seconds=30)
    assert "Secure-Session-Challenge" in browser.open("/plain/").headers
    clock.advance(seconds=100)
    del browser.client.cookies["sessionid_device"]
    browser.log.clear()
    assert browser.reads() == "ann"
    assert browser.log == [("refresh", 200)]


def test_json_is_json(browser):
    """Chromium does not look at the type, and somebody may."""
    response = prove(browser)
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.content)
