"""A database user who may do nothing but read and write the one table."""

import unittest
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connections
from django.test import SimpleTestCase

from tests.engine.test_django_contract import LEFT_OUT
from tests.faults.conftest import another_alias
from tests.faults.figures import note, share
from tests.faults.sites import BOTH, OURS
from tests.faults.verbs import VERBS
from tests.harness.django_sdist import SdistMissingError, sessions_tests
from tests.harness.missing import give_up
from tests.harness.threads import run_together

pytestmark = pytest.mark.only_on("mariadb", "mysql", "postgresql")
both_sites = pytest.mark.parametrize("site", BOTH, indirect=True)


@pytest.fixture
def least(database, site, settings) -> Iterator[str]:
    """An alias whose user has SELECT, INSERT, UPDATE and DELETE on the session table."""
    connection = connections[database]
    who = "least@'127.0.0.1'" if connection.vendor == "mysql" else "least"
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute(f"CREATE USER {who}")
        else:
            cursor.execute("CREATE ROLE least LOGIN")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {site.table} TO {who}")
    try:
        with another_alias(database, f"least_{database}", USER="least") as alias:
            settings.SESSIONSTORE_DATABASE = alias
            yield alias
    finally:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("DROP OWNED BY least")
            cursor.execute(f"DROP {'USER' if connection.vendor == 'mysql' else 'ROLE'} {who}")


def engine_suite(site, aliases: set[str]) -> unittest.TestResult:
    """Run Django's own tests of session engines on this site's engine."""
    try:
        contract = sessions_tests()
    except SdistMissingError as error:
        give_up(str(error))
    own = {"backend": site.store, "databases": aliases, **dict.fromkeys(LEFT_OUT)}
    tests = type("Contract", (contract.SessionTestsMixin, SimpleTestCase), own)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(tests).run(result)
    return result


@both_sites
def test_the_engine_needs_no_more_than_its_table(database, site, least, signed_in):
    """Django's own suite, each verb over HTTP, and fifty requests at once."""
    assert_is_refused(least)
    result = engine_suite(site, {"default", least})
    assert result.testsRun > 50
    bad = [*result.errors, *result.failures]
    for verb in VERBS.values():
        client = verb.prepare(signed_in, site)
        good = verb.act(client, site) == 200 and verb.is_right(client, site)
        bad += [] if good else [verb]
        site.rows().delete()
    total = result.testsRun + len(VERBS)
    note("least", site, database, f"{share(total - len(bad), total)} tests pass")
    if site is OURS:
        assert bad == []


def assert_is_refused(alias: str) -> None:
    """The user really lacks the other rights."""
    with (
        connections[alias].cursor() as cursor,
        pytest.raises(DatabaseError, match=r"denied|permission"),
    ):
        cursor.execute("SELECT * FROM auth_user")


def test_conflicts_are_resolved_without_further_rights(database, site, least):
    """Row locks need no right beyond UPDATE."""
    session = site.store()
    session["a"] = 1
    session.create()

    def change(number):
        one = site.store(session.session_key)
        one[f"key{number}"] = number
        one.save()

    outcomes = run_together([lambda n=number: change(n) for number in range(30)])
    assert outcomes == [None] * 30
    assert len(site.store(session.session_key).keys()) == 31
