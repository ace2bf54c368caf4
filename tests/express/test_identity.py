"""Two halves sign users in to one session: never two identities, and none that nobody proved."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.http import HttpRequest

from sessionstore.backends.express import SessionStore
from sessionstore.core.express_format import new_sid, sign
from sessionstore.express.store import ExpressStore
from sessionstore.forms import ConfirmForm
from sessionstore.receivers.accounts import remember_reauthentication
from sessionstore.views.login import ConfirmView
from tests.express.conftest import each_release
from tests.express.peer import SECRETS, Browser
from tests.express.test_lifetime import sid_of
from tests.harness.statements import record_statements

MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
by_node = pytest.mark.only_on("mariadb", "mysql", "postgresql")
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def ann(db) -> User:
    return User.objects.create_user("ann")


@pytest.fixture
def bob(db) -> User:
    return User.objects.create_user("bob")


@pytest.fixture(params=[None, True], ids=["untrusted", "trusted"])
def mapping(request, settings) -> Any:
    """Whether Django takes passport's user for its own."""
    return request.param


@pytest.fixture
def trusted(browser: Browser, settings) -> Browser:
    """A browser before a site that takes passport's user for Django's."""
    settings.SESSIONSTORE_EXPRESS = {**settings.SESSIONSTORE_EXPRESS, "user": True}
    return browser


def login_keys(user: User) -> dict[str, str]:
    """Return what Django's login writes."""
    return {
        "_auth_user_id": str(user.pk),
        "_auth_user_backend": MODEL_BACKEND,
        "_auth_user_hash": user.get_session_auth_hash(),
    }


def express_writes(key: str, change: Change) -> None:
    """Let Express load a session, change it and save it."""
    store, sid = ExpressStore(), sid_of(key)
    session = store.get(sid)
    assert session is not None
    change(session)
    assert store.set(sid, session)


def passport(user: User | None) -> Change:
    """Sign in or out as passport 0.5 does: under the same id."""
    return lambda session: session.update(passport={} if user is None else {"user": user.pk})


def in_express(user: User | None) -> Browser:
    """Return a browser whose session began in Express."""
    sid = new_sid()
    ExpressStore().set(sid, {"cookie": {}, "n": 0})
    browser = Browser(cookie=sign(sid, SECRETS[0]))
    express_writes(browser.cookie, passport(user))
    return browser


def in_django(user: User) -> Browser:
    """Return a browser that has signed in to Django."""
    browser = Browser()
    browser.django(["login", user.pk])
    return browser


def seen(browser: Browser) -> tuple[int | None, bool]:
    """Return who is signed in to Django, and whether it has proof of that."""
    answer = browser.django()
    return answer["user"], answer["recent"]


def stored(browser: Browser) -> dict[str, Any]:
    session = ExpressStore().get(sid_of(browser.cookie))
    assert session is not None
    return session


