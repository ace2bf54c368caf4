"""What docs/pages.md and docs/privacy.md say is run here."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template import Context, Template

from sessionstore.core.record import USER_AGENT_LENGTH
from sessionstore.decorators import RECENTLY
from sessionstore.models import Session
from sessionstore.session.ending import REPLACED_MS
from sessionstore.session.expiring import SHARED_IDLE_S
from sessionstore.urls import devices as devices_urls
from sessionstore.urls import urlpatterns
from sessionstore.users import devices
from tests.web.conftest import sign_in

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (DOCS / "pages.md").read_text()
PRIVACY = (DOCS / "privacy.md").read_text()


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"```{re.escape(language)}\n(.*?)```", PAGES, re.DOTALL)


def test_the_table_of_pages_is_complete():
    """Names and paths as the URL configuration has them."""
    documented = dict(
        re.findall(r"^\| `sessionstore:(\w+)` \| `([\w/<:>-]+)` \|", PAGES, re.MULTILINE)
    )
    assert documented == {pattern.name: str(pattern.pattern) for pattern in urlpatterns}
    without = {pattern.name for pattern in devices_urls.urlpatterns}
    assert set(documented) - without == {"login", "logout"}


def test_the_python_examples_run(rf):
    """The urls, and a decorated view and class that send a visitor to sign in."""
    names: dict = {}
    for block in blocks("python"):
        exec(block, names)  # noqa: S102 - our own document
    assert names["urlpatterns"]
    request = rf.get("/")
    request.user = AnonymousUser()
    assert names["change_bank_account"](request).status_code == 302
    assert names["ApiKeys"].as_view()(request).status_code == 302


# tests/browser/test_frames.py renders the pages in the one that is a frame.
TAGS = [block for block in blocks("html+django") if "extends" not in block]


@pytest.mark.parametrize("source", TAGS)
def test_the_template_examples_render(source):
    """With no request at all there is nobody to sign out, and nobody to warn."""
    assert "Error" not in Template(source).render(Context())


def test_the_numbers_are_those_of_the_code():
    """Minutes, characters, rows."""
    assert f"after {SHARED_IDLE_S // 60} idle minutes" in PAGES
    assert f"a login of the last {RECENTLY.total_seconds() / 60:.0f} minutes" in PAGES
    assert f"{RECENTLY.total_seconds() / 60:.0f} minutes when nothing is said" in PAGES
    assert f"within {REPLACED_MS // 1000} seconds" in PAGES
    assert f"{devices.PER_PAGE} rows a page" in PAGES
    assert f"{USER_AGENT_LENGTH} characters at most" in PRIVACY


@pytest.mark.parametrize(
    ("recorded", "address", "network", "agent"),
    [
        ("all", "203.0.113.77", "203.0.113.77", "Mine"),
        ("shortened", "203.0.113.77", "203.0.113.0", "Mine"),
        ("shortened", "2001:db8:1:2::3", "2001:db8:1::", "Mine"),
        ("nothing", "203.0.113.77", None, None),
    ],
)
def test_each_way_to_record_a_client_does_so(
    browser, user, settings, recorded, address, network, agent
):
    """From the login on; the devices page shows what there is."""
    assert f'`"{recorded}"`' in PRIVACY
    settings.SESSIONSTORE_RECORD_CLIENT = recorded
    browser.defaults |= {"REMOTE_ADDR": address, "HTTP_USER_AGENT": "Mine"}
    browser.get("/plain/")
    sign_in(browser, user)
    row = Session.objects.get()
    assert (row.ip, row.user_agent) == (network, agent)
    html = browser.get("/account/devices/").content.decode()
    assert (network or "Unrecorded browser") in html


def test_a_visitor_leaves_neither_address_nor_browser(browser, db):
    """The row of somebody who is not signed in."""
    browser.defaults |= {"REMOTE_ADDR": "203.0.113.77", "HTTP_USER_AGENT": "Mine"}
    browser.get("/remember/")
    row = Session.objects.get()
    assert (row.ip, row.user_agent) == (None, None)


def test_a_deleted_account_takes_its_data_along(browser, user, django_capture_on_commit_callbacks):
    """Row, address and browser."""
    sign_in(browser, user)
    assert Session.objects.for_user(user).exists()
    with django_capture_on_commit_callbacks(execute=True):
        user.delete()
    assert not Session.objects.exists()


def test_a_visitor_of_whom_nothing_is_remembered_gets_no_cookie(browser, db):
    """Neither a cookie nor a row."""
    browser.get("/plain/")
    assert "sessionid" not in browser.cookies
    assert not Session.objects.exists()
