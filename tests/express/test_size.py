"""Sessions that are larger than the native engine takes: Express has no limit but its column."""

from contextlib import nullcontext

import pytest
from django.core.checks import run_checks
from django.db import connections, transaction

from sessionstore.backends import express, sql
from sessionstore.backends.express import SessionStore
from sessionstore.exceptions import SessionTooLarge

SIZE = 1_200_000


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_a_session_of_more_than_a_mebibyte_works_on_both_sides(browser):
    """It is read, changed and written by both."""
    browser.express(["fill", "big", SIZE])
    assert len(browser.django()["session"]["big"]) == SIZE // 2
    browser.django(["set", "cart", {"oat": 2}])
    answer = browser.express(["set", "views", 1])["session"]
    assert (len(answer["big"]), answer["cart"]) == (SIZE // 2, {"oat": 2})
    assert browser.django()["session"]["views"] == 1


@pytest.mark.only_on("sqlite", "mariadb")
def test_django_makes_one_too_unless_the_setting_says_less(shared_table, settings):
    """The error names the setting."""
    shared_table()
    session = SessionStore()
    session["big"] = "x" * SIZE
    session.save()
    settings.SESSIONSTORE_MAX_BYTES = 1024
    other = SessionStore()
    other["big"] = "x" * SIZE
    with pytest.raises(SessionTooLarge, match="SESSIONSTORE_MAX_BYTES"):
        other.save()
    same = SessionStore(session.session_key)
    same["big"] = "y" * SIZE
    same.save()
    assert SessionStore(session.session_key)["big"] == "y" * SIZE


def test_an_engine_that_is_built_on_it_has_its_limit(shared_table, settings):
    """A site's own subclass is in a module of its own."""
    shared_table()
    settings.SESSION_ENGINE = "tests.express.built_on"
    session = SessionStore()
    session["big"] = "x" * SIZE
    session.save()
    assert len(SessionStore(session.session_key)["big"]) == SIZE


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(("limit", "told"), [(2**20, 1), (2**24 - 1, 0), (2**25, 0), (None, 0)])
def test_a_limit_below_what_the_column_holds_is_told(database, express_site, settings, limit, told):
    """What Express has made larger cannot be changed in Django."""
    if limit is not None:
        settings.SESSIONSTORE_MAX_BYTES = limit
    ids = [one.id for one in run_checks(tags=["sessionstore"])]
    assert ids.count("sessionstore.W057") == told


@pytest.mark.only_on("mariadb")
@pytest.mark.parametrize("engine", [sql, express])
@pytest.mark.parametrize("inside", [False, True])
def test_what_the_server_takes_no_packet_of_is_too_large(
    database, shared_table, settings, engine, inside
):
    """It is no database that is down, and no repeated try helps; a smaller one is stored."""
    shared_table()
    with connections[database].cursor() as cursor:
        cursor.execute("SELECT @@max_allowed_packet")
        [packet] = cursor.fetchone()
    settings.SESSIONSTORE_MAX_BYTES = 2 * packet
    session = engine.SessionStore()
    session.save()
    session["big"] = ":" * packet
    with (
        pytest.raises(SessionTooLarge, match=f"no statement above {packet} bytes"),
        transaction.atomic(using=database) if inside else nullcontext(),
    ):
        session.save()
    session["big"] = "small"
    session.save()
    assert engine.SessionStore(session.session_key)["big"] == "small"