class TestSeal:
    @pytest.fixture(autouse=True)
    def table(self, shared_table) -> None:
        shared_table()

    def test_what_express_writes_of_a_sign_in_raises_no_level(self, ann):
        """Neither where Django's data stand, nor under its seal."""
        browser = in_django(ann)
        session = SessionStore(browser.cookie)
        session.mark_authenticated("otp", level=1)
        session.save()
        at = session.authenticated_at_ms

        def levels():
            return [fact.level for fact in SessionStore(browser.cookie).sign_ins]

        forged = {"x": [str(ann.pk), at, "webauthn", 2, "", None]}
        express_writes(browser.cookie, lambda row: row.update(_session_sign_ins=forged))
        assert (levels(), stored(browser)["_session_sign_ins"]) == ([1, 1], forged)
        express_writes(browser.cookie, lambda row: row["_sessionstore"].update(sign_ins=forged))
        assert (levels(), seen(browser)) == ([], (None, False))

    def test_what_express_writes_where_django_knows_nothing_is_no_fact(self, ann):
        """A row that Django has sealed before it kept any: its moment can be read by Express."""
        session = SessionStore()
        session.update(login_keys(ann))
        session.mark_authenticated()
        del session["_session_sign_ins"]
        session.save()
        forged = {"x": [str(ann.pk), session.authenticated_at_ms, "webauthn", 2, "", None]}
        express_writes(session.session_key, lambda row: row.update(_session_sign_ins=forged))
        again = SessionStore(session.session_key)
        assert (again.authenticated_at_ms, again.sign_ins) == (session.authenticated_at_ms, ())

    def test_a_login_of_django_counts_as_django_wrote_it(self, ann):
        """Whatever else Express adds, in whatever order it writes."""
        browser = in_django(ann)

        def change(session: dict[str, Any]) -> None:
            ours, number = session.pop("_sessionstore"), session.pop("_auth_user_id")
            session["_sessionstore"] = dict(reversed(ours.items()))
            session |= {"cart": [1], "_auth_user_id": number}

        express_writes(browser.cookie, change)
        assert seen(browser) == (ann.pk, True)

    def test_a_login_that_nobody_sealed_is_none(self, ann):
        """Whoever assigns a form to the session cannot sign in by that."""
        browser = in_express(None)
        express_writes(browser.cookie, lambda session: session.update(login_keys(ann)))
        assert seen(browser) == (None, False)

    @pytest.mark.parametrize("mac", [None, "", "0" * 32, "é" * 32, 7, ["0"], {"a": 1}, "x" * 5000])
    def test_a_time_that_nobody_sealed_proves_nothing(self, ann, mac, settings):
        """`_sessionstore` assigned in Express set a recent login until 9999."""
        settings.SESSIONSTORE_EXPRESS = {**settings.SESSIONSTORE_EXPRESS, "user": True}
        browser = in_express(ann)
        times = {"created_at": 1, "authenticated_at": 253_402_300_799_000, "mac": mac}
        express_writes(browser.cookie, lambda session: session.update(_sessionstore=times))
        assert seen(browser) == (ann.pk, False)

    @pytest.mark.parametrize("name", ["created_at", "authenticated_at"])
    def test_a_time_that_was_moved_ends_the_login(self, ann, name):
        """The times are sealed with the user whom they are of."""
        browser = in_django(ann)

        def change(session: dict[str, Any]) -> None:
            session["_sessionstore"][name] += 1

        express_writes(browser.cookie, change)
        assert seen(browser) == (None, False)

    def test_a_login_of_a_host_whose_clock_is_ahead_counts(self, ann, clock):
        """The seal tells that Django has set its times: no host signs another host's user out."""
        now = clock.now
        clock.advance(hours=1)
        browser = in_django(ann)
        clock.move_to(now)
        assert seen(browser) == (ann.pk, True)
        assert browser.django(["set", "a", 1])["user"] == ann.pk

    @pytest.mark.parametrize("name", ["_auth_user_id", "_auth_user_backend", "_auth_user_hash"])
    def test_half_a_login_is_none(self, ann, name):
        """Each of the three keys is sealed, and so is that it is there."""
        for change in (
            lambda session: session.pop(name),
            lambda session: session.update({name: 7}),
        ):
            browser = in_django(ann)
            express_writes(browser.cookie, change)
            assert seen(browser)[0] is None

    def test_the_seal_of_another_session_of_the_same_user_is_none(self, ann):
        """It names the id that it was made for."""
        one, other = in_django(ann), in_django(ann)
        copied = stored(one)
        express_writes(other.cookie, lambda session: session.update(copied))
        assert seen(other) == (None, False)

    def test_an_older_seal_of_the_same_session_is_none_once_express_has_signed_in(self, ann, bob):
        """It was made while Express said that nobody was."""
        browser = in_django(ann)
        older = stored(browser)
        express_writes(browser.cookie, passport(bob))
        assert seen(browser)[0] is None
        express_writes(browser.cookie, lambda session: session.update(older))
        assert seen(browser)[0] is None

    def test_a_void_login_is_written_away_by_the_next_request(self, ann, bob):
        """Else it would come back when Express has taken back what it said."""
        browser = in_django(ann)
        express_writes(browser.cookie, passport(bob))
        assert browser.django()["session"].keys() == {"passport"}
        assert "_auth_user_id" not in stored(browser)
        express_writes(browser.cookie, lambda session: session.pop("passport"))
        assert seen(browser)[0] is None

    def test_a_new_secret_key_keeps_the_login_while_the_old_one_is_known(self, ann, settings):
        """The first request seals it anew."""
        browser, old = in_django(ann), settings.SECRET_KEY
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [old]
        with record_statements() as statements:
            session = SessionStore(browser.cookie)
            assert session["_auth_user_id"] == str(ann.pk)
            session.save()
        assert len(statements.about("sessions")) == 2
        settings.SECRET_KEY_FALLBACKS = []
        assert SessionStore(browser.cookie).authenticated_at_ms is not None

    def test_without_the_old_key_a_login_is_none(self, ann, settings):
        """As with Django's own hash of the password."""
        browser = in_django(ann)
        settings.SECRET_KEY = "another"
        assert seen(browser) == (None, False)

    def test_a_void_seal_begins_a_session_anew(self, ann, settings, clock):
        """The absolute timeout counts from the next request, which writes that down."""
        settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = 600
        browser = in_express(None)
        browser.django()
        clock.advance(seconds=400)
        express_writes(browser.cookie, passport(ann))
        browser.django()
        clock.advance(seconds=400)
        assert browser.django()["session"]["n"] == 0
        clock.advance(seconds=201)
        assert browser.django()["session"] == {}

    def test_a_session_from_before_has_no_seal_and_no_login(self, ann):
        """It is asked for the password once."""
        browser = in_django(ann)
        express_writes(browser.cookie, lambda session: session["_sessionstore"].pop("mac"))
        assert seen(browser) == (None, False)

    def test_no_foreign_value_breaks_a_request(self, ann, settings):
        """Deep, large and odd ones beside a seal."""
        settings.SESSIONSTORE_EXPRESS = {**settings.SESSIONSTORE_EXPRESS, "user": True}
        deep: Any = []
        for _ in range(90):
            deep = [deep]
        for odd in (deep, {"a": deep}, 1e300, -0.0, "\ud800", "\0", 2**53, None):
            browser = in_django(ann)
            express_writes(browser.cookie, lambda session, odd=odd: session.update(passport=odd))
            assert seen(browser)[0] is None, odd
            browser.django(["login", ann.pk])
            assert seen(browser) == (ann.pk, True)


