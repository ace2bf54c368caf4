"""The command that deletes expired sessions."""

import json
import os
import signal
from datetime import timedelta
from functools import partial
from io import StringIO

import pytest
from django.contrib.sessions.models import Session as DjangoSession
from django.core.management import CommandError, call_command
from django.utils import timezone

from sessionstore import cleaning
from sessionstore.backends.sql import SessionStore
from sessionstore.cleaning.turn import turn
from sessionstore.management.commands import clearsessions
from tests.harness import commands
from tests.harness.statements import record_statements
from tests.ops.rows import add_rows, count_rows
from tests.ops.test_refusals import hide

DJANGO = "django.contrib.sessions.backends.db"
HOUR_AGO, IN_AN_HOUR = -3600, 3600
run = partial(commands.run, "clearsessions")


def exit_code(*arguments: str) -> int:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return caught.value.returncode


def add_old_rows(*days: int) -> None:
    """Fill Django's table with sessions that end so many days from now."""
    for number, after in enumerate(days):
        end = timezone.now() + timedelta(days=after)
        DjangoSession.objects.create(session_key=f"{number}", session_data="", expire_date=end)


def test_expired_rows_go_and_live_ones_stay(database):
    """Also when there are more than one batch holds."""
    add_rows(1200, expires_in_s=HOUR_AGO, alias=database)
    add_rows(7, expires_in_s=IN_AN_HOUR, alias=database)
    assert "Deleted 1,200 expired sessions from sessionstore_session" in run()
    assert count_rows(database) == 7
    assert "Deleted 0 expired sessions" in run()


def test_rows_get_ten_minutes_of_grace(database, clock):
    """A web server whose clock runs fast must not see a live session deleted."""
    add_rows(1, expires_in_s=60, alias=database)
    clock.advance(minutes=10, seconds=59)
    run()
    assert count_rows(database) == 1
    clock.advance(seconds=2)
    run()
    assert count_rows(database) == 0


@pytest.mark.only_on("sqlite")
def test_batch_size_bounds_each_transaction(database):
    """Each DELETE names at most so many ids."""
    add_rows(10, expires_in_s=HOUR_AGO, alias=database)
    with record_statements() as seen:
        run("--batch-size=4", "--sleep=0")
    deletes = [statement for statement in seen if statement.sql.startswith("DELETE")]
    assert [len(statement.params) - 1 for statement in deletes] == [4, 4, 2]


def test_limit_leaves_the_rest_and_says_so(database):
    """The oldest go first, and the exit code tells that rows are left."""
    add_rows(5, expires_in_s=HOUR_AGO, alias=database)
    assert exit_code("--limit=3") == clearsessions.ROWS_LEFT
    assert count_rows(database) == 2
    run()
    assert count_rows(database) == 0


@pytest.mark.only_on("sqlite")
def test_max_seconds_starts_no_further_batch(database):
    """Zero seconds start none at all."""
    add_rows(1, expires_in_s=HOUR_AGO, alias=database)
    assert exit_code("--max-seconds=0") == clearsessions.ROWS_LEFT
    assert count_rows(database) == 1


def test_a_dry_run_counts_and_deletes_nothing(database):
    """The count is exact."""
    add_rows(3, expires_in_s=HOUR_AGO, alias=database)
    add_rows(2, expires_in_s=IN_AN_HOUR, alias=database)
    assert "Would delete 3 expired sessions" in run("--dry-run")
    assert count_rows(database) == 5


def test_a_dry_run_honours_the_limit(database):
    """It tells what the same command without --dry-run would do, exit code included."""
    add_rows(5, expires_in_s=HOUR_AGO, alias=database)
    assert "Would delete 5 expired sessions" in run("--dry-run", "--limit=6")
    out = StringIO()
    with pytest.raises(CommandError, match="--limit is reached") as caught:
        call_command("clearsessions", "--dry-run", "--limit=3", stdout=out)
    assert caught.value.returncode == clearsessions.ROWS_LEFT
    assert "Would delete 3 expired sessions" in out.getvalue()


def test_json_tells_what_was_done(database):
    """One line of JSON, for a monitor to read."""
    add_rows(3, expires_in_s=HOUR_AGO, alias=database)
    told = json.loads(run("--json"))
    [table] = told["tables"]
    assert table.pop("seconds") >= 0
    assert table == {
        "table": "sessionstore_session",
        "database": database,
        "sessions": 3,
        "batches": 1,
        "ending": "done",
    }
    assert told["sessions"] == 3
    assert told["dry_run"] is False


def test_one_cleaner_works_at_a_time(database):
    """A second one leaves with a code of its own, and once the first has gone it works."""
    add_rows(1, expires_in_s=HOUR_AGO, alias=database)
    with turn(database, "sessionstore_session") as is_ours:
        assert is_ours
        assert exit_code() == clearsessions.BUSY
        assert count_rows(database) == 1
    run()
    assert count_rows(database) == 0


