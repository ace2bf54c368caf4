"""What docs/quickstart.md says of an alias for the sessions: projects made of its examples."""

import re
import secrets
from pathlib import Path

import pytest
from django.db import connections

from tests.harness.projects import run_python

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "quickstart.md").read_text()
SETTINGS = """
SECRET_KEY = "only for this test" * 4
INSTALLED_APPS = ["sessionstore", "django.contrib.auth", "django.contrib.contenttypes", "site_"]
SESSION_ENGINE = "sessionstore.backends.sql"
MIDDLEWARE = [
    "sessionstore.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "site_.urls"
ALLOWED_HOSTS = ["testserver"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
URLS = """
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.urls import path

def sign_in(request):
    login(request, User.objects.get_or_create(username="ann")[0])
    return HttpResponse()

urlpatterns = [
    path("in", sign_in), path("who", lambda request: HttpResponse(request.user.get_username())),
]
"""
LOGIN = """
import django
django.setup()
from django.db import connection, connections
from django.test import Client
browser = Client()
assert browser.get("/in").status_code == 200
assert browser.get("/who").content == b"ann"
for alias in ("default", "sessions"):
    print(alias, *sorted(connections[alias].introspection.table_names()))
"""
TESTS = """
from django.contrib.auth.models import User
from django.test import TransactionTestCase
from sessionstore.models import Session

class Shared:
    def test_a_login(self):
        self.client.get("/in")
        self.assertEqual(self.client.get("/who").content, b"ann")
        self.assertEqual((Session.objects.count(), User.objects.count()), (1, 1))

    test_another_login = test_a_login

class PlainTest(Shared, SignInTest):
    pass

class CommittingTest(Shared, TransactionTestCase):
    databases = SignInTest.databases
"""
PYTEST = """
import pytest

@pytest.mark.django_db(databases=["default", "sessions"])
def test_a_login(client):
    client.get("/in")
    assert client.get("/who").content == b"ann"

@pytest.mark.django_db(databases=["default", "sessions"], transaction=True)
def test_a_login_that_is_committed(client):
    test_a_login(client)
"""
TABLE, LINKS = "sessionstore_session", "sessionstore_link"


def section(heading, language):
    """Return the blocks below a heading of the page."""
    part = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", part, re.DOTALL)


class Project:
    """A project in a folder; its commands are processes."""

    def __init__(self, folder, default, others):
        self.folder = folder
        (folder / "site_").mkdir()
        (folder / "site_" / "__init__.py").touch()
        (folder / "site_" / "urls.py").write_text(URLS)
        self.write("settings.py", f"{SETTINGS}\nDATABASES = {{'default': {default!r}}}\n{others}")

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def run(self, *arguments):
        return run_python(self.folder, *arguments)

    def manage(self, line):
        code, told = self.run("-m", "django", *line.split())
        assert code == 0, told
        return told

    def tables(self):
        """Sign somebody in; return the tables behind each alias."""
        self.write("use.py", LOGIN)
        code, told = self.run("use.py")
        assert code == 0, told
        return {line.split()[0]: set(line.split()[1:]) for line in told.splitlines()}


@pytest.fixture
def databases(database, tmp_path):
    """Make empty databases on the server of a test; the settings of each."""
    connection = connections[database]
    made = []

    def another():
        name = f"alias_{secrets.token_hex(4)}"
        settings = {
            key: connection.settings_dict[key]
            for key in ("ENGINE", "USER", "HOST", "PORT", "OPTIONS")
        }
        settings["NAME"] = str(tmp_path / name) if connection.vendor == "sqlite" else name
        if connection.vendor != "sqlite":
            run_on(connection, f"CREATE DATABASE {name}")
            made.append(name)
        return settings

    yield another
    for name in made:
        for prefix in ("", "test_"):
            run_on(connection, f"DROP DATABASE IF EXISTS {prefix}{name}")


def run_on(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.only_on("mariadb", "postgresql")
def test_an_alias_for_the_same_database_works_as_printed(databases, tmp_path):
    """Tables, checks, a login, and tests by each of the runners."""
    [lines, example] = section("An alias of its own", "python")
    project = Project(tmp_path, databases(), lines)
    [commands] = section("An alias of its own", "console")
    lines = [line.partition("manage.py ")[2] for line in commands.splitlines()]
    code, told = project.run("-m", "django", *lines[-1].split())
    assert (code, "HINT: Run manage.py migrate.\n" in told) == (1, True), told
    for line in lines:
        project.manage(line)
    assert "No migrations to apply" in project.manage("migrate --database sessions")
    tables = project.tables()
    assert TABLE in tables["default"]
    project.write("tests.py", example + TESTS)
    assert "Ran 4 tests" in project.manage("test --noinput")
    project.write("test_it.py", PYTEST)
    code, told = project.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")
    assert (code, "2 passed" in told) == (0, True), told


@pytest.mark.only_on("mariadb", "postgresql")
def test_an_alias_that_is_a_mirror_in_tests_works(databases, tmp_path):
    """Django's word for two ways to one database."""
    [lines, example] = section("An alias of its own", "python")
    mirror = 'DATABASES["sessions"]["TEST"] = {"MIRROR": "default"}\n'
    project = Project(tmp_path, databases(), lines + mirror)
    project.manage("migrate")
    assert TABLE in project.tables()["default"]
    project.write("tests.py", example + TESTS.replace("class PlainTest(Shared, ", "class None_("))
    assert "Ran 2 tests" in project.manage("test --noinput")


@pytest.mark.only_on("sqlite", "mariadb", "postgresql")
def test_a_database_of_its_own_gets_our_table_alone(databases, tmp_path):
    """And the site's gets none."""
    router = section("An alias of its own", "python")[0].partition("}\n")[2].splitlines()
    other = f"DATABASES['sessions'] = {databases()!r}"
    project = Project(tmp_path, databases(), "\n".join([other, *router]))
    [commands] = section("A server of its own", "console")
    for line in commands.splitlines():
        project.manage(line.partition("manage.py ")[2])
    tables = project.tables()
    ours = {TABLE, LINKS, "sessionstore_event", "sessionstore_known_device"}
    assert tables["sessions"] - {"sqlite_sequence"} == {*ours, "django_migrations"}
    assert "auth_user" in tables["default"]
    assert TABLE not in tables["default"]
    [_, example] = section("An alias of its own", "python")
    project.write("tests.py", example + TESTS)
    assert "Ran 4 tests" in project.manage("test --noinput")


@pytest.mark.only_on("sqlite")
def test_a_site_that_has_the_record_and_no_table_is_told_the_way_out(databases, tmp_path):
    """As an earlier router left it: the migration counts as applied, and made nothing."""
    project = Project(tmp_path, databases(), section("An alias of its own", "python")[0])
    project.manage("migrate --fake sessionstore")
    project.manage("migrate")
    doctor = ("-m", "django", "check", "--deploy", "--tag", "sessionstore")
    code, told = project.run(*doctor, "--database", "sessions")
    assert code == 1
    assert "sessionstore.E040" in told
    for line in re.findall(r"manage\.py (migrate [^,.]+)", told):
        project.manage(line)
    assert TABLE in project.tables()["default"]
