"""A schema for each tenant: django-tenants as its documentation sets it up, on PostgreSQL."""

import secrets

import pytest
from django.db import connections

from tests.harness.projects import run_python

pytest.importorskip("django_tenants")
pytestmark = pytest.mark.only_on("postgresql")
SETTINGS = """
SECRET_KEY = "only for this test" * 4
DATABASES = {"default": DEFAULT}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
SHARED_APPS = ["django_tenants", "django.contrib.contenttypes", "site_", *SHARED]
TENANT_APPS = ["django.contrib.contenttypes", *OF_TENANTS]
INSTALLED_APPS = ["sessionstore", *SHARED_APPS, *TENANT_APPS]
INSTALLED_APPS = list(dict.fromkeys(INSTALLED_APPS))
TENANT_MODEL, TENANT_DOMAIN_MODEL = "site_.Customer", "site_.Domain"
SESSION_ENGINE = "sessionstore.backends.cached_sql"
MIDDLEWARE = [
    "django_tenants.middleware.main.TenantMainMiddleware",
    "sessionstore.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "site_.urls"
ALLOWED_HOSTS = ["*"]
SESSIONSTORE_HISTORY = 86_400
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # only for speed
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
MODELS = """
from django_tenants.models import DomainMixin, TenantMixin

class Customer(TenantMixin):
    pass

class Domain(DomainMixin):
    pass
"""
URLS = """
from django.http import HttpResponse
from django.urls import path

def add(request, word):
    request.session["words"] = [*request.session.get("words", []), word]
    return HttpResponse()

def end(request):
    request.session.flush()
    return HttpResponse()

urlpatterns = [
    path("add/<word>", add), path("end", end),
    path("read", lambda request: HttpResponse(" ".join(request.session.get("words", [])))),
]
"""
MAKE = """
import django
django.setup()
from django.core.management import call_command
from site_.models import Customer, Domain
call_command("makemigrations", "site_", verbosity=0)
call_command("migrate_schemas", shared=True, verbosity=0)
for name in ("public", "a", "b"):
    customer = Customer.objects.create(schema_name=name)
    Domain.objects.create(domain=f"{name}.test", tenant=customer)
"""
START = """
import django
django.setup()
from django.core.management import call_command, execute_from_command_line
from django.db import connection, transaction
from django.test import Client
from django_tenants.utils import schema_context
from sessionstore.backends.cached_sql import SessionStore
from sessionstore.cleaning import background
from sessionstore.cleaning.turn import turn
from sessionstore.models import Session

TABLE = "sessionstore_session"
browser = Client()

def at(host, path):
    return browser.get(path, HTTP_HOST=f"{host}.test").content.decode()
"""


class Project:
    """A project in a folder, with the tenants a and b; its scripts are processes."""

    def __init__(self, folder, database, **apps):
        self.folder = folder
        (folder / "site_").mkdir()
        for name, text in (("__init__", ""), ("models", MODELS), ("urls", URLS)):
            (folder / "site_" / f"{name}.py").write_text(text)
        values = {"DEFAULT": database, "SHARED": [], "OF_TENANTS": [], **apps}
        settings = "\n".join(f"{name} = {value!r}" for name, value in values.items()) + SETTINGS
        (folder / "settings.py").write_text(settings)
        self.run(MAKE)

    def run(self, script):
        (self.folder / "use.py").write_text(script)
        code, told = run_python(self.folder, "use.py")
        assert code == 0, told


OURS = ["sessionstore", "django.contrib.auth"]


@pytest.fixture
def project(database, tmp_path):
    """Make a project whose apps are shared, or of each tenant, in a database of its own."""
    connection = connections[database]
    settings = {name: connection.settings_dict[name] for name in ("USER", "HOST", "PORT")}
    name = f"tenants_{secrets.token_hex(4)}"
    settings |= {"ENGINE": "django_tenants.postgresql_backend", "NAME": name}

    def run(statement):
        with connection.cursor() as cursor:
            cursor.execute(statement)

    run(f"CREATE DATABASE {name}")
    yield lambda **apps: Project(tmp_path, settings, **apps)
    run(f"DROP DATABASE {name}")


LEAKS = """
at("a", "/add/oat")
assert (at("a", "/read"), at("b", "/read")) == ("oat", "")

