"""What each command says of a database that refuses: one line, with the place and the way out."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session as DjangoSession
from django.core.management import CommandError, load_command_class
from django.db import connections
from django.db.models import Model
from django.test import override_settings
from django.utils import timezone

from sessionstore.express.rows import SharedTable
from sessionstore.management.base import database_errors
from sessionstore.models import Session
from sessionstore.table.refusals import Named
from sessionstore.table.statements import quoted
from tests.faults.conftest import another_alias
from tests.faults.own_server import Own, wait_for_answer
from tests.harness.databases import Beside, mysql
from tests.harness.process import free_port, private_folder
from tests.harness.projects import run_python
from tests.ops.rows import add_rows

# No other module has a table of the last name, which --create would see in another database.
OURS, OLD, SHARED = "sessionstore_session", "django_session", "refused_sessions"
DJANGO = "django.contrib.sessions.backends.db"
EXPRESS = "sessionstore.backends.express"
# How it is called, on which engine if not on ours, and the tables that it may name.
COMMANDS = {
    "clearsessions": {OURS},
    "sessionstats": {OURS},
    "revokesessions --all --no-input": {OURS, "auth_user"},
    "importsessions": {OURS, OLD},
    "clearsessions --engine=express": {SHARED},
    "sessionstats --engine=express": {SHARED},
    "expresstable --check": {SHARED},
    "expresstable --create": {SHARED},
    "expresstable --add-mark": {SHARED},
    "expresstable --add-guard": {SHARED},
    "expresstable --add-user": {SHARED},
    "express: revokesessions --user-id=7 --no-input": {SHARED, "auth_user"},
}
# A user of this worker alone: those of one run share the servers.
SHOP = f"shop{os.environ.get('PYTEST_XDIST_WORKER', '')}"
LOCKED = SHOP.replace("shop", "locked")
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "INDEX", "TRIGGER", "DROP")
servers = pytest.mark.only_on("mariadb", "mysql", "postgresql")
every_command = pytest.mark.parametrize("command", COMMANDS)


def shell(command: str, *options: str) -> int:
    """Run a command as a shell does; return its exit code."""
    _, is_express, command = command.rpartition("express: ")
    name, *arguments = command.split()
    try:
        with override_settings(SESSION_ENGINE=EXPRESS) if is_express else nullcontext():
            load_command_class("sessionstore", name).run_from_argv(
                ["manage.py", name, *arguments, *options]
            )
    except SystemExit as ended:
        return ended.code
    return 0


def refused(capsys, command: str, alias: str, *options: str, table: str | None = None) -> str:
    """Return the one line that a command ends with; the place is in it, and no traceback."""
    capsys.readouterr()
    assert shell(command, *options) == 1
    line = capsys.readouterr().err.strip()
    assert line.startswith("CommandError: ")
    assert "\n" not in line
    assert len(line.removeprefix("CommandError: ")) <= 300
    settings = connections.settings[alias]
    place = settings["NAME"] if "sqlite" in settings["ENGINE"] else f"127.0.0.1:{settings['PORT']}"
    assert f"database {alias!r} ({place})" in line
    named = {table} if table else COMMANDS[command]
    assert any(f"{one} " in line for one in named), line
    error = raised(command)
    assert error.__cause__ is not None or "no table" in line
    return line


def raised(command: str) -> CommandError:
    """Return what a command raises; once PostgreSQL has noticed that the last one is gone."""
    while True:
        with pytest.raises(CommandError) as caught:
            shell(command, "--traceback")
        if "Another clearsessions works" not in str(caught.value):
            return caught.value


@pytest.fixture
def on(settings) -> Callable[[str], None]:
    """Send everything that the commands look at to one alias."""
    settings.SESSIONSTORE_EXPRESS = {"secrets": ["s"], "table": SHARED}
    settings.SESSIONSTORE_ADOPT_FROM = DJANGO

    def send(alias: str) -> None:
        settings.SESSIONSTORE_DATABASE = alias
        settings.DATABASE_ROUTERS = [Beside(alias), "sessionstore.routers.SessionRouter"]

    return send


@pytest.fixture
def rows(database: str, on, shared: Callable[[], None]) -> None:
    """Something to delete, to end and to move, in each table."""
    on(database)
    shared()
    add_rows(2, expires_in_s=-3600, alias=database)
    add_rows(2, expires_in_s=3600, alias=database)
    live = DjangoSession(session_key="k" * 32, expire_date=timezone.now() + timedelta(days=1))
    live.session_data = DjangoSession.get_session_store_class()().encode({"a": 1})
    live.save(using=database)


@pytest.fixture
def shared(database: str, on) -> Iterator[Callable[[], None]]:
    """Make the table of Express when called."""

    def make() -> None:
        on(database)
        assert shell("expresstable --create") == 0
        old = "INSERT INTO refused_sessions (session_id, expires, data) VALUES ('old', 1, '{}')"
        _run(database, [old])

    yield make
    with connections[database].cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS refused_sessions")


# --- places where nothing can be done


def down(database: str) -> AbstractContextManager[str]:
    return another_alias(database, f"down_{database}", PORT=free_port())


def unknown_database(database: str) -> AbstractContextManager[str]:
    return another_alias(database, f"unknown_{database}", NAME="no_such")


def unknown_user(database: str) -> AbstractContextManager[str]:
    return another_alias(database, f"nobody_{database}", USER="nobody_here", PASSWORD="x")


@contextmanager
def wrong_password(database: str) -> Iterator[str]:
    """A user whose password is another one; PostgreSQL has to be told to ask for it."""
    with connections[database].cursor() as cursor:
        if connections[database].vendor == "mysql":
            cursor.execute(f"CREATE USER {LOCKED}@'%' IDENTIFIED BY 'right'")
            asks = nullcontext()
        else:
            cursor.execute(f"CREATE ROLE {LOCKED} LOGIN PASSWORD 'right'")
            cursor.execute("SHOW hba_file")
            asks = _asking(database, Path(cursor.fetchone()[0]))
    try:
        with (
            asks,
            another_alias(database, f"locked_{database}", USER=LOCKED, PASSWORD="wr0ng") as alias,
        ):
            yield alias
    finally:
        with connections[database].cursor() as cursor:
            who = "ROLE" if connections[database].vendor == "postgresql" else "USER"
            cursor.execute(f"DROP {who} {LOCKED}")


@contextmanager
def _asking(database: str, access: Path) -> Iterator[None]:
    before = access.read_text()
    access.write_text(f"host all {LOCKED} 127.0.0.1/32 scram-sha-256\n{before}")
    try:
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT pg_reload_conf()")
        yield
    finally:
        access.write_text(before)


@every_command
@servers
@pytest.mark.parametrize(
    ("situation", "says", "way_out"),
    [
        (down, "cannot be reached", "HOST and PORT in DATABASES['down_"),
        (unknown_database, "no such database", "NAME in DATABASES['unknown_"),
        (unknown_user, "does not let this user in", "USER and PASSWORD in DATABASES['nobody_"),
        (wrong_password, "does not let this user in", "USER and PASSWORD in DATABASES['locked_"),
    ],
)
def test_a_database_that_lets_nobody_in(database, on, capsys, command, situation, says, way_out):
    """Whatever the verbosity; the password is nowhere."""
    with situation(database) as alias:
        on(alias)
        for verbosity in "03":
            line = refused(capsys, command, alias, f"--verbosity={verbosity}")
        assert says in line
        assert way_out in line
        assert "wr0ng" not in line


@every_command
@pytest.mark.only_on("sqlite")
def test_a_file_that_cannot_be_opened(database, on, capsys, command):
    """On SQLite the place is the file."""
    nowhere = {"NAME": "/no/such/folder/db.sqlite3", "OPTIONS": {}}
    with another_alias(database, "nowhere", replace=nowhere) as alias:
        on(alias)
        line = refused(capsys, command, alias)
    assert "the file cannot be opened (error 14: unable to open database file)" in line


@pytest.mark.parametrize("command", [one for one in COMMANDS if "expresstable" not in one])
def test_a_missing_table(database, on, capsys, monkeypatch, settings, command):
    """The command that makes it is another one for each engine."""
    on(database)
    model = DjangoSession if command == "importsessions" else Session
    hide(model, monkeypatch)
    settings.SESSIONSTORE_EXPRESS = {"secrets": ["s"], "table": "not_there"}
    line = refused(capsys, command, database, table="not_there")
    assert "There is no table not_there in database " in line
    way_out = "expresstable --create." if "express" in command else "migrate"
    assert way_out in line


def test_a_missing_table_of_the_users(database, on, capsys, monkeypatch, django_user_model):
    """It is not told as that of the sessions."""
    on(database)
    hide(django_user_model, monkeypatch)
    line = refused(capsys, "revokesessions --user=ann", "default", table="not_there")
    assert line.endswith("Run manage.py migrate.")


@pytest.mark.parametrize("what", ["--check", "--add-mark", "--add-guard", "--add-user"])
def test_a_missing_table_of_express(database, on, capsys, settings, what):
    """Nothing is added to what is not there."""
    on(database)
    settings.SESSIONSTORE_EXPRESS = {"secrets": ["s"], "table": "not_there"}
    line = refused(capsys, f"expresstable {what}", database, table="not_there")
    assert "There is no table not_there" in line
    assert "expresstable --create." in line


@every_command
@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("name", ["SESSIONSTORE_EXPRESS", "SESSIONSTORE_DATABASE"])
def test_a_setting_that_is_wrong_or_missing(database, capsys, settings, command, name):
    """It is named, in one line, as the check names it."""
    settings.SESSION_ENGINE = EXPRESS
    settings.SESSIONSTORE_EXPRESS = None if "EXPRESS" in name else {"secrets": ["s"]}
    settings.SESSIONSTORE_DATABASE = 7 if "DATABASE" in name else None
    assert shell(command) == 1
    line = capsys.readouterr().err.strip()
    assert line.startswith("CommandError: ")
    assert "\n" not in line
    assert name in line or command == "importsessions"


# --- rights


@contextmanager
def lacking(database: str, right: str, table: str) -> Iterator[str]:
    """A user who may do everything but one thing with one table."""
    connection = connections[database]
    name = connection.settings_dict["NAME"]
    rights = ", ".join(one for one in RIGHTS if one != right)
    if connection.vendor == "mysql":
        before = [f"CREATE USER {SHOP}@'%'"]
        before += [
            f"GRANT {rights if one == table else ', '.join(RIGHTS)} ON {name}.{one} TO {SHOP}@'%'"
            for one in (OURS, OLD, SHARED, "auth_user")
            # On a table that is not there only CREATE can be granted.
            if one != SHARED or right != "CREATE"
        ]
        after = [f"DROP USER IF EXISTS {SHOP}"]
    else:
        data = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRIGGER")
        before = [
            f"CREATE ROLE {SHOP} LOGIN",
            *([] if right == "CREATE" else [f"GRANT CREATE ON SCHEMA public TO {SHOP}"]),
            f"GRANT {', '.join(data)} ON {OURS}, {OLD}, auth_user TO {SHOP}",
            f"GRANT {', '.join(data)} ON ALL TABLES IN SCHEMA public TO {SHOP}",
            *([f"REVOKE {right} ON {table} FROM {SHOP}"] if right in data else []),
        ]
        after = [f"DROP OWNED BY {SHOP}", f"DROP ROLE {SHOP}"]
    try:
        _run(database, before)
        with another_alias(database, f"shop_{database}", USER=SHOP) as alias:
            yield alias
    finally:
        _run(database, after)


def hide(model: type[Model], monkeypatch) -> None:
    """Let a model look for a table that is not there, for this test alone."""
    for field in model._meta.fields:
        _ = field.cached_col  # Django keeps each column with the name of its table.
    monkeypatch.setattr(model._meta, "db_table", "not_there")


def _run(database: str, statements: list[str]) -> None:
    with connections[database].cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)


def grant(database: str, right: str, table: str) -> str:
    """Return the statement that an administrator has to run."""
    if connections[database].vendor == "mysql":
        name = connections[database].settings_dict["NAME"]
        return f"GRANT {right} ON {name}.{table} TO '{SHOP}'@'%';"
    return f'GRANT {right} ON "{table}" TO "{SHOP}";'


@servers
@pytest.mark.parametrize(
    ("command", "right", "table"),
    [
        ("clearsessions", "SELECT", OURS),
        ("clearsessions", "DELETE", OURS),
        ("sessionstats", "SELECT", OURS),
        ("revokesessions --all --no-input", "SELECT", OURS),
        ("revokesessions --all --no-input", "DELETE", OURS),
        ("revokesessions --all --no-input", "SELECT", OLD),
        ("importsessions", "SELECT", OLD),
        ("importsessions", "DELETE", OLD),
        ("importsessions", "INSERT", OURS),
        ("clearsessions --engine=express", "SELECT", SHARED),
        ("clearsessions --engine=express", "DELETE", SHARED),
        ("sessionstats --engine=express", "SELECT", SHARED),
    ],
)
def test_a_right_that_is_lacking(database, rows, on, capsys, command, right, table):
    """The line has the statement that gives it; after that the command works."""
    with lacking(database, right, table) as alias:
        on(alias)
        line = refused(capsys, command, alias, table=table)
        statement = grant(database, right, table)
        assert line.endswith(statement)
        _run(database, [statement])
        assert shell(command) == 0


@servers
@pytest.mark.parametrize("name", ["web.sessions", '`my` "own"'])
def test_a_right_on_a_table_of_any_name(database, on, capsys, settings, name):
    """A dot in a name parts nothing, and a quote ends none."""
    is_postgres = connections[database].vendor == "postgresql"
    schema = "public" if is_postgres else connections[database].settings_dict["NAME"]
    table = ".".join(quoted(database, one) for one in (schema, name))
    who = SHOP if is_postgres else f"{SHOP}@'%'"
    _run(database, [f"CREATE {'ROLE' if is_postgres else 'USER'} {SHOP} {'LOGIN' * is_postgres}"])
    on(database)
    settings.SESSIONSTORE_EXPRESS |= {"schema": schema, "table": name}
    try:
        assert shell("expresstable --create") == 0
        _run(database, [f"GRANT SELECT ON {table} TO {who}"])
        with another_alias(database, f"shop_{database}", USER=SHOP) as alias:
            on(alias)
            settings.SESSIONSTORE_EXPRESS |= {"schema": schema, "table": name}
            _run(database, [f"INSERT INTO {table} VALUES ('old', 1, '{{}}')"])  # noqa: S608 - quoted
            assert shell("clearsessions --engine=express") == 1
            line = capsys.readouterr().err.strip()
            _run(database, [line.partition("Let an administrator run ")[2].removesuffix(";")])
            assert shell("clearsessions --engine=express") == 0
    finally:
        _run(database, [f"DROP TABLE {table}"])
        _run(database, [f"DROP {'ROLE' if is_postgres else 'USER'} {who}"])


@servers
def test_ends_on_a_table_of_express_need_update(database, rows, on, capsys, settings):
    """Where a logout leaves its mark."""
    settings.SESSION_ENGINE = EXPRESS
    assert shell("expresstable --add-mark") == 0
    # Under an id that may come again a logout leaves none.
    _run(
        database, ["UPDATE refused_sessions SET expires = 4000000000, session_id = REPEAT('k', 32)"]
    )
    with lacking(database, "UPDATE", SHARED) as alias:
        on(alias)
        line = refused(capsys, "revokesessions --all --no-input", alias, table=SHARED)
        assert line.endswith(grant(database, "UPDATE", SHARED))


@pytest.mark.only_on("mariadb", "mysql")
@pytest.mark.parametrize(
    ("what", "right"),
    [("--create", "CREATE"), ("--add-mark", "ALTER"), ("--add-mark", "INDEX")],
)
def test_a_right_to_change_the_table(database, on, capsys, shared, what, right):
    """One statement at a time: the next is told when this one is given."""
    if what != "--create":
        shared()
    with lacking(database, right, SHARED) as alias:
        on(alias)
        line = refused(capsys, f"expresstable {what}", alias, table=SHARED)
        assert line.endswith(grant(database, right, SHARED))


@servers
def test_a_right_to_make_the_guard(database, on, capsys, shared):
    """TRIGGER, on all three."""
    shared()
    assert shell("expresstable --add-mark") == 0
    with lacking(database, "TRIGGER", SHARED) as alias:
        on(alias)
        line = refused(capsys, "expresstable --add-guard", alias, table=SHARED)
        assert line.endswith(grant(database, "TRIGGER", SHARED))


@pytest.mark.only_on("postgresql")
def test_what_only_the_owner_may_do(database, on, capsys, shared):
    """No grant gives it; a table is made by whoever may make one in its schema."""
    with lacking(database, "CREATE", SHARED) as alias:
        on(alias)
        line = refused(capsys, "expresstable --create", alias)
        assert line.endswith(f'GRANT CREATE ON SCHEMA "public" TO "{SHOP}";')
    shared()
    with lacking(database, "", SHARED) as alias:
        on(alias)
        line = refused(capsys, "expresstable --add-mark", alias)
        assert line.endswith("Let its owner, postgres, run this command.")


@servers
@pytest.mark.parametrize(
    "command",
    [
        *("clearsessions", "revokesessions --all --no-input", "importsessions"),
        *("clearsessions --engine=express", "expresstable --add-mark", "expresstable --add-guard"),
        *("expresstable --add-user", "expresstable --check"),
    ],
)
def test_a_server_that_takes_no_writes(database, rows, on, capsys, command):
    """A replica, or one that was set so."""
    reads_only = {
        "mysql": {"init_command": "SET SESSION TRANSACTION READ ONLY"},
        "postgresql": {"options": "-c default_transaction_read_only=on"},
    }[connections[database].vendor]
    with another_alias(database, f"replica_{database}", OPTIONS=reads_only) as alias:
        on(alias)
        line = refused(capsys, command, alias)
    assert "it takes no writes" in line
    assert f"Let DATABASES['replica_{database}'] lead to a server that does." in line


class WithBinaryLog(Own):
    """A server that keeps a binary log, as MySQL does by default."""

    def launch(self, name, command, *, account):
        logs = ["--log-bin=binlog", "--server-id=1"]
        command = [new for one in command for new in (logs if one == "--skip-log-bin" else [one])]
        return super().launch(name, command, account=account)


@pytest.mark.parametrize("server", ["mariadb", "mysql"])
def test_a_guard_where_a_binary_log_is_kept(db, on, capsys, server, settings):
    """Error 1419: it is not a grant on the table that is lacking."""
    servers = WithBinaryLog(private_folder(in_memory=True))
    try:
        servers.start_or_skip(server)
        own = {**mysql(servers.ports[server]), "NAME": "mysql"}
        with another_alias("default", "logged", replace=own) as alias:
            wait_for_answer(alias)
            _run(alias, ["CREATE DATABASE shop", "CREATE USER shop@'%'"])
            _run(alias, ["GRANT ALL ON shop.* TO shop@'%'"])
            with another_alias("logged", "shop", USER="shop", NAME="shop"):
                on("shop")
                assert shell("expresstable --create") == 0
                line = refused(capsys, "expresstable --add-guard", "shop", table=SHARED)
                assert "SET GLOBAL log_bin_trust_function_creators = 1" in line
                _run(alias, ["SET GLOBAL log_bin_trust_function_creators = 1"])
                assert shell("expresstable --add-guard") == 0
                _run("shop", ["INSERT INTO refused_sessions VALUES ('old', 1, '{}', NULL)"])
                _run(alias, ["SET GLOBAL read_only = 1"])
                for command in ("expresstable --check", "clearsessions --engine=express"):
                    line = refused(capsys, command, "shop")
                    assert "it takes no writes (error 1290" in line
    finally:
        servers.stop()


# --- what is not shown


def test_values_of_a_row_are_never_told(database, shared):
    """An id that is taken stands in the server's own words."""
    shared()
    taken = "INSERT INTO refused_sessions (session_id, expires) VALUES ('no such table: ann', 1)"
    _run(database, [taken])
    with pytest.raises(CommandError) as caught, database_errors(SharedTable().using(database)):
        _run(database, [taken])
    line = str(caught.value)
    assert line.startswith(f"Table refused_sessions in database {database!r} (")
    assert ": the database refused (error " in line
    assert "ann" not in line


