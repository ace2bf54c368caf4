"""A user whom a request did not find: what of that is evidence, and what ends nothing."""

from contextlib import contextmanager

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.models import User, UserManager
from django.core.management import call_command
from django.db import connection
from django.test import Client

from sessionstore.models import Session
from tests.faults.conftest import another_alias
from tests.harness.statements import record_statements
from tests.web.accounts.models import TextUser

pytestmark = pytest.mark.django_db(transaction=True)

HERE = "tests.web.test_lost_accounts"


class Directory(ModelBackend):
    """A directory that is down, or whose answer is that of a filtered manager: it finds nobody."""

    is_down = False

    def get_user(self, user_id):
        """Return the user, unless the directory is down."""
        return None if self.is_down else super().get_user(user_id)

    def user_can_authenticate(self, _user):
        """Let a disabled account in that the directory still knows."""
        return True


class Elsewhere(BaseBackend):
    """Knows users that stand in no table of ours."""

    def get_user(self, user_id):
        """Find nobody at the moment."""


class OfTheTenant(ModelBackend):
    """Looks users up in the database of the tenant that the request is for."""

    tenant = "default"

    def get_user(self, user_id):
        """Return that tenant's user."""
        return User.objects.using(self.tenant).filter(pk=user_id).first()


class UsersOfTheTenant(UserManager):
    """A default manager that looks into the database of the tenant that the request is for."""

    tenant = "default"

    def get_queryset(self):
        """Return that tenant's users."""
        return super().get_queryset().using(self.tenant)


class OfTheOpenedOnly(UserManager):
    """A default manager that filters, by the shop of the request or the like."""

    def get_queryset(self):
        """Leave everybody out."""
        return super().get_queryset().none()


class Lagging:
    """Reads users from a replica that has heard of nothing yet."""

    def db_for_read(self, model, **_):
        return "replica" if model is User else None


class LaggingReads:
    """Reads users from a replica, and writes them where they are."""

    def db_for_read(self, model, **_):
        return "replica" if model is User else None

    def db_for_write(self, model, **_):
        return "default" if model is User else None


class Tenant:
    """Sends everything about users to the database of the tenant that is asked for."""

    def db_for_read(self, model, **_):
        return "tenant" if model is User else None

    db_for_write = db_for_read


@pytest.fixture
def signed_in(user, settings):
    """Return a browser in which the user has signed in by a backend."""

    def sign_in(backend="django.contrib.auth.backends.ModelBackend") -> Client:
        settings.AUTHENTICATION_BACKENDS = [backend]
        browser = Client()
        browser.force_login(user, backend)
        return browser

    return sign_in


@pytest.fixture
def empty(tmp_path, request):
    """A further database with the tables and without the user."""
    with another_alias("default", request.param, NAME=str(tmp_path / "further.sqlite3")):
        call_command("migrate", database=request.param, verbosity=0)
        yield request.param


def is_in(browser: Client) -> bool:
    """Tell whether the site knows who this is."""
    return bool(browser.get("/plain/").content)


@contextmanager
def routed_by(name, settings):
    """Put one of the routers above before those of the site."""
    routers = settings.DATABASE_ROUTERS
    settings.DATABASE_ROUTERS = [f"{HERE}.{name}", *routers]
    yield
    settings.DATABASE_ROUTERS = routers


@contextmanager
def managed_by(manager, monkeypatch, *names):
    """Give the users one of the managers above, under these names of their model's options."""
    manager.model = User
    with monkeypatch.context() as patched:
        for name in names:
            patched.setitem(vars(User._meta), name, manager)
        yield


def test_a_directory_that_is_down_once_signs_nobody_out(signed_in, monkeypatch):
    """The backend finds nobody for a moment; the account is there."""
    browser = signed_in(f"{HERE}.Directory")
    monkeypatch.setattr(Directory, "is_down", True)
    assert not is_in(browser)
    monkeypatch.setattr(Directory, "is_down", False)
    assert is_in(browser)


def test_a_manager_that_filters_signs_nobody_out(signed_in, monkeypatch):
    """The default manager leaves the account out; the base manager has it."""
    browser = signed_in()
    with managed_by(OfTheOpenedOnly(), monkeypatch, "default_manager"):
        assert not is_in(browser)
    assert is_in(browser)


def test_a_base_manager_that_filters_signs_nobody_out(signed_in, monkeypatch):
    """Meta.base_manager_name may name the one that filters too."""
    browser = signed_in()
    with managed_by(OfTheOpenedOnly(), monkeypatch, "default_manager", "base_manager"):
        assert not is_in(browser)
    assert is_in(browser)


@pytest.mark.parametrize("empty", ["replica"], indirect=True)
def test_a_replica_that_lags_signs_nobody_out(signed_in, settings, empty):
    """The account is asked for where it is written."""
    browser = signed_in()
    with routed_by("Lagging", settings):
        assert not is_in(browser)
    assert is_in(browser)


@pytest.mark.parametrize("empty", ["tenant"], indirect=True)
def test_a_tenant_without_the_user_signs_nobody_out(signed_in, settings, empty):
    """Where users are depends on the request: absent in one place is not gone."""
    browser = signed_in()
    with routed_by("Tenant", settings):
        assert not is_in(browser)
    assert is_in(browser)


