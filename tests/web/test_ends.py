"""Sessions that end because something happened to the account, not to the session."""

import contextlib
import threading
from functools import partial
from importlib import import_module
from io import StringIO
from unittest import mock

import pytest
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
)
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.auth.views import PasswordChangeView
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from sessionstore.core import expiry
from sessionstore.models import Session
from sessionstore.signals import Reason, session_revoked
from sessionstore.users import revocation
from sessionstore.users.accounts import end_if_account_is_lost
from sessionstore.users.limits import keep_limit
from sessionstore.users.revocation import revoke_all_of
from tests.engine.old_sessions import DJANGO, old_session
from tests.harness.statements import record_statements
from tests.harness.threads import run_together
from tests.ops.rows import add_rows
from tests.web.accounts.models import Colleague, PlainUser, Staff, TextUser, UuidUser
from tests.web.conftest import PASSWORD, key_of, press, sign_in

NEW = "a better battery staple"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True, params=["sql", "cached_sql"])
def both_engines(request, settings):
    """What ends in the table must not live on in the cache before it."""
    settings.SESSION_ENGINE = f"sessionstore.backends.{request.param}"


@pytest.fixture
def others(user) -> list[Client]:
    """Two more browsers in which the user is signed in."""
    return [signed_in(user), signed_in(user)]


def signed_in(user) -> Client:
    """A browser with a session of the user."""
    browser = Client()
    browser.force_login(user)
    return browser


def is_in(browser: Client) -> bool:
    """Tell whether the site still knows who this is."""
    return bool(browser.get("/plain/").content)


def sessions_of(user) -> int:
    return Session.objects.for_user(user).count()


def change_in_view(browser, user):
    fields = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert press(browser, "/password/", **fields).status_code == 302


def change_in_admin(browser, user):
    fields = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    url = f"/admin/auth/user/{user.pk}/password/"
    assert press(browser, url, **fields).status_code == 302


@pytest.mark.parametrize("change", [change_in_view, change_in_admin])
def test_a_new_password_ends_the_others_and_this_one_goes_on_under_a_new_key(
    browser, user, others, change
):
    """Who changes the own password stays; whoever knew the old one is out (ASVS 7.4.3)."""
    get_user_model().objects.update(is_staff=True, is_superuser=True)
    sign_in(browser, user)
    key = key_of(browser)
    change(browser, user)
    assert sessions_of(user) == 1
    assert [is_in(one) for one in (browser, *others)] == [True, False, False]
    assert key_of(browser) != key
    assert not browser.session.exists(key)


def change_by_reset(user):
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    stranger = Client()
    url = f"/reset/{uid}/{default_token_generator.make_token(user)}/"
    url = stranger.get(url).url
    assert stranger.post(url, {"new_password1": NEW, "new_password2": NEW}).status_code == 302


def change_by_command(user):
    with mock.patch("getpass.getpass", return_value=NEW):
        call_command("changepassword", user.get_username(), verbosity=0, stdout=StringIO())


def change_in_shell(user):
    user.set_password(NEW)
    user.save()


def change_one_field_in_shell(user):
    user.set_password(NEW)
    user.save(update_fields=["password"])


@pytest.mark.parametrize(
    "change",
    [change_by_reset, change_by_command, change_in_shell, change_one_field_in_shell],
)
def test_a_password_changed_from_outside_ends_all(user, others, change):
    """Reset, command, shell: nobody's own session is at work there (ASVS 7.4.3)."""
    change(user)
    assert sessions_of(user) == 0
    assert [is_in(one) for one in others] == [False, False]


def test_an_administrator_changes_the_password_of_somebody_else(browser, user, others):
    """The administrator stays; all of the other go."""
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    sign_in(browser, boss)
    change_in_admin(browser, user)
    assert (sessions_of(user), sessions_of(boss)) == (0, 1)


def test_sessions_of_other_users_stay(user, others):
    """Only the one whose password it is."""
    bob = User.objects.create_user("bob", password=PASSWORD)
    his = signed_in(bob)
    change_in_shell(user)
    assert is_in(his)


def test_a_disabled_account_has_no_session_also_when_it_is_enabled_again(user, others):
    """Disable, enable: no old cookie works (ASVS 7.4.2)."""
    user.is_active = False
    user.save()
    assert sessions_of(user) == 0
    user.is_active = True
    user.save()
    assert [is_in(one) for one in others] == [False, False]