class TestWhatTheOtherHalfSaysLater:
    """On each database, with a write of Express under the same id, as passport 0.5 does it."""

    @pytest.fixture(autouse=True)
    def table(self, shared_table, mapping) -> None:
        shared_table(user=mapping)

    def test_a_later_login_of_express_ends_that_of_django(self, ann, bob, mapping):
        """Django shows what Express shows, or nobody."""
        browser = in_django(ann)
        express_writes(browser.cookie, passport(bob))
        assert seen(browser) == (bob.pk if mapping else None, False)
        assert browser.django(["set", "a", 1])["user"] == (bob.pk if mapping else None)
        assert "_auth_user_id" not in stored(browser)

    def test_a_later_logout_of_express_ends_that_of_django(self, ann):
        """Also where passport said the same user, and with what is left of it."""
        browser = in_express(ann)
        browser.django(["login", ann.pk])
        express_writes(browser.cookie, passport(None))
        assert seen(browser) == (None, False)

    def test_a_login_of_django_ends_that_of_another_user_of_express(self, ann, bob):
        """Whether it is derived or not trusted at all."""
        browser = in_express(bob)
        browser.django(["login", ann.pk])
        assert "passport" not in stored(browser)
        assert seen(browser)[0] == ann.pk

    def test_a_login_of_django_keeps_that_of_the_same_user(self, ann, mapping):
        """Where Django knows that it is the same; else it is a stranger's."""
        browser = in_express(ann)
        browser.django(["login", ann.pk])
        assert stored(browser).get("passport") == ({"user": ann.pk} if mapping else None)
        assert seen(browser) == (ann.pk, True)

    def test_a_view_may_tell_passport_who_has_signed_in(self, ann):
        """What a view writes after the login stays: it is Django's word too."""
        browser = in_express(ann)
        browser.django(["login", ann.pk], ["set", "passport", {"user": ann.pk}])
        assert stored(browser)["passport"] == {"user": ann.pk}
        assert seen(browser) == (ann.pk, True)

    def test_an_unknown_user_of_passport_is_gone_after_a_login(self, ann):
        """And so is a value that is none."""
        for value in (10**9, "x", {"id": 1}, None):
            browser = in_express(None)
            express_writes(
                browser.cookie, lambda it, value=value: it.update(passport={"user": value})
            )
            browser.django(["login", ann.pk])
            assert "passport" not in stored(browser)


