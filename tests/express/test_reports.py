"""Error reports of a shared table: no frame shows the cookie, the sid, or Express's secret."""

from itertools import count

import pytest
from django.contrib.auth.models import User

from sessionstore.backends.express import SessionStore
from tests.express.peer import SECRETS, Browser
from tests.express.test_lifetime import sid_of
from tests.faults.test_reports import LINES
from tests.harness.reports import Raiser, leaks, raise_everywhere, recorded_in

FILES = ("core/", "session/", "table/", "express/", "backends/", "middleware")
HANDED_OVER = (
    *("SessionBackend.__init__", "SessionBackend._session_key", "Known.arriving", "as_text"),
    "forget_loaded",
)
STEPS = [["read"], ["set", "a", 1], ["cycle"], ["logout"]]
numbers = count()


def signed_in() -> Browser:
    session = SessionStore()
    session.save()
    browser = Browser(cookie=session.session_key)
    browser.django(["login", User.objects.create_user(f"user{next(numbers)}").pk])
    return browser


@LINES
@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("step", STEPS)
def test_no_frame_shows_the_sid_or_the_secret(shared_table, database, step, each_line):
    """Every function that a request runs through raises once."""
    shared_table()
    shown: set[str] = set()
    raiser = Raiser(FILES, each_line=each_line)
    for place, browser, error in raise_everywhere(raiser, signed_in, lambda one: one.django(step)):
        secrets = {"cookie": browser.cookie, "sid": sid_of(browser.cookie), "secret": SECRETS[0]}
        if not place[0].endswith(HANDED_OVER):
            shown |= leaks(recorded_in(error), secrets)
    assert shown == set()
    assert len(raiser.tried) > 20