@pytest.mark.parametrize("find", ["get", "all"])
def test_a_deleted_account_leaves_no_session(user, others, find):
    """Neither one nor a queryset of them."""
    getattr(User.objects, find)().delete()
    assert Session.objects.count() == 0


def test_a_login_and_a_better_hash_end_nothing_and_ask_nothing(user, others, settings):
    """`last_login`, and the hash that Django brings up to date, are no changes of a password."""
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    with record_statements() as seen:
        user.save(update_fields=["last_login"])
        user.first_name = "Ann"
        user.save()
        assert user.check_password(PASSWORD)
    assert user.password.startswith("pbkdf2")
    assert (seen.about("sessionstore_session"), sessions_of(user)) == ([], 2)


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "!"}])
def test_what_sends_no_signal_is_caught_when_the_session_comes_next(user, others, change):
    """`QuerySet.update()` is silent: the row goes at the next request, and stays gone."""
    before = {name: getattr(user, name) for name in change}
    User.objects.update(**change)
    assert not is_in(others[0])
    assert sessions_of(user) == 1
    User.objects.update(**before)
    assert not is_in(others[0])


def test_an_account_deleted_by_sql_is_caught_too(user, others):
    """Also in an async view."""
    User.objects.filter(pk=user.pk)._raw_delete("default")
    others[0].get("/async-poll/")
    assert not is_in(others[1])
    assert Session.objects.count() == 0


def test_a_session_of_another_backend_is_left_alone(user, others, settings):
    """A deployment that has not heard of a backend yet ends nobody's session."""
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    assert not is_in(others[0])
    assert sessions_of(user) == 2


def test_a_user_of_another_kind_on_the_request_ends_nothing(user, others):
    """An app has put an object of its own there, which does not say whether it is signed in."""
    User.objects.update(is_active=False)
    request = RequestFactory().get("/")
    request.session, request.user = others[0].session, object()
    request._cached_user = AnonymousUser()
    end_if_account_is_lost(request)
    assert sessions_of(user) == 2


def test_a_user_who_cannot_be_disabled_is_not_lost(others, settings):
    """A model of the site's own, which does not say whether somebody is active."""
    settings.AUTH_USER_MODEL = "accounts.PlainUser"
    request = RequestFactory().get("/")
    request.session = others[0].session
    request.session[SESSION_KEY] = str(PlainUser.objects.create(username="ann").pk)
    request.user = request._cached_user = AnonymousUser()
    end_if_account_is_lost(request)
    assert Session.objects.count() == 2


def test_a_rollback_of_the_change_ends_nothing(user, others):
    """The password is the old one again, so everybody stays."""
    with transaction.atomic():
        change_in_shell(user)
        transaction.set_rollback(True)
    assert [is_in(one) for one in others] == [True, True]


def test_the_end_comes_with_the_commit(user, others):
    """Before it, nothing has changed for anybody else."""
    with transaction.atomic():
        change_in_shell(user)
        assert sessions_of(user) == 2
    assert sessions_of(user) == 0