def again(browser: Browser) -> None:
    browser.django(["confirm"])


def new_password(browser: Browser) -> None:
    browser.django(["password"])


each_proof = pytest.mark.parametrize("prove", [again, new_password])


class TestDerivedLogin:
    @pytest.fixture(autouse=True)
    def table(self, shared_table) -> None:
        shared_table(user=True)

    @each_proof
    def test_no_proof_stores_it(self, ann, prove):
        """Neither the password given again nor a new one is a login."""
        browser = in_express(ann)
        prove(browser)
        assert "_auth_user_id" not in stored(browser)
        assert seen(browser)[0] == ann.pk
        express_writes(browser.cookie, passport(None))
        assert seen(browser) == (None, False)

    def test_a_proof_is_void_for_whom_express_signs_in_next(self, ann, bob):
        """It was ann's."""
        browser = in_express(ann)
        again(browser)
        assert seen(browser) == (ann.pk, True)
        express_writes(browser.cookie, passport(bob))
        assert seen(browser) == (bob.pk, False)

    def test_a_proof_is_of_the_user_whom_the_request_has_seen(self, ann, bob):
        """Express signs bob in while ann gives her password again."""
        browser = in_express(ann)
        session = SessionStore(browser.cookie)
        assert session["_auth_user_id"] == str(ann.pk)
        express_writes(browser.cookie, passport(bob))
        session.mark_authenticated()
        session.save()
        assert seen(browser) == (bob.pk, False)
        assert "_auth_user_id" not in stored(browser)

    def test_a_view_that_moves_passport_on_takes_no_proof_along(self, ann, bob):
        """What a view writes where Express says who is signed in is no proof."""
        browser = in_express(ann)
        again(browser)
        browser.django(["set", "passport", {"user": bob.pk}], ["save"], ["set", "a", 1])
        assert seen(browser) == (bob.pk, False)
        assert "_auth_user_id" not in stored(browser)

    def test_another_user_that_a_view_writes_takes_the_place_of_the_derived_one(self, ann, bob):
        """It is Django's own word, and passport's user goes."""
        browser = in_express(ann)
        steps = [["set", name, value] for name, value in login_keys(bob).items()]
        browser.django(*steps, ["save"], ["set", "a", 1])
        held = stored(browser)
        assert (held["_auth_user_id"], "passport" in held) == (str(bob.pk), False)

    def test_a_login_by_a_token_is_none_of_the_session(self, ann, bob, rf):
        """Others send user_logged_in for a user whom the session does not name."""
        request = rf.get("/")
        request.session = SessionStore(in_express(ann).cookie)
        user_logged_in.send(User, request=request, user=bob)
        request.session.save()
        assert "_auth_user_id" not in stored(Browser(cookie=request.session.session_key))


