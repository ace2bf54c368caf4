"""The model, its queries, the router, and tables of your own."""

from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections
from django.db.utils import ConnectionHandler

from sessionstore.models import Session
from sessionstore.routers import SessionRouter
from tests.owntable.engine import SessionStore as OwnStore
from tests.owntable.models import ShopSession


def rows(session):
    return Session.objects.using(session.table.alias)


def test_live_and_expired_are_apart(store, saved, clock, settings):
    """By the clock of the web server, which wrote the times."""
    assert [*rows(saved).live()] == [*rows(saved).all()]
    clock.advance(seconds=settings.SESSION_COOKIE_AGE)
    assert [*rows(saved).live()] == []
    assert rows(saved).expired().get().is_live is False


def test_a_users_sessions_are_found(store, signed_in, saved):
    """By instance or by key, integer or text (CVE-2026-82311)."""
    user = User(pk=7)
    for given in (user, 7, "7"):
        assert rows(signed_in).for_user(given).get().handle == signed_in.handle
    assert not rows(signed_in).for_user(8)


@pytest.mark.parametrize("other", ["A", "a ", " a", "á", "a\t"])
def test_user_keys_are_compared_byte_for_byte(store, database, other):
    """MariaDB and MySQL compare text without case, accents and spaces at its end."""
    for user in ("a", other):
        session = store()
        session["_auth_user_id"] = user
        session.save()
    assert Session.objects.using(database).for_user("a").count() == 1
    assert len(session.table.remove_of_users(["a"])) == 1
    assert [row.user_id for row in Session.objects.using(database)] == [other]
    assert Session.objects.using(database).for_user(other).count() == 1


def test_a_key_finds_its_row(store, saved):
    """And what is no key finds none, without SQL."""
    assert rows(saved).by_key(saved.session_key).get().get_decoded() == {"a": 1}
    assert not rows(saved).by_key("forged")


def test_a_handle_finds_its_row(store, saved):
    """That is how pages and logs name it."""
    row = rows(saved).by_handle(saved.handle).get()
    assert str(row) == row.handle == saved.handle
    assert not rows(saved).by_handle("no handle")


def test_times_are_aware_datetimes(store, saved, clock):
    """Exact to the millisecond."""
    row = rows(saved).get()
    assert row.created_at.tzinfo is not None
    assert rows(saved).filter(created_at=row.created_at).exists()
    assert rows(saved).filter(created_at__lte=row.created_at).exists()


def test_a_damaged_row_decodes_to_nothing(store, saved):
    """As at a load."""
    rows(saved).update(data=b"damaged")
    assert rows(saved).get().get_decoded() == {}


def test_data_of_another_serializer_decode_to_nothing(store, saved, settings):
    """As at a load."""
    settings.SESSION_SERIALIZER = "tests.engine.test_models.OtherSerializer"
    assert rows(saved).get().get_decoded() == {}


class OtherSerializer:
    """Reads nothing that JSON has written."""

    def loads(self, data):
        raise LookupError(data)


def test_rows_survive_dumpdata(store, saved, tmp_path):
    """Times and bytes come back as they were."""
    path = tmp_path / "sessions.json"
    call_command("dumpdata", "sessionstore", database=saved.table.alias, output=str(path))
    rows(saved).all().delete()
    call_command("loaddata", str(path), database=saved.table.alias, verbosity=0)
    assert store(saved.session_key).load() == {"a": 1}


def test_the_router_sends_only_sessions(settings):
    """Everything else stays where the other routers put it."""
    router = SessionRouter()
    assert router.db_for_write(Session) is None
    settings.SESSIONSTORE_DATABASE = "sessions"
    assert router.db_for_read(Session) == router.db_for_write(Session) == "sessions"
    assert router.db_for_write(User) is None
    assert router.allow_migrate("sessions", "sessionstore") is True
    assert router.allow_migrate("default", "sessionstore") is False
    assert router.allow_migrate("default", "auth") is None


PLACE = {
    "ENGINE": "django.db.backends.postgresql",
    "HOST": "db",
    "PORT": 5432,
    "NAME": "shop",
    "OPTIONS": {},
    "TEST": {"NAME": None, "MIRROR": None},
}


@contextmanager
def site_with(**aliases):
    """Aliases that nobody connects to; each is ``PLACE`` but for what is given."""
    handler = ConnectionHandler({alias: {**PLACE, **own} for alias, own in aliases.items()})
    with patch("sessionstore.routers.connections", handler):
        yield handler


SQLITE = "django.db.backends.sqlite3"