@pytest.mark.parametrize("empty", ["replica"], indirect=True)
def test_an_account_that_a_replica_still_calls_disabled_stays_in(signed_in, user, settings, empty):
    """It was enabled again, and the replica has not heard of that yet."""
    browser = signed_in()
    user.is_active = False
    user.save(using="replica")
    with routed_by("LaggingReads", settings):
        assert not is_in(browser)
    assert is_in(browser)


@pytest.mark.parametrize("empty", ["tenant"], indirect=True)
def test_a_backend_that_looks_into_another_database_signs_nobody_out(
    signed_in, user, monkeypatch, empty
):
    """The user is the tenant's alone; a request for another one tells nothing."""
    User(username="eve", pk=user.pk, password=user.password).save(using="tenant")
    monkeypatch.setattr(OfTheTenant, "tenant", "tenant")
    browser = signed_in(f"{HERE}.OfTheTenant")
    User.objects.filter(pk=user.pk)._raw_delete("default")
    with monkeypatch.context() as other:
        other.setattr(OfTheTenant, "tenant", "default")
        assert not is_in(browser)
    assert is_in(browser)


@pytest.mark.parametrize("empty", ["tenant"], indirect=True)
def test_a_manager_that_looks_into_another_database_signs_nobody_out(
    signed_in, user, monkeypatch, empty
):
    """The same, chosen by the default manager."""
    user.save(using="tenant")
    manager = UsersOfTheTenant()
    manager.model = User
    monkeypatch.setitem(vars(User._meta), "default_manager", manager)
    manager.tenant = "tenant"
    browser = signed_in()
    User.objects.using("default").filter(pk=user.pk)._raw_delete("default")
    manager.tenant = "default"
    assert not is_in(browser)
    manager.tenant = "tenant"
    assert is_in(browser)


@pytest.mark.parametrize("empty", ["tenant"], indirect=True)
def test_a_disabled_stranger_of_the_same_number_signs_nobody_out(signed_in, user, settings, empty):
    """Number 1 of another tenant is another person; the hash in the session tells."""
    browser = signed_in()
    stranger = User(pk=user.pk, username="eve", is_active=False)
    stranger.set_password("evil")
    stranger.save(using="tenant")
    with routed_by("Tenant", settings):
        assert not is_in(browser)
    assert is_in(browser)


def test_a_user_who_stands_in_no_table_is_not_gone(signed_in, user, settings):
    """A backend that keeps its users elsewhere tells nothing by the absence of a row."""
    browser = signed_in(f"{HERE}.Elsewhere")
    User.objects.filter(pk=user.pk)._raw_delete("default")
    assert not is_in(browser)
    assert Session.objects.count() == 1


def test_a_database_of_users_that_fails_ends_nothing(signed_in, monkeypatch):
    """Whether the account is lost cannot be known; the page is answered."""
    browser = signed_in(f"{HERE}.Directory")
    monkeypatch.setattr(Directory, "is_down", True)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE auth_user RENAME TO away")
    try:
        assert browser.get("/plain/").status_code == 200
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO auth_user")
    assert Session.objects.count() == 1


@pytest.mark.parametrize("key", ["o'neil", "9" * 40])
def test_a_key_of_another_type_of_user_ends_nothing(settings, monkeypatch, key):
    """AUTH_USER_MODEL has changed: what the text meant is not to be known."""
    settings.AUTH_USER_MODEL = "accounts.TextUser"
    settings.AUTHENTICATION_BACKENDS = [f"{HERE}.Directory"]
    browser = Client()
    browser.force_login(TextUser.objects.create_user("ann", "secret", id=key))
    settings.AUTH_USER_MODEL = "auth.User"
    monkeypatch.setattr(Directory, "is_down", True)
    monkeypatch.setattr(User._meta.pk, "to_python", _lenient(User._meta.pk.to_python))
    browser.get("/plain/")
    assert Session.objects.count() == 1


def _lenient(to_python):
    """Let Django's own request.user pass, which fails for a text; our question comes later."""
    asked = []

    def answer(value):
        asked.append(value)
        return 0 if len(asked) == 1 else to_python(value)

    return answer


def test_a_disabled_account_that_its_backend_lets_in_stays(signed_in, user, monkeypatch):
    """As under AllowAllUsersModelBackend: the flag is no end there."""
    browser = signed_in(f"{HERE}.Directory")
    User.objects.update(is_active=False)
    monkeypatch.setattr(Directory, "is_down", True)
    assert not is_in(browser)
    monkeypatch.setattr(Directory, "is_down", False)
    assert is_in(browser)


def test_a_disabled_account_stays_under_django_s_backend_for_all(signed_in, user):
    """An inactive user is let in, and stays."""
    browser = signed_in("django.contrib.auth.backends.AllowAllUsersModelBackend")
    User.objects.update(is_active=False)
    assert [is_in(browser), is_in(browser)] == [True, True]


def test_a_page_of_somebody_who_is_found_asks_nothing_more(signed_in):
    """The budget: the session, the user, and no third statement."""
    browser = signed_in()
    with record_statements() as seen:
        assert is_in(browser)
    assert len(seen) == 2


def test_a_lost_account_is_asked_for_once(signed_in, user):
    """Session, user, user again where it is written, and the end."""
    browser = signed_in()
    get_user_model().objects.filter(pk=user.pk)._raw_delete("default")
    with record_statements() as seen:
        assert not is_in(browser)
    assert [sql.split()[0] for sql in seen.on("default")] == [*["SELECT"] * 3, "DELETE"]