def test_it_holds_under_atomic_requests(browser, user, others, monkeypatch):
    """The view's transaction ends before the response: then the others go, and this one stays."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    sign_in(browser, user)
    change_in_view(browser, user)
    assert [is_in(one) for one in (browser, *others)] == [True, False, False]
    assert sessions_of(user) == 1


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (User, {}),
        (UuidUser, {}),
        (TextUser, {"id": "o'neil; DROP"}),
        (TextUser, {"id": "7"}),
    ],
)
@pytest.mark.parametrize("end", ["password", "disable", "delete"])
def test_users_are_found_by_any_type_of_key(settings, model, fields, end):
    """Integer, UUID and text (CVE-2026-82311)."""
    settings.AUTH_USER_MODEL = model._meta.label
    ann = model.objects.create_user(username="ann", password=PASSWORD, **fields)
    rest = {name: f"{value}0" for name, value in fields.items()}
    bob = model.objects.create_user(username="bob", password=PASSWORD, **rest)
    browsers = [signed_in(ann), signed_in(ann), signed_in(bob)]
    if end == "password":
        change_in_shell(ann)
    elif end == "disable":
        ann.is_active = False
        ann.save()
    else:
        ann.delete()
    assert [is_in(one) for one in browsers] == [False, False, True]
    assert Session.objects.count() == 1


def test_a_user_is_found_by_its_key_in_any_form(settings):
    """A UUID as text, with or without dashes; a number as text."""
    settings.AUTH_USER_MODEL = "accounts.UuidUser"
    ann = UuidUser.objects.create_user("ann", PASSWORD)
    signed_in(ann)
    for key in (ann, ann.pk, str(ann.pk), ann.pk.hex):
        assert Session.objects.for_user(key).count() == 1


@pytest.mark.parametrize("model", [Staff, Colleague])
def test_a_user_saved_as_a_child_or_a_proxy_is_the_same_user(settings, model):
    """The signals of such a model name another sender."""
    staff = model.objects.create_user("staff", password=PASSWORD)
    his = signed_in(User.objects.get(pk=staff.pk))
    change_in_shell(staff)
    assert not is_in(his)
    his = signed_in(User.objects.get(pk=staff.pk))
    staff.delete()
    assert (is_in(his), Session.objects.count()) == (False, 0)


def test_a_model_with_users_of_its_own_ends_nobody_else(user, others):
    """Number 7 of another table of accounts is another person."""
    other = TextUser.objects.create_user("x", PASSWORD, id=str(user.pk))
    change_in_shell(other)
    other.delete()
    assert sessions_of(user) == 2


# --- how many at once


def test_one_login_more_than_allowed_ends_the_oldest(settings, user, clock):
    """Whatever way they sign in (ASVS 7.1.2)."""
    settings.SESSIONSTORE_MAX_PER_USER = 2
    browsers = []
    for _ in range(4):
        browsers.append(signed_in(user))
        clock.advance(seconds=1)
    assert [is_in(one) for one in browsers] == [False, False, True, True]
    assert sessions_of(user) == 2


def test_signing_in_again_in_the_same_browser_ends_nothing(settings, user, browser, clock):
    """It is one session still."""
    settings.SESSIONSTORE_MAX_PER_USER = 2
    other = signed_in(user)
    for _ in range(3):
        clock.advance(seconds=1)
        sign_in(browser, user)
    assert is_in(browser)
    assert is_in(other)


def test_expired_sessions_and_other_users_do_not_count(settings, user, clock):
    """Only what could still be used is too much."""
    settings.SESSIONSTORE_MAX_PER_USER = 1
    signed_in(User.objects.create_user("bob", password=PASSWORD))
    signed_in(user)
    clock.advance(days=15)
    assert is_in(signed_in(user))


def test_one_login_too_many_ends_nobody_elses(settings, user, clock):
    """However long somebody else has been signed in."""
    settings.SESSIONSTORE_MAX_PER_USER = 1
    his = signed_in(User.objects.create_user("bob", password=PASSWORD))
    for _ in range(2):
        clock.advance(seconds=1)
        signed_in(user)
    assert (is_in(his), sessions_of(user)) == (True, 1)


def test_the_oldest_is_the_one_whose_login_is(settings, user, browser, clock):
    """A session that began first, but has just signed in again, is not it."""
    settings.SESSIONSTORE_MAX_PER_USER = 2
    sign_in(browser, user)
    clock.advance(seconds=1)
    second = signed_in(user)
    clock.advance(seconds=1)
    sign_in(browser, user)
    clock.advance(seconds=1)
    third = signed_in(user)
    assert [is_in(one) for one in (browser, second, third)] == [True, False, True]


def test_a_session_that_has_expired_takes_nobodys_place(settings, user, clock):
    """It signed in later than one that lives, and nothing has cleaned it up yet."""
    settings.SESSIONSTORE_MAX_PER_USER = 2
    first = signed_in(user)
    clock.advance(seconds=1)
    short = signed_in(user).session
    short.set_expiry(60)
    short.save()
    clock.advance(seconds=61)
    third = signed_in(user)
    assert (is_in(first), is_in(third)) == (True, True)


def test_a_session_that_moves_in_counts_too(settings, user, clock):
    """From the moment at which its old cookie comes."""
    settings.SESSIONSTORE_ADOPT_FROM = DJANGO
    settings.SESSIONSTORE_MAX_PER_USER = 1
    here = signed_in(user)
    clock.advance(seconds=1)
    login = {
        SESSION_KEY: str(user.pk),
        BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }
    moved = Client(headers={"cookie": f"sessionid={old_session(**login)}"})
    assert (is_in(moved), is_in(here), sessions_of(user)) == (True, False, 1)


def test_twenty_logins_at_once_leave_as_many_as_allowed(database, settings, user):
    """No more and no fewer, with real threads and connections (ASVS 7.1.2, 15.4.2)."""
    settings.SESSIONSTORE_MAX_PER_USER = 3
    browsers = [Client() for _ in range(20)]
    fields = {"username": "ann", "password": PASSWORD}
    answers = run_together([partial(one.post, "/account/login/", fields) for one in browsers])
    assert {answer.status_code for answer in answers} <= {200, 302}
    assert Session.objects.using(database).live().for_user(user).count() == 3
    assert sum(map(is_in, browsers)) == 3


@pytest.mark.parametrize("ahead", [{"seconds": 5}, {"minutes": 10}, {"days": 365}])
def test_a_login_is_not_ended_by_one_from_a_clock_ahead(settings, user, clock, ahead):
    """The one that has just happened stays, on a host whose clock is behind."""
    settings.SESSIONSTORE_MAX_PER_USER = 1
    clock.advance(**ahead)
    before = signed_in(user)
    clock.advance(**{unit: -size for unit, size in ahead.items()})
    now = signed_in(user)
    assert (is_in(before), is_in(now), sessions_of(user)) == (False, True, 1)


def test_a_login_from_a_clock_ahead_is_newer_than_old_ones(settings, user, clock):
    """It counts by its own stamp."""
    settings.SESSIONSTORE_MAX_PER_USER = 2
    oldest = signed_in(user)
    clock.advance(minutes=30)
    ahead = signed_in(user)
    clock.advance(minutes=-5)
    now = signed_in(user)
    assert [is_in(one) for one in (oldest, ahead, now)] == [False, True, True]


@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("clocks", [(0,), (-60, 0, 60)], ids=["one clock", "clocks apart"])
def test_a_rush_from_clocks_apart_leaves_as_many_as_allowed(
    database, settings, user, monkeypatch, clocks, limit
):
    """Nobody's look ranks by its own clock, and the login after the rush stays, wherever it is."""
    settings.SESSIONSTORE_MAX_PER_USER = limit
    here, real = threading.local(), expiry.now_ms
    monkeypatch.setattr(expiry, "now_ms", lambda: real() + 1000 * getattr(here, "ahead", 0))

    def log_in(ahead):
        here.ahead = ahead
        return signed_in(user)

    outcomes = run_together([partial(log_in, clocks[n % len(clocks)]) for n in range(10)])
    assert [type(one) for one in outcomes] == [Client] * 10
    assert Session.objects.using(database).for_user(user).count() == limit
    last = log_in(clocks[0])
    assert (is_in(last), Session.objects.using(database).for_user(user).count()) == (
        True,
        limit,
    )