@pytest.mark.parametrize(
    ("default", "sessions", "is_one"),
    [
        ({}, {}, True),
        ({}, {"ENGINE": "django.db.backends.mysql"}, False),
        ({}, {"HOST": "elsewhere"}, False),
        ({}, {"PORT": "5432"}, True),
        ({}, {"PORT": 6432}, False),
        ({}, {"PORT": 6432, "TEST": {"NAME": None, "MIRROR": "default"}}, True),
        ({}, {"NAME": "sessions"}, False),
        ({"NAME": "test_shop"}, {}, True),  # while a test runner makes one after the other
        ({"NAME": "a"}, {"TEST": {"NAME": "a", "MIRROR": None}}, True),
        (
            {"NAME": "", "OPTIONS": {"service": "a"}},
            {"NAME": "", "OPTIONS": {"service": "b"}},
            False,
        ),
        ({"ENGINE": SQLITE, "NAME": "x/../db"}, {"ENGINE": SQLITE, "NAME": Path("db")}, True),
        ({"ENGINE": SQLITE, "NAME": "db"}, {"ENGINE": SQLITE, "NAME": "other"}, False),
        ({"ENGINE": SQLITE, "NAME": ":memory:"}, {"ENGINE": SQLITE, "NAME": ":memory:"}, False),
    ],
)
def test_two_ways_to_one_database_are_told(settings, default, sessions, is_one):
    """By what the settings say; then both make the table, since they share the record of it."""
    settings.SESSIONSTORE_DATABASE = "sessions"
    router = SessionRouter()
    with site_with(default=default, sessions=sessions):
        assert router.allow_migrate("default", "sessionstore", model_name="session") is is_one
        assert router.allow_migrate("sessions", "sessionstore") is True
        assert router.allow_migrate("sessions", "auth") is (None if is_one else False)


def test_a_database_of_its_own_has_the_tables_that_are_sent_there(settings):
    """Those of sessions, and those that a router of the site sends there."""

    class Baskets:
        def db_for_write(self, model, **_):
            return "sessions" if model.__name__ == "Basket" else None

    settings.SESSIONSTORE_DATABASE = "sessions"
    settings.DATABASE_ROUTERS = ["sessionstore.routers.SessionRouter", Baskets()]
    with site_with(default={}, sessions={"HOST": "elsewhere"}):
        names = ("shopsession", "basket", "receipt", "gone", None)
        there, here = (
            {name: SessionRouter().allow_migrate(alias, "owntable", name) for name in names}
            for alias in ("sessions", "default")
        )
        assert SessionRouter().allow_migrate("sessions", "no_app") is False
    assert there == {
        "shopsession": True,
        "basket": None,
        "receipt": False,
        "gone": False,
        None: None,
    }
    assert here == {**dict.fromkeys(names), "shopsession": False}


def test_sessions_on_the_alias_of_the_site_leave_the_other_tables_there(settings):
    """SESSIONSTORE_DATABASE may say what is so anyway."""
    settings.SESSIONSTORE_DATABASE = "default"
    with site_with(default={}):
        assert SessionRouter().allow_migrate("default", "auth") is None
        assert SessionRouter().allow_migrate("default", "sessionstore") is True


@pytest.mark.django_db(databases="__all__")
def test_the_migration_is_complete():
    """No change of the model waits for a migration."""
    call_command("makemigrations", "sessionstore", check=True, dry_run=True, verbosity=0)


def test_the_columns_are_those_of_the_design(database):
    """Also the types that decide about speed and exactness."""
    connection = connections[database]
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, "sessionstore_session")
        constraints = connection.introspection.get_constraints(cursor, "sessionstore_session")
    assert [column.name for column in columns] == [
        *("id", "digest", "previous_digest", "cycled_at", "data", "version", "user_id"),
        *("created_at", "authenticated_at", "last_seen_at", "expires_at"),
        *("device_key", "bound_at", "ip", "user_agent", "device_name"),
    ]
    indexed = {tuple(one["columns"]) for one in constraints.values() if one["index"]}
    assert {("user_id",), ("expires_at",), ("previous_digest",)} <= indexed
    unique = {tuple(one["columns"]) for one in constraints.values() if one["unique"]}
    assert unique - {("id",)} == {("digest",)}
    assert [one["columns"] for one in constraints.values() if one["primary_key"]] == [["id"]]
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("SHOW COLUMNS FROM sessionstore_session")
            types = {row[0]: row[1] for row in cursor.fetchall()}
        assert types["id"] == "binary(16)"
        assert types["digest"] == types["previous_digest"] == "binary(32)"
        assert types["data"] == "longblob"


def test_another_table_with_extra_columns(database):
    """A subclass of the engine and of the model; no swappable setting."""
    session = OwnStore()
    session["cart"] = {"total": 30}
    session["_auth_user_id"] = "7"
    session.save()
    row = ShopSession.objects.using(database).get()
    assert (row.cart_total, row.user_id) == (30, "7")
    again = OwnStore(session.session_key)
    again["cart"]["total"] = 40
    again.save()
    again.cycle_key()
    assert ShopSession.objects.using(database).get().cart_total == 40
    del again["cart"]
    again.save()
    assert ShopSession.objects.using(database).get().cart_total is None
    assert Session.objects.using(database).count() == 0
