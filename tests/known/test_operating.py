"""Known devices for staff: commands and the admin."""

import json
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client

from sessionstore.models import Session
from tests.known.conftest import rows
from tests.web.conftest import PASSWORD, sign_in

LIST = "/admin/sessionstore/knowndevice/"
on_sqlite = pytest.mark.only_on("sqlite")


def run(*words: str) -> str:
    """Run a command; return what it says."""
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.fixture
def staff(user) -> Client:
    """An administrator."""
    browser = Client(enforce_csrf_checks=True)
    sign_in(browser, get_user_model().objects.create_superuser("root", password=PASSWORD))
    return browser


def test_clearsessions_forgets_devices_that_nobody_has_used_for_their_age(browser, user, clock):
    """Those that a sign-in still knows stay."""
    sign_in(browser, user)
    clock.advance(days=399)
    sign_in(Client(), user)
    clock.advance(days=1, minutes=11)
    assert "1 expired known device from sessionstore_known_device" in run("clearsessions")
    assert len(rows()) == 1
    told = json.loads(run("clearsessions", "--json", "--dry-run"))
    assert [table.get("known_devices") for table in told["tables"]] == [None, 0, None]


@on_sqlite
@pytest.mark.parametrize("whose", [["--user", "ann"], ["--all"]])
def test_revokesessions_forgets_devices_when_it_is_asked_to(browser, user, staff, whose):
    """Of a user, or of everybody; only counted in a dry run."""
    sign_in(browser, user)
    asked = ["revokesessions", *whose, "--forget-devices", "--no-input"]
    number = 2 if whose == ["--all"] else 1
    assert f"Would forget {number} known device" in run(*asked, "--dry-run")
    assert len(rows()) == 2
    run("revokesessions", *whose, "--no-input")
    assert len(rows()) == 2
    assert f"Forgot {number} known device" in run(*asked)
    assert len(rows()) == 2 - number


@on_sqlite
def test_devices_are_forgotten_with_whom_they_are_of(db):
    """Old sessions are of nobody in particular."""
    with pytest.raises(CommandError, match="--forget-devices goes with"):
        run("revokesessions", "--older-than", "30d", "--forget-devices", "--no-input")


@on_sqlite
def test_staff_finds_and_forgets_a_device(browser, user, staff):
    """By name, by handle; it asks first. The device's sessions end."""
    sign_in(browser, user)
    handle = next(row.handle for row in rows() if row.user_id == str(user.pk))
    for query in ("", "?q=ann", f"?q={handle}", f"?user_id__exact={user.pk}"):
        html = staff.get(LIST + query).content.decode()
        assert ("Firefox on Windows" in html, ">ann</a>" in html) == (True, True)
    fields = {
        "csrfmiddlewaretoken": staff.cookies["csrftoken"].value,
        "action": "forget_selected",
        "_selected_action": handle,
    }
    assert "ann: Firefox on Windows" in staff.post(LIST, fields).content.decode()
    assert browser.get("/plain/").content == b"ann"
    staff.post(LIST, {**fields, "confirmed": "yes"})
    assert browser.get("/plain/").content == b""
    assert [row.user_id for row in rows()] != [str(user.pk)]
    assert len(rows()) == 1


@on_sqlite
def test_staff_reads_moments_and_no_name_of_ours(browser, user, staff):
    """Without microseconds; that the session is of a known device is no provider's link."""
    sign_in(browser, user)
    assert staff.get(LIST).content.decode().count("<time datetime=") == 2 * len(rows())
    [handle] = [row.handle for row in Session.objects.for_user(user)]
    page = staff.get(f"/admin/sessionstore/session/{handle}/").content.decode()
    assert "Linked to" not in page


@on_sqlite
def test_no_address_of_the_list_tells_a_digest(staff):
    """Bit by bit."""
    for query in ("digest__startswith=a", "seal__isnull=0", "fingerprint__gt=a"):
        assert staff.get(f"{LIST}?{query}").status_code in {302, 400}


@on_sqlite
def test_the_admin_shows_it_only_where_devices_are_known(staff, settings):
    """Not an empty list for ever."""
    assert "Known devices" in staff.get("/admin/").content.decode()
    settings.SESSIONSTORE_KNOWN_DEVICES = False
    assert "Known devices" not in staff.get("/admin/").content.decode()
