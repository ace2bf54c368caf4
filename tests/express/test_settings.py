"""SESSIONSTORE_EXPRESS and the checks of a site that shares its sessions."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import models

from sessionstore.backends.express import SessionStore
from sessionstore.conf import conf
from sessionstore.conf.express import passport_user
from sessionstore.express.keys import SidKeyring

SECRETS = ["a secret that no check may print"]


def ids(**options) -> set[str]:
    """Return the ids of our checks about Express, and those of wrong values."""
    found = {
        message.id
        for message in run_checks(**{"tags": ["sessionstore"], "databases": [], **options})
    }
    return {one for one in found if one == "sessionstore.E001" or one[-3:-1] == "05"}


def test_secrets_are_all_that_is_needed(settings):
    """The defaults are those of express-mysql-session."""
    settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS}
    express = conf.express
    assert (express.table, express.id, express.expires, express.data, express.mark) == (
        ("sessions",),
        "session_id",
        "expires",
        "data",
        "revoked_at",
    )
    assert (express.expiration_ms, express.user, express.time_zone) == (86_400_000, None, None)


@pytest.mark.parametrize("one", ["keyboard cat", b"keyboard cat"], ids=repr)
def test_one_secret_is_taken_without_a_list(settings, one):
    """As Express takes it; text and bytes show in no repr."""
    for given in (one, [one], (one,)):
        settings.SESSIONSTORE_EXPRESS = {"secrets": given}
        assert conf.express.secrets == (one,)
        assert "cat" not in repr(conf.express.secrets)


def test_the_layout_of_connect_pg_simple_has_names_of_its_own(settings):
    """Table session with sid, sess and expire."""
    settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS, "layout": "connect-pg-simple"}
    express = conf.express
    assert (express.table, express.id, express.data, express.expires) == (
        ("session",),
        "sid",
        "sess",
        "expire",
    )


def test_a_table_may_name_its_schema(settings):
    """One dot at most."""
    settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS, "table": "web.sessions"}
    assert conf.express.table == ("web", "sessions")


def test_beside_a_schema_the_table_is_one_name(settings):
    """As `schemaName` and `tableName` of connect-pg-simple: dots are part of it."""
    settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS, "schema": "web", "table": "a.b.c"}
    assert conf.express.table == ("web", "a.b.c")


def test_expiration_is_a_duration_like_all_others(settings):
    """A timedelta or whole seconds, where Express counts milliseconds."""
    settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS, "expiration": timedelta(hours=1)}
    assert conf.express.expiration_ms == 3_600_000


def test_true_means_the_user_of_passport(settings):
    """A dotted path or a callable is taken as it is."""
    settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS, "user": True}
    assert conf.express.user is passport_user
    settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS, "user": "builtins.len"}
    assert conf.express.user is len


@pytest.mark.parametrize(
    "wrong",
    [
        {"secrets": []},
        {"secrets": ""},
        {"secrets": b""},
        {"secrets": ["a secret that no check may print", 7]},
        {"secrets": ["a secret that no check may print", b""]},
        {"secrets": [""]},
        {"secrets": None},
        {"layout": "redis"},
        {"table": "a.b.c"},
        {"table": "a\0b"},
        {"table": "a" * 65},
        {"table": "\ud800"},
        {"schema": ""},
        {"prefix": None},
        {"prefix": "\0"},
        {"prefix": "p" * 97},
        {"table": 1},
        {"columns": {"data": ""}},
        {"columns": {"unknown": "x"}},
        {"columns": "data"},
        {"expiration": -1},
        {"user": "no.such.thing"},
        {"user": 3},
        {"time_zone": ""},
        {"genid": "often"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_wrong_value_is_a_check_that_prints_no_secret(settings, wrong):
    """E001 names the key; the value stays out of logs."""
    settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS, **wrong}
    messages = [
        one
        for one in run_checks(tags=["sessionstore"], databases=[])
        if one.id == "sessionstore.E001"
    ]
    assert len(messages) == 1
    assert "SESSIONSTORE_EXPRESS must be a dict" in messages[0].msg
    assert SECRETS[0] not in str(messages[0])


class TestChecks:
    @pytest.fixture(autouse=True)
    def site(self, express_site) -> None:
        """A site on the Express engine."""

    def test_a_good_site_is_told_only_about_the_admin(self):
        """I050 is for information: the admin lists no shared session."""
        assert ids() == {"sessionstore.I050"}

    def test_the_engine_needs_its_setting(self, settings):
        """E050 at start-up, and the same words at a request."""
        settings.SESSIONSTORE_EXPRESS = None
        assert "sessionstore.E050" in ids()
        with pytest.raises(ImproperlyConfigured, match="SESSIONSTORE_EXPRESS"):
            SessionStore("a key of some length").load()

    @pytest.mark.django_db
    def test_without_its_setting_no_check_of_the_table_has_anything_to_say(self, settings):
        """Nor does one fail: migrate and each deployment run them."""
        settings.SESSIONSTORE_EXPRESS = None
        found = run_checks(databases=["default"], include_deployment_checks=True)
        ours = {one.id for one in found if "sessionstore.E" in one.id}
        assert ours == {"sessionstore.E050"}

    def test_the_layout_of_postgresql_needs_postgresql(self, settings):
        """E051: the columns json and timestamp are PostgreSQL's."""
        settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS, "layout": "connect-pg-simple"}
        assert "sessionstore.E051" in ids()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("SESSIONSTORE_MAX_PER_USER", 3),
            ("SESSIONSTORE_ENCRYPT", True),
            ("SESSIONSTORE_ADOPT_FROM", "django.contrib.sessions.backends.db"),
        ],
    )
    def test_what_needs_another_table_is_an_error(self, settings, name, value):
        """E052: no count at a login of Express, no seal, no other keys."""
        setattr(settings, name, value)
        assert "sessionstore.E052" in ids()

    def test_djangos_own_cookie_name_is_told(self, settings):
        """W051: Express looks for connect.sid."""
        settings.SESSION_COOKIE_NAME = "sessionid"
        assert "sessionstore.W051" in ids()

    def test_another_serializer_is_told(self, settings):
        """W052: Express reads JSON."""
        settings.SESSION_SERIALIZER = "django.core.signing.Other"
        assert "sessionstore.W052" in ids()

    @pytest.mark.parametrize(("length", "told"), [(40, True), (127, True), (128, False)])
    def test_a_column_that_is_too_short_for_a_key_is_told(self, monkeypatch, length, told):
        """W054: a key here is the signed cookie, and other apps keep keys in 40 characters."""
        column = models.CharField(max_length=length, name="session_key")
        column.model = User
        monkeypatch.setattr("sessionstore.checks.express.key_columns", lambda: [column])
        assert ("sessionstore.W054" in ids()) is told

    def test_a_prefix_makes_keys_longer(self, monkeypatch, settings):
        """W054 counts it, percent-encoded as the cookie has it."""
        settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS, "prefix": "shop:"}
        column = models.CharField(max_length=134, name="session_key")
        column.model = User
        monkeypatch.setattr("sessionstore.checks.express.key_columns", lambda: [column])
        assert "sessionstore.W054" in ids()

    def test_every_key_fits_in_as_many_characters_as_are_asked_for(self):
        """The signature differs in length, for some of its signs are percent-encoded."""
        assert max(len(SidKeyring(("s",)).mint().text) for _ in range(2000)) <= 128

    def test_another_engine_is_told_nothing(self, settings):
        """None of these checks concerns a site without Express."""
        settings.SESSION_ENGINE = "sessionstore.backends.sql"
        settings.SESSION_COOKIE_NAME = "sessionid"
        assert ids() == set()


def test_the_table_is_checked_with_its_database(database, shared_table):
    """`check --database ALIAS` asks the table: W053, or E053 when it cannot be shared."""
    shared_table()
    assert "sessionstore.W053" in ids(databases=[database])
    assert "sessionstore.W053" not in ids()
    shared_table(guard=True)
    assert "sessionstore.W053" not in ids(databases=[database])


def test_a_table_that_is_missing_is_an_error(database, shared_table, settings):
    """E053."""
    shared_table()
    settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS, "table": "missing"}
    assert "sessionstore.E053" in ids(databases=[database])


@pytest.mark.parametrize("columns", [{"user_id": "data"}, {"revoked_at": "DATA"}])
def test_one_column_cannot_be_two(settings, columns):
    """What is kept in the one would be lost."""
    settings.SESSIONSTORE_EXPRESS = {"secrets": ["a"], "columns": columns}
    assert "sessionstore.E001" in ids()