def test_a_session_that_moves_in_ends_no_younger_login(settings, user, clock):
    """Its login is not fresh: it ranks by when it began here, as for everybody who looks."""
    settings.SESSIONSTORE_ADOPT_FROM = DJANGO
    settings.SESSIONSTORE_MAX_PER_USER = 1
    clock.advance(minutes=1)
    here = signed_in(user)
    clock.advance(minutes=-1)
    login = {
        SESSION_KEY: str(user.pk),
        BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }
    moved = Client(headers={"cookie": f"sessionid={old_session(**login)}"})
    is_in(moved)
    assert (is_in(moved), is_in(here)) == (False, True)


def test_a_login_too_many_leaves_another_of_its_millisecond(settings, user, clock):
    """One of them has to go, whoever looks, and its logout ends no other."""
    engine = import_module(settings.SESSION_ENGINE).SessionStore
    sessions = [engine(), engine()]
    for session in sessions:
        session["_auth_user_id"] = str(user.pk)
        session.save()
    surplus, kept = sorted(sessions, key=lambda session: session.row_id)
    settings.SESSIONSTORE_MAX_PER_USER = 1
    keep_limit(surplus, str(user.pk))
    keep_limit(kept, str(user.pk))
    surplus.flush()
    assert Session.objects.for_user(user).get().handle == kept.handle


def test_without_a_limit_a_login_asks_nothing_more(user, db):
    """The budget of statements stays."""
    with record_statements() as seen:
        Client().post("/account/login/", {"username": "ann", "password": PASSWORD})
    assert len(seen.about("sessionstore_session")) == 1


