"""What the system checks say of a connection on which sessions would suffer."""

import re
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.db import connections

from sessionstore.checks.databases import check_timeouts, check_writer, told_of_group
from tests.checks.messages import Router
from tests.faults.conftest import another_alias

QUICKSTART = (Path(__file__).parents[2] / "docs" / "quickstart.md").read_text()
OURS = {f"sessionstore.W0{number}" for number in (*range(40, 48), 99)}


def found(alias: str | None) -> set[str]:
    """Return the ids of this topic that the checks report."""
    databases = [alias] if alias else []
    return {message.id for message in run_checks(databases=databases)} & OURS


def test_the_recommended_settings_pass(database):
    """Those of the documentation, on which all tests run."""
    assert found(database) == set()


MYSQL = {
    "sql_mode=''": "W040",
    "innodb_lock_wait_timeout=50": "W041",
}


@pytest.mark.only_on("mariadb", "mysql")
@pytest.mark.parametrize(("variable", "expected"), MYSQL.items())
def test_a_mysql_variable_is_told(database, settings, variable, expected):
    """Each by its id."""
    init = connections.settings[database]["OPTIONS"]["init_command"]
    options = {"init_command": f"{init}, SESSION {variable}"}
    with another_alias(database, f"odd_{database}", OPTIONS=options) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        assert found(alias) == {f"sessionstore.{expected}"}


@pytest.mark.only_on("mariadb", "mysql")
def test_a_higher_isolation_level_is_told_on_mysql(database, settings):
    """MySQL's own default is REPEATABLE READ."""
    options = {"isolation_level": "repeatable read"}
    with another_alias(database, f"odd_{database}", OPTIONS=options) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        assert found(alias) == {"sessionstore.W044"}


@pytest.mark.only_on("mariadb", "mysql")
def test_a_limit_above_the_packet_is_told(database, settings):
    """The default packet of MariaDB is 16 MiB."""
    settings.SESSIONSTORE_MAX_BYTES = 2**30
    assert found(database) == {"sessionstore.W046"}


@pytest.mark.only_on("postgresql")
def test_postgresql_without_a_lock_timeout_is_told(database, settings):
    """And a default isolation above READ COMMITTED."""
    options = {"options": r"-c default_transaction_isolation=serializable"}
    with another_alias(database, "odd_postgresql", OPTIONS=options) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        assert found(alias) == {"sessionstore.W041", "sessionstore.W044"}


READ_ONLY = {
    "postgresql": {"options": r"-c lock_timeout=3000 -c default_transaction_read_only=on"},
    "mysql": {"init_command": "SET SESSION innodb_lock_wait_timeout=3, transaction_read_only=1"},
    "mariadb": {"init_command": "SET SESSION innodb_lock_wait_timeout=3, tx_read_only=1"},
}


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_an_alias_that_cannot_be_written_is_told(database, settings):
    """It may be a standby that lags; tests/faults/test_promotion.py has real ones."""
    with another_alias(database, f"odd_{database}", OPTIONS=READ_ONLY[database]) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        assert [one.id for one in check_writer([alias])] == ["sessionstore.W098"]


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, ["sessionstore.W098"]), ({"target_session_attrs": "primary"}, [])],
)
def test_several_servers_of_which_libpq_takes_any_are_told(database, settings, options, expected):
    """After a promotion the first of them is the old primary."""
    port = connections[database].settings_dict["PORT"]
    twice = {"HOST": "127.0.0.1,127.0.0.1", "PORT": f"{port},{port}", "OPTIONS": options}
    with another_alias(database, "odd_postgresql", **twice) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        assert [one.id for one in check_writer([alias])] == expected


@pytest.mark.parametrize(
    ("single_primary", "consistency", "is_told"),
    [
        ("ON", "EVENTUAL", True),
        ("ON", "BEFORE_ON_PRIMARY_FAILOVER", False),
        ("OFF", "BEFORE_ON_PRIMARY_FAILOVER", True),
        ("OFF", "BEFORE", False),
        ("OFF", "AFTER", False),
    ],
)
def test_a_group_that_may_be_behind_is_told(single_primary, consistency, is_told):
    """Of what MySQL answers; tests/faults/test_group.py has a real group."""
    variables = {
        "group_replication_group_name": "5e551045-0000-4000-8000-000000000000",
        "group_replication_single_primary_mode": single_primary,
        "group_replication_consistency": consistency,
    }
    assert [one.id for one in told_of_group(variables)] == ["sessionstore.W099"] * is_told
    assert told_of_group(variables | {"group_replication_group_name": ""}) == []


