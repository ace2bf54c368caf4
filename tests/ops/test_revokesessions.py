"""The command that ends sessions."""

import json
import logging
import sys
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from io import StringIO

import pytest
from django.contrib.auth.models import User, UserManager
from django.contrib.sessions.models import Session as DjangoSession
from django.core.cache.backends.locmem import LocMemCache
from django.core.management import CommandError, call_command
from django.utils import timezone

from sessionstore.backends.cached_sql import SessionStore as CachedStore
from sessionstore.backends.sql import SessionStore
from sessionstore.core import expiry
from sessionstore.management.commands import revokesessions
from sessionstore.models import Session
from sessionstore.session.drafts import table_of
from sessionstore.users import mass_revocation
from tests.engine.old_sessions import DJANGO, make_old_sessions
from tests.harness import commands
from tests.harness.threads import run_together
from tests.ops.rows import add_rows, count_rows

IN_AN_HOUR = 3600
DAY_MS = 86_400_000
run = partial(commands.run, "revokesessions")


def end(*arguments: str) -> str:
    return run(*arguments, "--no-input")


@pytest.fixture
def ann(database) -> User:
    """Somebody with three sessions, beside four of others."""
    user = User.objects.create(username="ann")
    add_rows(3, expires_in_s=IN_AN_HOUR, alias=database, user_id=str(user.pk))
    add_rows(2, expires_in_s=IN_AN_HOUR, alias=database, user_id="none")
    add_rows(2, expires_in_s=IN_AN_HOUR, alias=database)
    return user


def test_the_sessions_of_a_user_end(database, ann):
    """By the login name; those of others stay."""
    assert end("--user=ann") == f"Ended 3 sessions of the user ann with the id {ann.pk}.\n"
    assert count_rows(database) == 4


@pytest.mark.only_on("sqlite")
def test_a_user_who_is_gone_can_be_named_by_id(database, ann):
    """The account may have been deleted by SQL, which no signal tells us."""
    ann_id = ann.pk
    User.objects.filter(pk=ann_id)._raw_delete("default")
    assert "Ended 3 sessions" in end(f"--user-id={ann_id}")


@pytest.mark.only_on("sqlite")
def test_a_user_key_cannot_steer_the_terminal(database):
    """It may have been copied from a list, or come from the table."""
    hostile = "ann\x1b[2J\x9b\u202e"
    add_rows(1, expires_in_s=IN_AN_HOUR, alias=database, user_id=hostile)
    assert run(f"--user-id={hostile}", "--dry-run").rstrip("\n").isprintable()
    assert end(f"--user-id={hostile}") == "Ended 1 session of the user with the id ann?[2J??.\n"


@pytest.mark.only_on("sqlite")
def test_an_unknown_user_is_an_error(database):
    """With the way out for an account that was deleted."""
    with pytest.raises(CommandError, match=r"no user 'bob'.*--user-id"):
        end("--user=bob")


def test_all_sessions_end(database, ann):
    """Those of visitors too, in batches."""
    add_rows(1200, expires_in_s=IN_AN_HOUR, alias=database)
    assert end("--all") == "Ended 1,207 sessions of everybody.\n"
    assert count_rows(database) == 0


def test_old_sessions_end(database):
    """Their age counts from the login, or from the creation where nobody signed in."""
    now = expiry.now_ms()
    add = partial(add_rows, 1, expires_in_s=IN_AN_HOUR, alias=database)
    add(created_at=now - 40 * DAY_MS)
    add(created_at=now - 40 * DAY_MS, authenticated_at=now - 31 * DAY_MS)
    [kept] = add(created_at=now - 40 * DAY_MS, authenticated_at=now - 29 * DAY_MS)
    add(created_at=now - 29 * DAY_MS)
    assert "Ended 2 sessions that began before" in end("--older-than=30d")
    assert Session.objects.using(database).filter(pk=kept.pk).exists()


@pytest.mark.only_on("sqlite")
def test_an_empty_choice_is_a_choice(database, ann):
    """No age is every session so far; the user without a name has none."""
    assert "Ended 0 sessions" in end("--user-id=")
    assert "Ended 7 sessions that began before" in end("--older-than=0s")


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    "path", ["sessionstore.backends.leaving", "django.contrib.sessions.backends.db"]
)
def test_it_needs_an_engine_of_ours(database, settings, path):
    """The engine that leaves has no sessions to end here."""
    settings.SESSION_ENGINE = path
    with pytest.raises(CommandError, match="set SESSION_ENGINE to sql, cached_sql or express"):
        end("--all")