class TestConcurrently:
    """A request of Django has loaded ann when Express signs bob in, and then saves."""

    @pytest.fixture(autouse=True)
    def table(self, shared_table) -> None:
        shared_table(user=True)

    @pytest.fixture(params=[in_django, in_express], ids=["stored", "derived"])
    def late(self, request, ann, bob) -> SessionStore:
        """The session of that request."""
        session = SessionStore(request.param(ann).cookie)
        assert session["_auth_user_id"] == str(ann.pk)
        express_writes(session.session_key, passport(bob))
        return session

    def assert_it_is_bobs(self, session: SessionStore, bob: User) -> None:
        browser = Browser(cookie=session.session_key)
        assert session["_auth_user_id"] == str(bob.pk)
        assert "_auth_user_id" not in stored(browser)
        assert seen(browser) == (bob.pk, False)

    def test_a_save_goes_on_as_bob(self, late, bob):
        """The second save of the request stores no login either."""
        late["a"] = 1
        late.save()
        late["b"] = 1
        late.save()
        self.assert_it_is_bobs(late, bob)

    def test_a_new_key_goes_on_as_bob(self, late, bob):
        """With the same data under another id."""
        late.cycle_key()
        late["b"] = 1
        late.save()
        self.assert_it_is_bobs(late, bob)

    def test_a_transact_goes_on_as_bob(self, late, bob):
        """Its change sees bob, and what it has proved of ann before is forgotten."""

        def change(session: SessionStore) -> None:
            if session["_auth_user_id"] != str(bob.pk):
                session.mark_authenticated()
            session["a"] = 1

        late.transact(change)
        self.assert_it_is_bobs(late, bob)

    def test_a_proof_during_a_transact_is_of_whom_it_saw(self, ann, bob):
        """The first run sees ann, the second one bob."""
        session = SessionStore(in_express(ann).cookie)
        runs = []

        def change(it: SessionStore) -> None:
            if not runs:
                express_writes(it.session_key, passport(bob))
                it.mark_authenticated()
            runs.append(it["_auth_user_id"])
            it["a"] = 1

        session.transact(change)
        assert runs == [str(ann.pk), str(bob.pk)]
        self.assert_it_is_bobs(session, bob)

    @pytest.mark.parametrize("how", ["atomic", "rolled back"])
    def test_a_block_of_the_caller_goes_on_as_bob(self, late, bob, database, how):
        """Also where it is rolled back and the middleware saves afterwards."""
        with transaction.atomic(using=database):
            late["a"] = 1
            late.save()
            transaction.set_rollback(how == "rolled back", using=database)
        late["b"] = 1
        late.save()
        self.assert_it_is_bobs(late, bob)

    def test_an_async_save_goes_on_as_bob(self, late, bob):
        """The same by the async names."""

        async def save() -> None:
            await late.aset("a", 1)
            await late.asave()
            await late.acycle_key()

        async_to_sync(save)()
        self.assert_it_is_bobs(late, bob)

    def test_a_new_hash_goes_on_as_bob(self, late, ann, bob):
        """A password changed in that request is no login of ann's."""
        late["_auth_user_hash"] = ann.get_session_auth_hash() + "x"
        late.save()
        self.assert_it_is_bobs(late, bob)

    @pytest.mark.parametrize("page", ["ours", "allauth's"])
    def test_a_page_that_asks_again_proves_nothing_of_bob(self, late, ann, bob, settings, rf, page):
        """The password that was given is ann's, and the new key is bob's by then."""
        settings.ROOT_URLCONF = "tests.urls"
        request = rf.post("/")
        request.session, request.user = late, ann
        if page == "ours":
            view = ConfirmView()
            view.setup(request)
            view.form_valid(ConfirmForm(request=request))
        else:
            remember_reauthentication(request, ann, reauthenticated=True)
        late.save()
        settings.ROOT_URLCONF = "tests.express.urls"
        self.assert_it_is_bobs(late, bob)

    def test_a_login_during_it_is_the_last_word(self, late, ann):
        """ann signs in to Django when Express has signed bob in: passport's login ends."""
        request = HttpRequest()
        request.session = late
        login(request, ann, MODEL_BACKEND)
        late.save()
        browser = Browser(cookie=late.session_key)
        assert "passport" not in stored(browser)
        assert seen(browser) == (ann.pk, True)

    def test_a_login_that_was_rolled_back_is_stored_by_the_next_save(self, ann, database):
        """The answer has said that ann is signed in."""
        request = HttpRequest()
        request.session = SessionStore(in_express(ann).cookie)
        with transaction.atomic(using=database):
            login(request, ann, MODEL_BACKEND)
            request.session.save()
            transaction.set_rollback(True, using=database)
        request.session.save()
        browser = Browser(cookie=request.session.session_key)
        assert stored(browser)["_auth_user_id"] == str(ann.pk)

    def test_under_djangos_own_middleware_too(self, ann, bob, settings):
        """It saves what is modified, and a void login is."""
        settings.MIDDLEWARE = [
            path.replace("sessionstore.middleware", "django.contrib.sessions.middleware")
            for path in settings.MIDDLEWARE
        ]
        browser = in_django(ann)
        express_writes(browser.cookie, passport(bob))
        assert seen(browser) == (bob.pk, False)
        assert "_auth_user_id" not in stored(browser)
        again(browser)
        express_writes(browser.cookie, passport(None))
        assert seen(browser) == (None, False)


