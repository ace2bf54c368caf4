"""Express takes over again: what Django leaves behind, and how it goes."""

import pytest
from django.core.management import call_command
from django.db import connections

from tests.express.conftest import each_release, open_site
from tests.express.peer import Browser
from tests.express.test_documentation import block

pytestmark = [pytest.mark.only_on("mariadb", "mysql", "postgresql"), each_release]


def test_passport_changes_the_id_at_a_login_since_06(browser, releases):
    """0.5 goes on with the id that the visitor brought, and Django with it."""
    before = browser.express(["set", "a", 1])["id"]
    after = browser.express(["login", 7])["id"]
    assert (after == before) == (releases == "old")


def test_the_login_of_django_ends_with_the_session_in_express(browser, django_user_model):
    """`req.session.destroy()` takes the row, and Django's keys with it."""
    ann = django_user_model.objects.create_user("ann")
    browser.django(["login", ann.pk])
    assert browser.express(["destroy"])["session"] is None
    assert browser.django()["user"] is None


def test_express_goes_on_when_django_has_left(database, shared_table, peers):
    """Without the guard and the column: live sessions stay, ended ones stay ended."""
    browser = open_site(database, shared_table, peers, guard=True)
    browser.django(["set", "a", 1])
    left = Browser(browser.peer)
    left.django(["set", "b", 1])
    late = left.cookie
    left.django(["logout"])
    call_command("clearsessions", "--engine", "express", verbosity=0)
    postgres = connections[database].vendor == "postgresql"
    language, words = ("postgresql", "FUNCTION") if postgres else ("sql", "TRIGGER")
    with connections[database].cursor() as cursor:
        for statement in filter(str.strip, block(language, words).split(";")):
            cursor.execute(statement)
    assert browser.express(["set", "c", 1])["loaded"]["a"] == 1
    left.cookie = late
    assert "b" not in left.express(["set", "d", 1])["loaded"]
    assert left.express()["loaded"]["d"] == 1
