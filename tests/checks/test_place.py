"""What the system checks say when the session table is not where the site looks for it."""

import gc

import pytest
from django.contrib.sessions.models import Session as DjangoSession
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connections
from django.test.utils import modify_settings, override_settings

from sessionstore.models import Session
from sessionstore.table.refusals import place_of
from tests.checks.test_settings import WRONG
from tests.faults.conftest import another_alias
from tests.harness.databases import Beside
from tests.ops.rows import add_rows
from tests.ops.test_refusals import OURS as OUR_TABLE
from tests.ops.test_refusals import grant, lacking

LEAVING, DJANGO = "sessionstore.backends.leaving", "django.contrib.sessions.backends.db"
DJANGOS_MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
IDS = ("E001", "E003", "E004", "E005", "E040", "E041", "E064", "W003", "W048")
NO_TEST = {"NAME": None, "MIRROR": None}
OURS = {f"sessionstore.{one}" for one in IDS}


def messages(*databases, deploy=True):
    """Return what the doctor says of this topic, by its ids."""
    found = run_checks(
        tags=["sessionstore"], databases=list(databases), include_deployment_checks=deploy
    )
    return {one.id.removeprefix("sessionstore."): one for one in found if one.id in OURS}


def test_a_wrong_value_is_told_by_the_whole_doctor(database):
    """E001 and no traceback, from our checks and from those of Django that ask the router."""
    for name, values in WRONG.items():
        for value in values:
            with override_settings(**{name: value}):
                found = run_checks(databases=[database], include_deployment_checks=True)
            assert [one.id for one in found].count("sessionstore.E001") == 1, (name, value)


def test_a_right_site_is_told_nothing(database):
    """On each database."""
    assert messages(database) == {}


@pytest.mark.parametrize("middleware", [None, DJANGOS_MIDDLEWARE], ids=["ours", "django's"])
@pytest.mark.parametrize("engine", ["sql", "express", "leaving"])
def test_a_database_that_is_not_there_is_an_error(db, settings, engine, middleware):
    """Whoever reads the setting."""
    settings.MIDDLEWARE = middleware or settings.MIDDLEWARE
    settings.SESSION_ENGINE = f"sessionstore.backends.{engine}"
    settings.SESSIONSTORE_EXPRESS = {"secrets": ["s"], "layout": "connect-pg-simple"}
    settings.SESSIONSTORE_DATABASE = "typo"
    error = messages("default", deploy=False)["E003"]
    assert error.msg == "There is no database 'typo' in DATABASES, where sessions should be."
    assert "default" in error.hint
    assert "E003" in messages("default")


def test_a_database_without_the_router_is_an_error(settings):
    """The setting would do nothing at all."""
    connections.settings["sessions"] = connections.settings["default"]
    try:
        settings.SESSIONSTORE_DATABASE = "sessions"
        assert messages() == {}
        settings.DATABASE_ROUTERS = []
        assert list(messages()) == ["E004"]
        assert "'default'" in messages()["E004"].msg
        assert "sessionstore.routers.SessionRouter" in messages()["E004"].hint
    finally:
        del connections.settings["sessions"]


def test_an_engine_that_cannot_be_imported_is_an_error(settings):
    """No other check would know what to look at."""
    settings.SESSION_ENGINE = "sessionstore.backends.sq1"
    assert list(messages()) == ["E005"]


def test_a_missing_table_is_an_error(database, monkeypatch):
    """With --deploy, because the first migrate runs the other checks before it makes the table."""
    monkeypatch.setattr(Session._meta, "db_table", "not_there")
    assert messages(database, deploy=False) == {}
    error = messages(database)["E040"]
    place = place_of(database)
    assert error.msg == f"There is no table not_there in database {database!r} ({place})."
    assert error.hint.startswith("The table django_migrations there says that it is made. Run ")


@pytest.mark.only_on("sqlite")
def test_the_way_to_make_a_table_is_the_one_that_works(database, settings, tmp_path):
    """With the alias where the table is, and without the command that has just done nothing."""
    empty = {"NAME": str(tmp_path / "empty"), "TEST": NO_TEST}
    with another_alias(database, "sessions", replace=empty) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        assert messages(alias)["E040"].hint == "Run manage.py migrate --database sessions."
        call_command("migrate", "sessionstore", fake=True, database=alias, verbosity=0)
        assert "zero --fake --database sessions, then" in messages(alias)["E040"].hint
        settings.SESSION_ENGINE = "tests.owntable.engine"
        assert messages(alias)["E040"].hint == "Run manage.py migrate --database sessions."
        call_command("migrate", "owntable", fake=True, database=alias, verbosity=0)
        assert "the migration of 'owntable'" in messages(alias)["E040"].hint