@by_node
@each_release
class TestWithNode:
    """passport 0.7 takes another id at each login and logout, and copies what is asked for.

    passport 0.5 keeps the id and all of the session.
    """

    KEEP = {"keepSessionInfo": True}

    def test_a_login_that_keeps_the_session_ends_that_of_django(self, trusted, ann, bob):
        """The copy has ann's login and her seal, under another id."""
        trusted.django(["login", ann.pk])
        trusted.express(["login", bob.pk, self.KEEP])
        assert trusted.express()["user"] == bob.pk
        assert seen(trusted) == (bob.pk, False)
        loaded = trusted.express()["loaded"]
        assert "_auth_user_id" not in loaded

    def test_it_ends_it_where_passport_is_not_trusted_too(self, browser, ann, bob):
        """Then nobody is signed in to Django."""
        browser.django(["login", ann.pk])
        browser.express(["login", bob.pk, self.KEEP])
        assert seen(browser) == (None, False)

    def test_a_logout_that_keeps_the_session_ends_that_of_django(self, trusted, ann):
        """Where both halves have signed the user in."""
        trusted.express(["login", ann.pk])
        trusted.django(["login", ann.pk])
        trusted.express(["logout", self.KEEP])
        assert seen(trusted) == (None, False)

    def test_a_logout_of_a_passport_that_signed_nobody_in(self, trusted, ann, releases):
        """0.7 takes another id; 0.5 finds nobody and writes nothing, so Django's login stays."""
        trusted.django(["login", ann.pk])
        trusted.express(["logout", self.KEEP])
        assert seen(trusted)[0] == (ann.pk if releases == "old" else None)

    @each_proof
    def test_a_proof_in_django_outlives_no_logout_in_express(self, trusted, ann, bob, prove):
        """ann proves who she is, Express signs her out and bob in."""
        trusted.express(["login", ann.pk])
        prove(trusted)
        assert seen(trusted)[0] == ann.pk
        trusted.express(["logout", self.KEEP])
        assert seen(trusted) == (None, False)
        trusted.express(["login", bob.pk, self.KEEP])
        assert seen(trusted) == (bob.pk, False)

    def test_a_login_in_django_ends_that_of_express(self, browser, ann, bob):
        """Express asks for its own login again."""
        browser.express(["login", bob.pk])
        browser.django(["login", ann.pk])
        assert browser.express()["user"] is None

    def test_a_copy_by_hand_takes_no_login_along(self, trusted, ann):
        """regenerate(), then all of the old session into the new one."""
        trusted.django(["login", ann.pk])
        kept = trusted.express()["loaded"]
        del kept["cookie"]
        trusted.express(["regenerate"], *(["set", name, value] for name, value in kept.items()))
        assert seen(trusted) == (None, False)

    def test_a_form_assigned_to_the_session_signs_nobody_in(self, trusted, ann):
        """Whatever keys of ours it names."""
        trusted.express(["set", "a", 1])
        form = {
            **login_keys(ann),
            "_sessionstore": {"created_at": 1, "authenticated_at": 10**12, "mac": "00" * 16},
            "_session_expiry": "9999-12-31T00:00:00+00:00",
            "_session_idle": 10**9,
        }
        trusted.express(["assign", form])
        assert seen(trusted) == (None, False)

    def test_a_form_assigned_after_a_login_of_passport_proves_nothing(self, trusted, ann, bob):
        """A recent login until 9999, and another user: whom passport has signed in stays, alone."""
        trusted.express(["login", ann.pk])
        assert seen(trusted) == (ann.pk, False)
        last = 253_402_300_799_000
        times = {"created_at": last, "authenticated_at": last}
        ours = trusted.express()["loaded"].get("_sessionstore", {})
        for form in ({"_sessionstore": times}, {"_sessionstore": {**ours, **times}}):
            trusted.express(["assign", {**form, **login_keys(bob)}])
            assert seen(trusted) == (ann.pk, False)
        again(trusted)
        trusted.express(["assign", {"_sessionstore": times}])
        assert seen(trusted) == (ann.pk, False)