@servers
def test_a_column_that_is_not_there(database):
    """Another release's table: the check tells what differs. Names are shown as they are."""
    with pytest.raises(CommandError) as caught, database_errors(Named(database, "a{b}")):
        _run(database, ["SELECT no_such_column FROM auth_user"])
    assert f"a{{b}} in database {database!r}" in str(caught.value)
    assert f"manage.py check --database {database} tells more." in str(caught.value)


PROJECT = """
from tests.harness.databases import mysql
SECRET_KEY = "x" * 60
INSTALLED_APPS = ["sessionstore", "django.contrib.contenttypes", "django.contrib.auth"]
INSTALLED_APPS += ["django.contrib.sessions"]
DATABASES = {"default": mysql(PORT)}
SESSION_ENGINE = "sessionstore.backends.sql"
SESSIONSTORE_EXPRESS = {"secrets": ["s"]}
SESSIONSTORE_ADOPT_FROM = "django.contrib.sessions.backends.db"
"""


@pytest.mark.parametrize("command", ["clearsessions", "importsessions", "expresstable --check"])
def test_a_site_without_logging_gets_one_line_too(tmp_path, command):
    """Python prints records that nobody handles: cron would mail them beside the line."""
    (tmp_path / "settings.py").write_text(PROJECT.replace("PORT", str(free_port())))
    code, printed = run_python(tmp_path, "-m", "django", *command.split())
    assert code == 1
    assert printed.count("\n") == 1
    assert printed.startswith("CommandError: Table ")
