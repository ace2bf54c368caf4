"""manage.py expresstable, and what a table must look like."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from sessionstore.backends.express import SessionStore
from sessionstore.express.record import express_settings
from sessionstore.express.store import ExpressStore
from sessionstore.express.table.schema import ExpressTable


@pytest.fixture
def table(shared_table, database) -> ExpressTable:
    """A table as express-mysql-session makes it."""
    shared_table()
    return ExpressTable(database, express_settings())


def told(capsys, *arguments: str) -> str:
    """Return what the command prints."""
    call_command("expresstable", *arguments)
    return capsys.readouterr().out


def test_create_makes_the_table_once(table, capsys):
    """Run again it has nothing to do and loses nothing."""
    SessionStore().save()
    assert "nothing to do" in told(capsys, "--create")
    assert set(table.columns()) == {"session_id", "expires", "data"}
    assert ExpressStore().length() == 1


def test_check_tells_what_is_missing_and_the_cure(table, capsys):
    """No index, no mark: both are told with the option that adds them."""
    output = told(capsys, "--check")
    assert "expires has no index (--add-mark)" in output
    assert "no mark column revoked_at (--add-mark)" in output


def test_add_mark_adds_the_column_and_the_index(table, capsys):
    """Then only the guard is missing; a second run does nothing."""
    told(capsys, "--add-mark")
    assert "revoked_at" in table.columns()
    assert table.inspection.has_index("expires")
    assert "nothing to do" in told(capsys, "--add-mark")
    costs = [line for line in told(capsys, "--check").splitlines() if line.startswith("costs")]
    assert [line.partition(" (")[0] for line in costs] == ["costs: there is no guard"]


def test_add_guard_adds_all_three(table, capsys):
    """After it there is nothing to tell."""
    told(capsys, "--add-guard")
    assert "as it should be" in told(capsys, "--check")
    assert told(capsys, "--add-guard") == "sessions: nothing to do.\n"


def test_a_dry_run_prints_the_sql_and_changes_nothing(table, capsys):
    """For those who give DDL to somebody else."""
    output = told(capsys, "--add-mark", "--dry-run")
    assert "ALTER TABLE" in output
    assert "CREATE INDEX" in output
    assert "revoked_at" not in table.columns()


def test_a_check_and_a_dry_run_are_not_asked_for_at_once(table):
    """It was passed over in silence."""
    with pytest.raises(CommandError, match="--dry-run goes with what changes the table"):
        call_command("expresstable", "--check", "--dry-run")


def test_a_table_that_does_not_exist_is_told(shared_table, settings, capsys):
    """Once, with its place and the command that makes it."""
    shared_table()
    settings.SESSIONSTORE_EXPRESS = {"secrets": ["s"], "table": "missing"}
    for what in ("--check", "--add-mark"):
        with pytest.raises(CommandError, match=r"no table missing in .* expresstable --create"):
            call_command("expresstable", what)
    assert capsys.readouterr().out == ""


def test_a_column_that_is_missing_is_told(shared_table, settings, capsys):
    """A wrong name in the settings is found before the first request."""
    shared_table()
    settings.SESSIONSTORE_EXPRESS = {"secrets": ["s"], "columns": {"data": "json"}}
    with pytest.raises(CommandError, match="cannot be shared"):
        call_command("expresstable", "--check")
    assert "column json is missing" in capsys.readouterr().out


def test_without_its_setting_the_command_says_so(database, settings):
    """No traceback."""
    settings.SESSIONSTORE_EXPRESS = None
    with pytest.raises(CommandError, match="needs SESSIONSTORE_EXPRESS"):
        call_command("expresstable", "--check")


@pytest.mark.only_on("mariadb", "mysql")
def test_a_collation_that_ignores_case_is_refused(table, database, capsys):
    """Two ids that differ in case would be one session to the database."""
    with connections[database].cursor() as cursor:
        cursor.execute("ALTER TABLE sessions MODIFY session_id varchar(128) NOT NULL")
        cursor.execute("ALTER TABLE sessions CONVERT TO CHARACTER SET utf8mb4")
    with pytest.raises(CommandError, match="cannot be shared"):
        call_command("expresstable", "--check")
    assert "session_id has the collation" in capsys.readouterr().out


@pytest.mark.only_on("mariadb", "mysql")
def test_a_charset_that_cannot_hold_every_character_is_refused(table, database, capsys):
    """An emoji would be an error at some request."""
    with connections[database].cursor() as cursor:
        cursor.execute("ALTER TABLE sessions MODIFY data mediumtext CHARACTER SET latin1")
    with pytest.raises(CommandError, match="cannot be shared"):
        call_command("expresstable", "--check")
    assert "cannot hold every character" in capsys.readouterr().out


@pytest.mark.only_on("mariadb", "mysql")
def test_the_table_is_the_one_that_express_makes(browser, database):
    """Node's own table and ours have the same columns of the same types, in the same order."""

    def described() -> list[tuple[object, ...]]:
        with connections[database].cursor() as cursor:
            cursor.execute(
                "SELECT column_name, column_type, collation_name, is_nullable, column_key "
                "FROM information_schema.columns WHERE table_schema = DATABASE() "
                "AND table_name = 'sessions' ORDER BY ordinal_position"
            )
            return list(cursor.fetchall())

    ours = described()
    with connections[database].cursor() as cursor:
        cursor.execute("DROP TABLE sessions")
    browser.peer.control("createDatabaseTable")
    assert described() == ours


@pytest.mark.only_on("postgresql")
def test_the_table_of_connect_pg_simple_is_the_one_that_it_makes(database, shared_table, peers):
    """The same columns and types, and its index on the expiry."""

    def described() -> list[tuple[object, ...]]:
        with connections[database].cursor() as cursor:
            cursor.execute(
                "SELECT column_name, data_type, datetime_precision, is_nullable "
                "FROM information_schema.columns WHERE table_name = 'session' "
                "ORDER BY ordinal_position"
            )
            return list(cursor.fetchall())

    shared_table(layout="connect-pg-simple")
    ours = described()
    with connections[database].cursor() as cursor:
        cursor.execute("DROP TABLE session")
    fresh = peers.get(database, store="pg", fresh="a process that has not made its table yet")
    fresh.store("get", "nobody")
    assert described() == ours
    assert ExpressTable(database, express_settings()).inspection.has_index("expire")


@pytest.mark.only_on("sqlite")
def test_a_database_that_is_not_there_is_a_plain_error(table):
    """As with the other commands."""
    with pytest.raises(CommandError, match="no database 'nowhere' in DATABASES"):
        call_command("expresstable", "--check", "--database=nowhere")


@pytest.mark.parametrize("kind", ["timestamp NULL", "int DEFAULT 0"])
def test_a_mark_column_that_holds_no_marks_is_refused(table, database, kind):
    """Each logout would be an error, or each row a mark."""
    with connections[database].cursor() as cursor:
        cursor.execute(f"ALTER TABLE sessions ADD COLUMN revoked_at {kind}")
    with pytest.raises(CommandError, match="cannot be shared"):
        call_command("expresstable", "--check")