class TestAnotherMapping:
    """The setting `user` is changed between two requests."""

    @pytest.fixture(autouse=True)
    def table(self, shared_table, settings) -> None:
        shared_table(user=True)
        self.express = settings.SESSIONSTORE_EXPRESS

    @pytest.mark.parametrize(("before", "after"), [(None, True), (True, None)])
    def test_trust_in_passport_that_begins_or_ends_signs_nobody_out(
        self, ann, settings, before, after
    ):
        """Whom Django itself has signed in, beside the same user of passport."""
        settings.SESSIONSTORE_EXPRESS = {**self.express, "user": before}
        browser = in_django(ann)
        browser.django(["set", "passport", {"user": ann.pk}])
        settings.SESSIONSTORE_EXPRESS = {**self.express, "user": after}
        assert seen(browser) == (ann.pk, True)
        express_writes(browser.cookie, passport(None))
        assert seen(browser) == (None, False)

    def test_another_callable_ends_the_logins_beside_which_one_finds_somebody(self, ann, settings):
        """Django cannot know that it is the same; the others stay."""
        one, other = in_django(ann), in_django(ann)
        one.django(["set", "account", ann.pk])
        settings.SESSIONSTORE_EXPRESS = {**self.express, "user": lambda data: data.get("account")}
        assert (seen(one), seen(other)) == ((ann.pk, False), (ann.pk, True))


def test_a_callable_that_raises_signs_nobody_out_for_good(browser, ann, settings):
    """What it would have said is no evidence: where it works again, so does the login."""
    broken = {**settings.SESSIONSTORE_EXPRESS, "user": raises}
    working = settings.SESSIONSTORE_EXPRESS
    browser.django(["login", ann.pk])
    settings.SESSIONSTORE_EXPRESS = broken
    assert browser.django()["user"] is None
    settings.SESSIONSTORE_EXPRESS = working
    assert browser.django()["user"] == ann.pk


def raises(_data: dict[str, Any]) -> None:
    raise KeyError