@pytest.mark.only_on("sqlite")
def test_a_second_alias_of_an_sqlite_file_is_told(database, settings, tmp_path):
    """Under ATOMIC_REQUESTS no login works; else none inside a transaction does."""
    with another_alias(database, "sessions") as alias:
        settings.SESSIONSTORE_DATABASE = alias
        assert list(sqlite_messages()) == ["W039"]
        for name in (alias, database):
            connections.settings[name]["ATOMIC_REQUESTS"] = True
            error = sqlite_messages()["E042"]
            connections.settings[name]["ATOMIC_REQUESTS"] = False
        assert error.msg.startswith("The aliases 'sessions' and 'default' lead to one SQLite file")
    other = {"NAME": str(tmp_path / "other"), "TEST": NO_TEST}
    with another_alias(database, "sessions", replace=other):
        assert sqlite_messages() == {}


def sqlite_messages():
    found = run_checks(tags=["sessionstore"], databases=[])
    wanted = {"sessionstore.E042", "sessionstore.W039"}
    return {one.id.removeprefix("sessionstore."): one for one in found if one.id in wanted}


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    "names",
    [{"SESSION_ENGINE": LEAVING}, {"SESSIONSTORE_ADOPT_FROM": DJANGO}],
    ids=["leaving", "adopting"],
)
def test_a_missing_table_of_djangos_is_an_error(database, settings, monkeypatch, names):
    """That sessions leave to, or come from."""
    for name, value in names.items():
        setattr(settings, name, value)
    assert messages(database) == {}
    monkeypatch.setattr(DjangoSession._meta, "db_table", "not_there")
    assert "not_there" in messages(database)["E040"].msg


@pytest.mark.only_on("sqlite")
def test_a_missing_table_of_express_is_told_once(database, settings):
    """By E053, because no migrate would make it."""
    settings.SESSION_ENGINE = "sessionstore.backends.express"
    settings.SESSIONSTORE_EXPRESS = {"secrets": ["s"], "table": "not_there"}
    assert "E040" not in messages(database)
    assert "sessionstore.E053" in [one.id for one in run_checks(databases=[database])]


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("path", ["no.such.engine", "sessionstore.checks"])
def test_an_old_engine_that_is_none_hides_no_missing_table(database, settings, monkeypatch, path):
    """E061 tells of the engine, and ours is looked at all the same."""
    settings.SESSIONSTORE_ADOPT_FROM = path
    monkeypatch.setattr(Session._meta, "db_table", "not_there")
    assert list(messages(database)) == ["E040"]


UNREACHABLE = {
    "sqlite": {"NAME": "/no/such/folder/db.sqlite3"},
    "mariadb": {"PORT": 1},
    "mysql": {"PORT": 1},
    "postgresql": {"PORT": 1},
}


SAYS = {
    "default": ("the file cannot be opened", "(error 14: unable to open database file)"),
    "postgresql": ("the server cannot be reached", "(connection failed: connection to server at "),
}


@pytest.mark.parametrize("engine", ["sql", "express", "leaving"])
def test_a_database_that_is_down_is_told_in_its_own_words(
    database, settings, caplog, capsys, engine
):
    """Which one and where, what the server says and the way out; nobody adds to it, nor logs."""
    settings.SESSION_ENGINE = f"sessionstore.backends.{engine}"
    settings.SESSIONSTORE_EXPRESS = {"secrets": ["s"]}
    vendor = "sqlite" if database == "default" else database
    with another_alias(database, "down", replace=UNREACHABLE[vendor]) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        assert list(messages(alias)) == ["E041"]
        found = run_checks(tags=["sessionstore"], databases=[alias])
        [error] = [one for one in found if one.id in ("sessionstore.E041", "sessionstore.E053")]
    place = UNREACHABLE[vendor].get("NAME", "127.0.0.1:1")
    what, words = SAYS.get(database, ("the server cannot be reached", "(error 200"))
    assert f" in database 'down' ({place}): {what} {words}" in error.msg
    assert "DATABASES['down']" in error.msg
    assert caplog.records == []


@pytest.mark.only_on("sqlite")
def test_a_database_that_is_down_is_told_once(database, settings):
    """Though it holds the table that sessions leave and the one that they leave to."""
    settings.SESSION_ENGINE = LEAVING
    with another_alias(database, "down", replace=UNREACHABLE["sqlite"]) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        settings.DATABASE_ROUTERS = [Beside(alias), *settings.DATABASE_ROUTERS]
        found = run_checks(tags=["sessionstore"], databases=[alias], include_deployment_checks=True)
    assert [one.id for one in found].count("sessionstore.E041") == 1