def test_ends_do_not_need_a_request_of_ours(user, others, settings):
    """With Django's own middleware the signals work too."""
    settings.MIDDLEWARE = [
        name.replace("sessionstore.middleware", "django.contrib.sessions.middleware")
        for name in settings.MIDDLEWARE
    ]
    change_in_shell(user)
    assert sessions_of(user) == 0


def test_a_site_on_another_engine_is_left_alone(user, others, settings):
    """Users change passwords and go while our app is merely installed: it asks no table of ours."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    with record_statements() as seen:
        change_in_shell(user)
        user.delete()
    assert revoke_all_of(str(user.pk), reason=Reason.ADMIN) == 0
    assert (seen.about("sessionstore_session"), Session.objects.count()) == ([], 2)


def test_as_many_as_are_named_are_ended(others, user, monkeypatch):
    """In batches; what is gone already does not count."""
    monkeypatch.setattr(revocation, "BATCH", 2)
    for _ in range(3):
        signed_in(user)
    rows = list(Session.objects.all())
    assert revocation.revoke_each(rows, reason=Reason.ADMIN) == 5
    assert revocation.revoke_each(rows, reason=Reason.ADMIN) == 0


def test_a_session_whose_key_changes_does_not_escape(database, user):
    """One whose key changes while its user is disabled is ended too."""
    browsers = [signed_in(user) for _ in range(8)]
    request = RequestFactory().get("/")
    sessions = []
    for browser in browsers:
        request.session = browser.session
        request.session["loaded"] = True
        sessions.append(request.session)

    def cycle(session):
        for _ in range(5):
            session.cycle_key()

    def disable():
        user.is_active = False
        user.save()

    run_together([*(partial(cycle, session) for session in sessions), disable])
    assert Session.objects.using(database).for_user(user).count() == 0


# --- many at once


def many_users(count) -> list[User]:
    """Users with two sessions each, by the least work."""
    names = [User(username=f"u{count}-{number}", password="!") for number in range(count)]
    users = User.objects.bulk_create(names)
    for one in users:
        add_rows(2, expires_in_s=3600, alias="default", user_id=str(one.pk))
    return users


def delete_by_queryset(users):
    User.objects.filter(pk__in=[one.pk for one in users]).delete()


def disable_one_by_one(users):
    with transaction.atomic():
        for one in users:
            one.is_active = False
            one.save(update_fields=["is_active"])


@pytest.mark.parametrize("change", [delete_by_queryset, disable_one_by_one])
def test_the_ends_of_many_users_take_as_many_statements_as_those_of_a_few(user, change):
    """They grow by batches of users, not by users; each session is told of."""
    told = []

    def note(user_id, **_):
        told.append(user_id)

    session_revoked.connect(note)
    try:
        counts = []
        for count in (5, 150):
            users = many_users(count)
            with record_statements() as seen:
                change(users)
            counts.append(len(seen.about("sessionstore_session")))
    finally:
        session_revoked.disconnect(note)
    assert counts[1] == counts[0]
    assert (len(told), len(set(told)), Session.objects.count()) == (310, 155, 0)


def test_what_an_inner_block_takes_back_ends_nobody(user, others):
    """One user of a block is disabled, and another's change is rolled back inside it."""
    bob = User.objects.create_user("bob", password=PASSWORD)
    his = signed_in(bob)
    with transaction.atomic():
        bob.is_active = False
        bob.save()
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            user.is_active = False
            user.save()
            1 / 0  # noqa: B018 - what rolls back
    assert not is_in(his)
    assert [is_in(one) for one in others] == [True, True]


def test_more_users_than_one_statement_takes(user, others):
    """Every batch ends."""
    users = many_users(450)
    delete_by_queryset(users)
    assert Session.objects.count() == sessions_of(user) == 2


def test_passwords_of_many_in_one_block_leave_the_own_session(browser, user, others, monkeypatch):
    """The one at work stays, whoever else got a new password with it."""
    bob = User.objects.create_user("bob", password=PASSWORD)
    his = signed_in(bob)
    sign_in(browser, user)

    def change_both(self, form):
        with transaction.atomic():
            change_in_shell(bob)
            return as_it_is(self, form)

    as_it_is = PasswordChangeView.form_valid
    monkeypatch.setattr(PasswordChangeView, "form_valid", change_both)
    change_in_view(browser, user)
    assert [is_in(one) for one in (browser, his, *others)] == [True, False, False, False]