@pytest.mark.only_on("sqlite")
def test_a_table_that_is_being_cleared_does_not_hold_up_the_other(database, settings):
    """The message names the one that was left alone."""
    settings.SESSIONSTORE_ADOPT_FROM = DJANGO
    add_rows(1, expires_in_s=HOUR_AGO, alias=database)
    add_old_rows(-1)
    words = "works on sessionstore_session of database 'default', which was left alone"
    with turn(database, "sessionstore_session"), pytest.raises(CommandError, match=words) as caught:
        run()
    assert caught.value.returncode == clearsessions.BUSY
    assert (count_rows(database), DjangoSession.objects.count()) == (1, 0)


@pytest.mark.only_on("sqlite")
def test_sigterm_ends_it_after_the_present_batch(database, monkeypatch):
    """Nothing is cut off, the code tells that rows are left, and the old handler is back."""
    add_rows(10, expires_in_s=HOUR_AGO, alias=database)
    before = signal.getsignal(signal.SIGTERM)

    def clear_and_be_told_to_stop(rows, **options):
        def tell(_: int) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

        return cleaning.clear_expired(rows, **{**options, "on_batch": tell})

    monkeypatch.setattr(clearsessions, "clear_expired", clear_and_be_told_to_stop)
    assert exit_code("--batch-size=4", "--sleep=60") == clearsessions.ROWS_LEFT
    assert count_rows(database) == 6
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.only_on("sqlite", "mariadb")
def test_another_database_can_be_named(database, settings):
    """Whatever the routers say."""
    add_rows(1, expires_in_s=HOUR_AGO, alias=database)
    settings.SESSIONSTORE_DATABASE = None
    assert f"'{database}'" in run(f"--database={database}")
    assert count_rows(database) == 0


@pytest.mark.only_on("sqlite")
def test_engines_can_be_named_in_short(database, settings):
    """Also when the site's own engine is another one."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.file"
    add_rows(2, expires_in_s=HOUR_AGO, alias=database)
    run("--engine=sql", "--limit=1000")
    add_rows(2, expires_in_s=HOUR_AGO, alias=database)
    run("--engine=sessionstore.backends.sql")
    assert count_rows(database) == 0


@pytest.mark.only_on("sqlite")
def test_a_foreign_engine_clears_in_its_own_way(database, settings):
    """Our command shadows Django's, so it does what Django's does."""
    settings.SESSION_ENGINE = DJANGO
    add_old_rows(-1)
    run()
    assert not DjangoSession.objects.exists()


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    "option", ["--dry-run", "--limit=1", "--sleep=1", "--json", "--max-seconds=0"]
)
def test_a_foreign_engine_refuses_our_options(database, settings, option):
    """A dry run that deletes would be the worst of them."""
    settings.SESSION_ENGINE = DJANGO
    assert exit_code(option) == 1


@pytest.mark.only_on("sqlite")
def test_the_table_that_sessions_are_adopted_from_is_cleared_too(database, settings):
    """Its expired rows would otherwise stay for ever."""
    settings.SESSIONSTORE_ADOPT_FROM = DJANGO
    add_old_rows(-1, -1, 1)
    add_rows(1, expires_in_s=HOUR_AGO, alias=database)
    told = json.loads(run("--json"))
    assert [(table["table"], table["sessions"]) for table in told["tables"]] == [
        ("sessionstore_session", 1),
        ("django_session", 2),
    ]
    assert DjangoSession.objects.count() == 1


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("path", ["no.such.engine", "sessionstore.backends.cached_sql"])
def test_a_wrong_source_is_a_plain_error(database, settings, path):
    """A cron job has no use for a traceback; what is wrong with it is what the check says."""
    settings.SESSIONSTORE_ADOPT_FROM = path
    with pytest.raises(CommandError, match=f"SESSIONSTORE_ADOPT_FROM = '{path}': ") as caught:
        run()
    assert caught.value.returncode == 1


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-size=0"], "'0' is not a whole number above 0"),
        (["--sleep=fast"], "'fast' is not a number of seconds"),
        (["--limit=-1"], "'-1' is not a whole number above 0"),
        (["--engine=nothing"], "'nothing' is no session engine"),
        (["--database=other"], "no database 'other'"),
    ],
)
def test_wrong_arguments_are_explained(database, arguments, message):
    """Each message names the value and what is right."""
    with pytest.raises(CommandError, match=message):
        run(*arguments)


def test_a_missing_table_is_a_plain_error(database, monkeypatch):
    """It says where the table was looked for."""
    hide(SessionStore.get_model_class(), monkeypatch)
    with pytest.raises(CommandError, match="no table not_there in database") as caught:
        run()
    assert caught.value.returncode == 1