def options_shown(engine: str) -> dict[str, dict]:
    """Return by alias the OPTIONS that the quickstart shows for a database."""
    shown = {"BASE_DIR": Path()}
    for text in re.findall(r"```python\n(.*?)```", QUICKSTART, re.DOTALL):
        if engine in text:
            exec(text, shown)  # noqa: S102 - our own page
    return {alias: one["OPTIONS"] for alias, one in shown["DATABASES"].items()}


def test_the_options_of_the_quickstart_pass(database, settings):
    """Each database as it is shown there, also as a server of its own."""
    for options in options_shown(connections.settings[database]["ENGINE"]).values():
        with another_alias(database, "shown", replace={"OPTIONS": options}) as alias:
            settings.SESSIONSTORE_DATABASE = alias
            assert found(alias) == set()


def impatience(alias: str) -> list[str]:
    """Return what `check --deploy` says of timeouts that the alias lacks."""
    messages = run_checks(databases=[alias], include_deployment_checks=True)
    return [one.msg for one in messages if one.id == "sessionstore.W049"]


def test_the_timeouts_of_the_quickstart_are_enough(database, settings):
    """A database that never answers holds nobody for ever."""
    for options in options_shown(connections.settings[database]["ENGINE"]).values():
        with another_alias(database, "shown", replace={"OPTIONS": options}) as alias:
            settings.SESSIONSTORE_DATABASE = alias
            assert impatience(alias) == []


@pytest.mark.only_on("postgresql")
def test_the_quickstart_shows_the_site_s_database_and_a_server_of_its_own(database):
    """So the tests above have looked at both."""
    assert list(options_shown(connections.settings[database]["ENGINE"])) == ["default", "sessions"]


LACKING = {
    "connect_timeout": ("mariadb", "mysql", "postgresql"),
    "read_timeout": ("mariadb", "mysql"),
    "write_timeout": ("mariadb", "mysql"),
    "tcp_user_timeout": ("postgresql",),
    "keepalives_idle": ("postgresql",),
    "keepalives_interval": ("postgresql",),
}


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
@pytest.mark.parametrize(("name", "databases"), LACKING.items(), ids=LACKING)
def test_a_timeout_that_is_missing_is_told(database, settings, name, databases):
    """0 is none; what the driver of another database calls so is nothing here."""
    options = {**options_shown(connections.settings[database]["ENGINE"])["default"], name: 0}
    if database not in databases:
        del options[name]
    with another_alias(database, "hasty", replace={"OPTIONS": options}) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        assert bool(impatience(alias)) is (database in databases)
        assert found(alias) == set()  # without --deploy nothing is said


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"OPTIONS": {"pool": True}}, ["pool"]),
        ({"OPTIONS": {"pool": {"max_size": 4}}}, ["pool"]),
        ({"OPTIONS": {"pool": {"timeout": 2}}}, []),
        ({"OPTIONS": {"service": "shop", "connect_timeout": 0}}, []),
        ({"HOST": "/run/postgresql", "OPTIONS": {"tcp_user_timeout": 0}}, []),
        ({"HOST": "", "OPTIONS": {"keepalives_idle": 0}}, []),
        ({"HOST": "/run/postgresql", "OPTIONS": {"keepalives_idle": 0}}, []),
    ],
)
def test_what_waits_is_asked_for_its_timeout(database, settings, changes, lacks):
    """A pool does, for 30 s; a socket of this machine and a file of libpq's are another matter."""
    shown = {"OPTIONS": options_shown(connections.settings[database]["ENGINE"])["default"]}
    with another_alias(database, "hasty", replace=shown, **changes) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        told = "".join(one.msg for one in check_timeouts(databases=[alias]))
        assert [name for name in ("pool", "connect", "tcp") if name in told] == lacks


@pytest.mark.only_on("sqlite")
def test_sqlite_as_django_opens_it_is_told(database, settings, tmp_path):
    """A rollback journal and DEFERRED transactions."""
    plain = {"NAME": str(tmp_path / "plain.sqlite3"), "OPTIONS": {}}
    with another_alias(database, "odd_sqlite", replace=plain) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        assert found(alias) == {"sessionstore.W042", "sessionstore.W043"}


@pytest.mark.only_on("sqlite")
def test_the_alias_that_the_routers_name_is_judged(database, settings):
    """Also without SESSIONSTORE_DATABASE."""
    with another_alias(database, "odd", OPTIONS={"transaction_mode": "DEFERRED"}) as alias:
        settings.SESSIONSTORE_DATABASE = None
        settings.DATABASE_ROUTERS = [Router(alias)]
        assert found(alias) == {"sessionstore.W043"}
        assert found(database) == set()