def test_sessions_of_disabled_and_deleted_users_end(database, ann):
    """Visitors have no user, and stay; so does who is active."""
    User.objects.create(username="bob", is_active=False, pk=4711)
    add_rows(1, expires_in_s=IN_AN_HOUR, alias=database, user_id="4711")
    assert "Ended 3 sessions of users who are disabled or gone" in end("--inactive")
    left = Session.objects.using(database).values_list("user_id", flat=True)
    assert sorted(left, key=str) == [str(ann.pk)] * 3 + [None] * 2


def test_one_session_ends_by_its_handle(database, ann):
    """The handle is what pages and logs show."""
    handle = Session.objects.using(database).for_user(ann).first().handle
    assert end(f"--handle={handle}") == f"Ended 1 session with the handle {handle}.\n"
    assert count_rows(database) == 6
    with pytest.raises(CommandError, match="no session with the handle"):
        end(f"--handle={handle}")


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--handle=short"], "'short' is not a session handle"),
        (["--handle="], "'' is not a session handle"),
        (["--user="], "no user ''"),
        (["--older-than=soon"], "'soon' is not a duration"),
        (["--older-than=99999999999d"], "is not a duration"),
        ([], "one of the arguments --user --user-id"),
        (["--all", "--inactive"], "not allowed with"),
    ],
)
def test_wrong_arguments_are_explained(database, arguments, message):
    """Each message says what would be right."""
    with pytest.raises(CommandError, match=message):
        end(*arguments)


@pytest.mark.parametrize(
    "which", ["--all", "--user=ann", "--inactive", "--anonymous", "--older-than=1s"]
)
def test_a_dry_run_ends_nothing(database, ann, which):
    """It tells the same count."""
    told = run(which, "--dry-run")
    assert told.startswith("Would end ")
    assert count_rows(database) == 7
    assert told.replace("Would end", "Ended").split()[:2] == end(which).split()[:2]


def test_sessions_of_visitors_end(database, ann):
    """As many as the statistics call anonymous; who has signed in stays."""
    add_rows(1, expires_in_s=-IN_AN_HOUR, alias=database)
    anonymous = json.loads(commands.run("sessionstats", "--json"))["counts"]["anonymous"]["value"]
    told = f"{anonymous} sessions of visitors who have not signed in, and deleted 1 expired session"
    assert end("--anonymous") == f"Ended {told}.\n"
    assert count_rows(database) == 5


@pytest.mark.only_on("sqlite")
def test_it_can_be_silent(database, ann):
    """With -v 0, as cron likes it."""
    assert run("--all", "--dry-run", "-v0") == ""
    assert end("--all", "-v0") == ""


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    "command", [["revokesessions", "--all"], ["clearsessions"], ["sessionstats"]]
)
def test_a_database_that_is_not_there_is_a_plain_error(database, settings, command):
    """Each command says the same, and which there are."""
    settings.SESSIONSTORE_DATABASE = "nowhere"
    with pytest.raises(CommandError, match="no database 'nowhere' in DATABASES, only default"):
        commands.run(*command)


@pytest.mark.only_on("sqlite")
def test_without_a_terminal_it_asks_for_no_input(database, ann, monkeypatch):
    """A cron job must say that it means it."""
    monkeypatch.setattr(sys, "stdin", StringIO())
    with pytest.raises(CommandError, match=r"This ends 7 sessions of everybody.*--no-input"):
        run("--all")
    assert count_rows(database) == 7