# What a block of one tenant writes is not put into the cache of the one that commits.
with schema_context("a"), transaction.atomic():
    session = SessionStore()
    session["words"] = ["kept"]
    session.save()
    connection.set_schema("b")
browser.cookies["sessionid"] = session.session_key
assert (at("b", "/read"), at("a", "/read")) == ("", "kept")
"""
CLEANS = """
def expire(schema):
    with schema_context(schema):
        for _ in range(3):
            SessionStore().save()
        Session.objects.update(expires_at=1)

def left(schema):
    with schema_context(schema):
        return Session.objects.count()

# One tenant is cleaned while another is.
expire("a"), expire("b")
with schema_context("a"), turn("default", TABLE) as is_ours:
    assert is_ours
    with schema_context("b"):
        call_command("clearsessions", verbosity=0)
    assert (left("a"), left("b")) == (3, 0)
    with schema_context("a"), turn("default", TABLE) as is_ours:
        assert not is_ours

expire("b")
for name, option in (("all_tenants_command", "--no-public"), ("tenant_command", "--schema=a")):
    execute_from_command_line(["manage.py", name, "clearsessions", option])
assert (left("a"), left("b")) == (0, 0)

connection.set_schema_to_public()

# A web process cleans those of all tenants, and nothing in a schema that is no tenant's.
expire("a"), expire("b")
with connection.cursor() as cursor:
    cursor.execute("CREATE SCHEMA stranger")
    cursor.execute(f"CREATE TABLE stranger.{TABLE} AS SELECT * FROM a.{TABLE}")
background.clear_once(lambda: [SessionStore.get_table()], max_seconds=10)
assert (left("a"), left("b"), left("stranger")) == (0, 0, 3)
assert connection.schema_name == "public"
"""
TELLS = """
from django.contrib.auth.models import User
from django.utils import timezone
from sessionstore.models import SessionEvent

def told(schema):
    with schema_context(schema):
        return [(one.what, one.user_id) for one in SessionEvent.objects.of_user(1)]

for schema in ("a", "b"):
    with schema_context(schema):
        User.objects.create_user("ann", password="secret")
with schema_context("a"):
    assert browser.login(username="ann", password="secret")
assert (told("a"), told("b")) == ([("signed_in", "1")], [])
with schema_context("b"):
    call_command("revokesessions", "--user=ann", "--no-input", verbosity=0)
assert (told("a"), told("b")) == ([("signed_in", "1")], [])
at("a", "/end")
assert [what for what, _ in told("a")] == ["ended", "signed_in"]
"""
SHARED = """
# One table for all: what ends at one tenant has ended at the others, whatever the cache holds.
for first, second in (("a", "b"), ("public", "a"), ("b", "public")):
    at(first, "/add/oat")
    assert (at(second, "/read"), at(first, "/read")) == ("oat", "oat")
    key = browser.cookies["sessionid"].value
    at(first, "/end")
    browser.cookies["sessionid"] = key
    assert at(second, "/read") == ""
    browser.cookies.clear()

# And the lock is that of the one table, wherever one stands.
with schema_context("a"), turn("default", TABLE) as first:
    with schema_context("b"), turn("default", TABLE) as second:
        assert (first, second) == (True, False)
SessionStore().save()
Session.objects.update(expires_at=1)
background.clear_once(lambda: [SessionStore.get_table()], max_seconds=10)
assert Session.objects.count() == 0
"""


def test_no_tenant_opens_the_session_of_another(project):
    """Though one cache, without a KEY_FUNCTION, stands before all of them."""
    project(OF_TENANTS=OURS).run(START + LEAKS)


def test_each_tenant_is_cleaned(project):
    """By a lock of its own."""
    project(OF_TENANTS=OURS).run(START + CLEANS)


def test_each_tenant_has_a_history(project):
    """A user of one who has the number of another one's is somebody else."""
    project(OF_TENANTS=OURS).run(START + TELLS)


def test_tenants_may_share_a_table(project):
    """Then they share its cache and its lock."""
    project(SHARED=OURS).run(START + SHARED)
