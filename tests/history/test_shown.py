"""The history where it is shown: to its user, to staff, to a clerk who answers a request."""

import json
import re
import stat

import pytest
from django.contrib.auth.models import Permission, User
from django.core.checks import run_checks
from django.core.management import CommandError
from django.db import connections
from django.test import Client
from django.utils import translation

from sessionstore.checks import cleanup
from sessionstore.core.keys import new_id
from sessionstore.history.words import words_of
from sessionstore.models import SessionEvent, What
from sessionstore.signals import Reason
from tests.harness.commands import run
from tests.harness.statements import record_statements
from tests.history.conftest import sign_in
from tests.web.conftest import PASSWORD

DEVICES, HISTORY = "/account/devices/", "/account/devices/history/"
ADMIN = "/admin/sessionstore/sessionevent/"


def add_events(number, user, **columns):
    for _ in range(number):
        SessionEvent(what="signed_in", user_id=str(user.pk), **columns).save()


@pytest.fixture
def staff(db) -> Client:
    User.objects.create_superuser("boss", password=PASSWORD)
    return sign_in(Client(), "boss")


@pytest.mark.only_on("sqlite")
def test_the_devices_page_shows_the_newest(database, ann, browser):
    """For one query more; what is older is on a page of its own."""
    sign_in(browser)
    add_events(25, ann)
    with record_statements() as seen:
        page = browser.get(DEVICES).content.decode()
    assert len(seen.about("sessionstore_event")) == 1
    assert page.count("<strong>Signed in</strong>") == 20
    assert f'href="{HISTORY}?page=2"' in page
    assert browser.get(f"{HISTORY}?page=2").content.decode().count("<strong>Signed in</st") == 6


@pytest.mark.only_on("sqlite")
def test_the_list_is_in_json_too(database, ann, browser):
    """As the list of devices is."""
    handle = sign_in(browser).session.handle
    answer = browser.get(HISTORY, headers={"accept": "application/json"}).json()
    [one] = answer["activities"]
    assert (one["what"], one["handle"], one["address"]) == ("signed_in", handle, "127.0.0.1")
    assert answer["has_next"] is False


@pytest.mark.only_on("sqlite")
def test_a_page_that_is_none_is_not_found(database, ann, browser, settings):
    """A bad number; and any where nothing is written down, when the devices say nothing of it."""
    sign_in(browser)
    assert browser.get(f"{HISTORY}?page=x").status_code == 404
    settings.SESSIONSTORE_HISTORY = None
    assert browser.get(HISTORY).status_code == 404
    assert b"Recent activity" not in browser.get(DEVICES).content


@pytest.mark.only_on("sqlite")
def test_nobody_sees_the_history_of_others(database, ann, browser, settings):
    """Of other users, of another site that shares the table, and nobody without a login."""
    other = User.objects.create_user("bob", password=PASSWORD)
    add_events(1, other)
    add_events(1, ann, site=b"\x01" * 8)
    assert browser.get(HISTORY).status_code == 302
    assert browser.get(HISTORY).headers["Location"].startswith("/account/login/")
    page = sign_in(browser).get(HISTORY).content.decode()
    assert page.count("<strong>") == 1


@pytest.mark.only_on("sqlite")
def test_every_event_has_words_in_both_languages(database, ann, browser):
    """No English stands in a Korean page."""
    sign_in(browser)
    SessionEvent.objects.using(database).forget(ann)
    for what in What.values:
        SessionEvent(what=what, user_id=str(ann.pk), reason="owner").save()
    page = browser.get(HISTORY, headers={"accept-language": "en"}).content.decode()
    assert "Wrong password while signed in" in page
    with translation.override("ko"):
        assert all(str(What(what).label) != what_en for what, what_en in ENGLISH.items())


ENGLISH = {what: str(What(what).label) for what in What.values}


@pytest.mark.only_on("sqlite")
def test_staff_read_the_history_and_change_nothing(database, ann, browser, staff):
    """Neither add, change nor delete, whatever they may else."""
    sign_in(browser)
    page = staff.get(ADMIN).content.decode()
    assert "Signed in" in page
    assert "Firefox" in page
    assert "<time datetime=" in page
    assert re.search(r"\d session events?\b", page)
    event = SessionEvent.objects.filter(user_id=str(ann.pk)).get()
    assert staff.post(f"{ADMIN}add/").status_code == 403
    assert staff.post(f"{ADMIN}1/delete/").status_code in {302, 403}
    staff.post(ADMIN, {"action": "delete_selected", "_selected_action": "1"})
    assert SessionEvent.objects.filter(pk=event.pk).exists()


@pytest.mark.only_on("sqlite")
def test_staff_filter_and_search(database, ann, browser, staff):
    """By what, by why, by the user's name or id."""
    sign_in(browser).post("/account/logout/")
    found = staff.get(ADMIN, {"what": "ended", "reason": "logout", "q": "ann"})
    assert [row.handle for row in found.context["cl"].result_list] == [
        SessionEvent.objects.get(what="ended").handle
    ]
    assert not staff.get(ADMIN, {"q": "nobody"}).context["cl"].result_list
    assert len(staff.get(ADMIN, {"q": str(ann.pk)}).context["cl"].result_list) == 2