@pytest.mark.only_on("sqlite")
def test_on_a_terminal_it_asks(database, ann, monkeypatch):
    """Only a whole yes counts."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "y")
    with pytest.raises(CommandError, match="Nothing was ended"):
        run("--all")
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    assert "Ended 7 sessions" in run("--all")


def test_a_session_whose_key_changes_does_not_escape(database):
    """Logins that change keys while the user is revoked leave no row of that user behind."""
    sessions = []
    for _ in range(8):
        session = SessionStore()
        session["_auth_user_id"] = "7"
        session.save()
        sessions.append(session)

    def cycle(session) -> None:
        for _ in range(20):
            session.cycle_key()

    def revoke() -> int:
        return mass_revocation.revoke(SessionStore(), mass_revocation.of_user("7"))

    run_together([*(partial(cycle, session) for session in sessions), revoke])
    assert Session.objects.using(database).for_user("7").count() == 0


@pytest.mark.only_on("sqlite")
def test_revocations_are_logged(database, ann, caplog):
    """On the logger of security, one record for each session, as ASVS 16.3.1 asks."""
    with caplog.at_level(logging.INFO, "sessionstore.security"):
        end("--user=ann")
    ended = [message for message in caplog.messages if message.startswith("Session revoked:")]
    assert len(ended) == 3
    assert all(f"user={ann.pk} reason=command" in message for message in ended)


@pytest.mark.only_on("sqlite")
def test_visitors_who_come_meanwhile_do_not_make_it_endless(database, monkeypatch):
    """Sessions that began after the command are not meant."""
    add_rows(1, expires_in_s=IN_AN_HOUR, alias=database)
    which = mass_revocation.all_until_now(SessionStore())

    def visit(_: int) -> None:
        now = expiry.now_ms() + int(timedelta(minutes=1).total_seconds() * 1000)
        add_rows(1, expires_in_s=IN_AN_HOUR, alias=database, created_at=now)

    assert mass_revocation.revoke(SessionStore(), which, on_batch=visit).rows == 1
    assert count_rows(database) == 1


@pytest.mark.parametrize(
    ("apart", "told"),
    [
        ({"seconds": -5}, "Ended 3 sessions of everybody.\n"),
        ({"minutes": -10}, "Ended 3 sessions of everybody.\n"),
        ({"minutes": 10}, "Ended 0 sessions of everybody, and deleted 3 expired sessions.\n"),
    ],
)
def test_all_sessions_end_whatever_the_clock_of_this_host_says(database, clock, apart, told):
    """It may be behind the clocks of those who signed the users in, or ahead."""
    add_rows(3, expires_in_s=300, alias=database, created_at=clock.now_ms)
    clock.advance(**apart)
    assert end("--all") == told
    assert count_rows(database) == 0


def test_a_row_from_the_future_does_not_make_it_endless(database, clock):
    """Nor does it take those along who sign in while it runs, but for a few at its end."""
    clock.advance(days=365)
    add_rows(1, expires_in_s=IN_AN_HOUR, alias=database)
    clock.advance(days=-365)
    which = mass_revocation.all_until_now(SessionStore())

    def visit(_: int) -> None:
        add_rows(1, expires_in_s=IN_AN_HOUR, alias=database)

    assert mass_revocation.revoke(SessionStore(), which, on_batch=visit).rows == 5
    assert count_rows(database) == 1


def test_a_login_that_was_under_way_ends_too(database, monkeypatch):
    """Its row was made before the command, and committed after the last page was read."""
    add_rows(1, expires_in_s=IN_AN_HOUR, alias=database)
    which = mass_revocation.all_until_now(SessionStore())
    late = iter([partial(add_rows, 1, expires_in_s=IN_AN_HOUR, alias=database)])
    ended = mass_revocation.revoke(
        SessionStore(), which, on_batch=lambda _: next(late, lambda: None)()
    )
    assert (ended.rows, count_rows(database)) == (2, 0)


@pytest.mark.only_on("sqlite")
def test_a_cache_before_the_table_hears_of_it(database, settings):
    """The next request finds nothing, on any engine."""
    settings.SESSION_ENGINE = "sessionstore.backends.cached_sql"
    session = CachedStore()
    session["_auth_user_id"] = "7"
    session.save()
    assert CachedStore(session.session_key)["_auth_user_id"] == "7"
    assert "Ended 1 session" in end("--user-id=7")
    assert CachedStore(session.session_key).get("_auth_user_id") is None


class FailingCache(LocMemCache):
    """Refuses its next few holds."""

    failures = 0

    def set_many(self, *args, **named):
        if FailingCache.failures:
            FailingCache.failures -= 1
            raise ConnectionError
        return super().set_many(*args, **named)


@pytest.fixture
def cached(settings, database, monkeypatch):
    """A session of the user 7 that a cache knows, and a worker that asks this cache."""
    settings.SESSION_ENGINE = "sessionstore.backends.cached_sql"
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.FailingCache", "LOCATION": "failing"}}
    monkeypatch.setattr(FailingCache, "failures", 0)
    table_of.cache_clear()  # its breaker
    session = CachedStore()
    session["_auth_user_id"] = "7"
    session.save()
    worker = CachedStore.get_table()
    [digest] = Session.objects.using(database).values_list("digest", flat=True)
    ask = partial(worker.fetch, bytes(digest), 0)
    assert ask() is not None
    return ask


@pytest.mark.only_on("sqlite")
def test_a_cache_that_is_back_at_the_end_is_told(cached):
    """It refused what it was told before and after the DELETE."""
    FailingCache.failures = 2
    assert "Ended 1 session" in end("--user-id=7")
    assert cached() is None


@pytest.mark.only_on("sqlite")
def test_a_cache_that_could_not_be_told_is_an_exit_code(cached):
    """This process cannot tell it later; other servers believe it for a minute."""
    FailingCache.failures = 4  # The reason of the end is told it too.
    with pytest.raises(CommandError, match="for up to 60 seconds") as caught:
        end("--user-id=7")
    assert caught.value.returncode == revokesessions.NOT_TOLD
    assert cached() is not None


@pytest.mark.only_on("sqlite")
def test_a_stop_before_the_cache_was_told_is_said_too(cached, monkeypatch):
    """Who only saw one of the two codes would not know of the other."""
    FailingCache.failures = 9
    has_failed = nullcontext(lambda: FailingCache.failures < 9)
    monkeypatch.setattr(revokesessions, "asked_to_stop", lambda: has_failed)
    with pytest.raises(CommandError, match="run it again") as caught:
        end("--user-id=7")
    assert caught.value.returncode == revokesessions.NOT_TOLD


@pytest.mark.only_on("sqlite")
def test_many_users_who_are_gone_take_no_more_pauses_than_one(database, monkeypatch):
    """10,000 of them would take a quarter of an hour."""
    pauses = []
    monkeypatch.setattr("sessionstore.cleaning.batches.nap", lambda *_: pauses.append(1))
    counts = []
    for users in (1, 50):
        for number in range(users):
            add_rows(1, expires_in_s=IN_AN_HOUR, alias=database, user_id=f"gone{number}")
        pauses.clear()
        assert f"Ended {users} session" in end("--inactive")
        counts.append(len(pauses))
    assert counts[1] == counts[0]


# --- sessions that have not moved in yet


def test_all_are_ended_also_those_that_have_not_moved_in(place, database, settings):
    """Their cookies would still come, and open what everybody believes has ended."""
    settings.SESSIONSTORE_ADOPT_FROM = DJANGO
    cookies = make_old_sessions(3)
    SessionStore(cookies[0]).load()
    assert "Ended 3 sessions of everybody" in run("--all", "--no-input")
    assert [SessionStore(cookie).load() for cookie in cookies] == [{}] * 3
    assert DjangoSession.objects.count() == 0


@pytest.mark.parametrize("minutes", [-10, 10])
def test_what_has_not_moved_ends_whatever_the_clock_of_this_host_says(
    place, database, settings, clock, minutes
):
    """It may be ahead of the hosts on which they still open, or behind."""
    settings.SESSIONSTORE_ADOPT_FROM = DJANGO
    cookies = make_old_sessions(3)
    DjangoSession.objects.update(expire_date=timezone.now() + timedelta(minutes=5))
    clock.advance(minutes=minutes)
    assert "Would end 3 sessions" in run("--all", "--dry-run")
    assert end("--all") == "Ended 3 sessions of everybody.\n"
    clock.advance(minutes=-minutes)
    assert [SessionStore(cookie).load() for cookie in cookies] == [{}] * 3


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_chosen_from_is_told(settings, capsys):
    """Django's table does not know whose its sessions are, and a cache does not list them."""
    settings.SESSIONSTORE_ADOPT_FROM = DJANGO
    make_old_sessions(2)
    call_command("revokesessions", "--user-id=7", "--no-input")
    assert f"2 sessions of {DJANGO} have not moved here" in capsys.readouterr().err
    assert DjangoSession.objects.count() == 2
    settings.SESSIONSTORE_ADOPT_FROM = "django.contrib.sessions.backends.cache"
    call_command("revokesessions", "--all", "--no-input")
    assert "cannot be listed: they live on" in capsys.readouterr().err


class _Nobody(UserManager):
    """A manager that leaves everybody out, as one that hides the deleted leaves some."""

    def get_queryset(self):
        return super().get_queryset().none()


@pytest.mark.only_on("sqlite")
def test_a_base_manager_that_filters_ends_no_active_user(database, ann, monkeypatch):
    """Meta.base_manager_name may name it; the account is active all the same."""
    manager = _Nobody()
    manager.model = User
    monkeypatch.setitem(vars(User._meta), "base_manager", manager)
    end("--inactive")
    assert Session.objects.using(database).for_user(ann).count() == 3


@pytest.mark.parametrize("user_id", ["99999999999999999999", "none"])
@pytest.mark.only_on("sqlite")
def test_a_key_that_no_user_can_have_is_nobody_s(database, ann, user_id):
    """Left over from another type of user, or too large a number for the database."""
    add_rows(1, expires_in_s=IN_AN_HOUR, alias=database, user_id=user_id)
    assert list(mass_revocation.inactive_user_ids(SessionStore())) == sorted({user_id, "none"})