@pytest.mark.filterwarnings("ignore:unclosed database")
@pytest.mark.only_on("sqlite")
def test_a_table_that_cannot_be_read_is_an_error(database, settings, tmp_path):
    """In the words of the driver too; here the file is no database."""
    (tmp_path / "text").write_text("no database, but a text that is longer than its header. " * 9)
    other = {"NAME": str(tmp_path / "text"), "OPTIONS": {}}
    with another_alias(database, "odd", replace=other) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        error = messages(alias)["E041"]
    assert error.msg.startswith("Table sessionstore_session in database 'odd' (")
    assert "the file is something else (error 26: file is not a database)" in error.msg
    # Django closes no connection that it could not set up, and from Python 3.13 on this is told
    # wherever it is found: here, and not in another test.
    gc.collect()


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
@pytest.mark.parametrize("right", ["SELECT", "INSERT", "UPDATE", "DELETE"])
def test_a_right_that_is_lacking_is_told_with_the_statement_that_gives_it(
    database, settings, right
):
    """Before the first login fails; the trial changes nothing."""
    settings.SESSIONSTORE_ADOPT_FROM = DJANGO
    settings.DATABASE_ROUTERS = [Beside(database), *settings.DATABASE_ROUTERS]
    [row] = add_rows(1, expires_in_s=60, alias=database)
    with lacking(database, right, OUR_TABLE) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        settings.DATABASE_ROUTERS = [Beside(alias), "sessionstore.routers.SessionRouter"]
        error = messages(alias)["E041"]
        statement = grant(database, right, OUR_TABLE)
        assert error.msg.endswith(f"Let an administrator run {statement}")
        with connections[database].cursor() as cursor:
            cursor.execute(statement)
        assert messages(alias) == {}
    assert Session.objects.using(database).filter(pk=row.pk).exists()


@pytest.mark.only_on("sqlite", "postgresql")
def test_a_database_that_takes_no_writes_is_told(database, settings):
    """A standby, or a file that only others may write."""
    only_reads = {
        "default": {"init_command": "PRAGMA query_only = 1"},
        "postgresql": {"options": "-c default_transaction_read_only=on"},
    }[database]
    with another_alias(database, "standby", OPTIONS=only_reads) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        assert "it takes no writes" in messages(alias)["E041"].msg


@pytest.mark.only_on("sqlite")
def test_a_database_that_was_not_asked_is_told(database, settings):
    """Else ``--database default`` would pass without a look at the table."""
    with another_alias(database, "sessions") as alias:
        settings.SESSIONSTORE_DATABASE = alias
        assert messages(alias) == messages(database, alias) == messages() == {}
        assert messages(database, deploy=False) == {}
        assert list(messages(database)) == ["W048"]
        assert messages(database)["W048"].hint == "Check with --database sessions."


def test_tenants_that_share_sessions_share_users(settings):
    """Else their users, who have the same keys, would be taken for one another."""
    auth, ours = "django.contrib.auth.apps.AuthConfig", "sessionstore"
    for apps, is_told in (((), False), ([auth], True), ([auth, ours], False), ([ours], False)):
        settings.TENANT_APPS = apps
        told = [one.id for one in run_checks(tags=["sessionstore"], databases=[])]
        assert ("sessionstore.E065" in told) is is_told, apps


class TestLeaving:
    """The engine that is Django's, and whose sessions were ours."""

    @pytest.fixture(autouse=True)
    def site(self, settings):
        settings.SESSION_ENGINE = LEAVING

    def test_its_app_has_to_be_installed(self):
        """Every request would fail."""
        assert messages() == {}
        with modify_settings(INSTALLED_APPS={"remove": "django.contrib.sessions"}):
            assert list(messages()) == ["E064"]

    def test_a_model_that_does_not_load_is_told(self, monkeypatch):
        """As Django refuses it when nobody has imported it before."""

        def refuse(_):
            raise RuntimeError("Model class isn't in an application in INSTALLED_APPS.")

        monkeypatch.setattr(f"{LEAVING}.SessionStore.get_model_class", classmethod(refuse))
        assert list(messages()) == ["E064"]

    @pytest.mark.only_on("sqlite")
    def test_its_database_is_checked(self, database, settings, tmp_path):
        """The sessions that have not left yet are there."""
        plain = {"NAME": str(tmp_path / "plain.sqlite3"), "OPTIONS": {}}
        with another_alias(database, "odd", replace=plain) as alias:
            settings.SESSIONSTORE_DATABASE = alias
            found = {one.id for one in run_checks(tags=["sessionstore"], databases=[alias])}
        assert {"sessionstore.W042", "sessionstore.W043"} <= found

    def test_the_cleanup_needs_our_middleware(self, settings):
        """Under Django's nothing starts it; without it Django's is good enough to leave."""
        settings.MIDDLEWARE = DJANGOS_MIDDLEWARE
        assert messages() == {}
        settings.SESSIONSTORE_CLEANUP_INTERVAL = 3600
        assert messages()["W003"].msg.endswith(": SESSIONSTORE_CLEANUP_INTERVAL cleans nothing.")
        settings.SESSION_ENGINE = DJANGO
        assert messages() == {}