@pytest.mark.only_on("sqlite")
def test_who_may_not_view_events_sees_none(database, ann):
    """The permission for sessions is another one."""
    clerk = User.objects.create_user("clerk", password=PASSWORD, is_staff=True)
    clerk.user_permissions.add(Permission.objects.filter(codename="view_session").first())
    assert sign_in(Client(), "clerk").get(ADMIN).status_code == 403


def test_an_export_has_sessions_and_history(database, ann, browser):
    """In words and moments of UTC, without a key, and without the name of staff."""
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    sign_in(browser)
    SessionEvent(what="ended", user_id=str(ann.pk), actor_id=str(boss.pk)).save(using=database)
    told = run("exportsessions", "--user=ann")
    kept = json.loads(told)
    assert (kept["user_id"], len(kept["sessions"])) == (str(ann.pk), 1)
    assert [(one["what"], one["by_user"]) for one in kept["history"]] == [
        ("ended", False),
        ("signed_in", True),
    ]
    assert kept["history"][1]["methods"] == [{"method": "password", "level": 1, "provider": ""}]
    assert browser.session.session_key not in told
    assert kept["sessions"][0]["handle"] == kept["history"][1]["handle"]


def test_an_export_has_known_devices_and_who_has_linked(database, ann, browser, settings):
    """Both are data about a person; also where the site knows no devices any more."""
    settings.SESSIONSTORE_KNOWN_DEVICES = True
    sign_in(browser)
    browser.get("/do/link/")
    settings.SESSIONSTORE_KNOWN_DEVICES = None
    kept = json.loads(run("exportsessions", "--user=ann"))
    [device] = kept["known_devices"]
    assert (device["ip"], device["trusted_until"]) == ("127.0.0.1", None)
    assert "Firefox" in device["browser"]
    assert sorted(kept["sessions"][0]["linked_to"]) == ["https://id.example.com", "sessionstore"]


@pytest.mark.only_on("sqlite")
def test_how_somebody_signed_in_is_shown(database, ann, browser, staff):
    """On the user's page, in JSON and to staff."""
    browser.get("/do/login-code/")
    assert "With: Password and code" in browser.get(DEVICES).content.decode()
    answer = browser.get(HISTORY, headers={"accept": "application/json"}).json()
    assert answer["activities"][0]["how"] == "Password and code"
    assert "Password and code" in staff.get(ADMIN).content.decode()


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("reason", sorted(set(Reason) - {"logout", "flushed", "deleted"}))
def test_why_it_ended_is_shown(database, ann, browser, staff, reason):
    """In words, in both languages; to staff with the word of the signal, too."""
    sign_in(browser)
    event = SessionEvent(what="ended", user_id=str(ann.pk), reason=str(reason))
    event.save()
    words = words_of(event)
    assert words != "Signed out"
    # In the row, and in the filter.
    assert staff.get(ADMIN).content.decode().count(f"{words} ({reason})") == 2
    with translation.override("ko"):
        assert words_of(event) not in {words, str(What.ENDED.label)}


@pytest.mark.only_on("sqlite")
def test_an_export_to_a_file_is_for_its_owner(database, ann, tmp_path):
    """And writes over none."""
    file = tmp_path / "ann.json"
    assert run("exportsessions", f"--user-id={ann.pk}", f"--output={file}") == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["history"] == []
    with pytest.raises(CommandError, match="not there yet"):
        run("exportsessions", "--user=ann", f"--output={file}")


@pytest.mark.only_on("sqlite")
def test_an_export_of_nobody_is_an_error(database, ann):
    """A name with a typing mistake is no empty history."""
    with pytest.raises(CommandError, match="no user 'anne'"):
        run("exportsessions", "--user=anne")


def found(database):
    messages = run_checks(
        databases=[database], tags=["sessionstore"], include_deployment_checks=True
    )
    return {one.id for one in messages} & {
        "sessionstore.E096",
        "sessionstore.W096",
        "sessionstore.W097",
    }


def test_a_missing_table_is_told(database, settings):
    """Where the history is on."""
    assert found(database) == set()
    table = connections[database].ops.quote_name("sessionstore_event")
    with connections[database].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO lost")
    try:
        assert found(database) == {"sessionstore.E096"}
        settings.SESSIONSTORE_HISTORY = None
        assert found(database) == set()
    finally:
        with connections[database].cursor() as cursor:
            cursor.execute(f"ALTER TABLE lost RENAME TO {table}")


def test_a_history_that_nobody_cleans_up_is_told(database, ann, monkeypatch, clock):
    """More old events than a clean-up each day can leave."""
    monkeypatch.setattr(cleanup, "BACKLOG", 2)
    old = clock.now_ms - 98 * 86_400_000
    for _ in range(2):
        assert found(database) == set()
        SessionEvent(id=new_id(old), what="ended", user_id="1").save(using=database)
    assert found(database) == {"sessionstore.W097"}


@pytest.mark.only_on("mariadb")
def test_a_history_on_another_alias_is_told(database, settings):
    """There a rollback of the sessions' alias takes no event along."""
    settings.DATABASE_ROUTERS = [EventsElsewhere(), *settings.DATABASE_ROUTERS]
    assert found(database) == {"sessionstore.W096"}


class EventsElsewhere:
    """Sends the events to the other database."""

    def db_for_write(self, model, **_):
        return "default" if model is SessionEvent else None
