"""The pages that tell of a binding, to look at: see tests/browser/test_pages.py."""

import pytest

from tests.browser.looking import look_at
from tests.browser.test_pages import LANGUAGES

BADGES = {"devices-bound": "/account/devices/", "admin-bound": "/admin/sessionstore/session/"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_of_a_bound_session(device, site, axe, language):
    """The theft of its cookies fails; the devices page has a badge."""
    page = device(locale=LANGUAGES[language]).sign_in_bound(next_="/theft/")
    page.locator("main form button").click()
    page.locator(".theft-again").wait_for()  # The session's cookie alone still counts.
    site.advance(minutes=2)
    page.goto(site.address + "/theft/")
    page.locator("main form button").click()
    page.locator(".theft-result").wait_for()
    assert page.locator(".theft-again").count() == 0
    look_at(page, axe, f"theft-bound-{language}")
    for name, path in BADGES.items():
        page.goto(site.address + path)
        look_at(page, axe, f"{name}-{language}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_of_a_browser_that_cannot(device, unable, site, axe, language):
    """The theft works, and the page says why nothing is bound: in the colours seen above."""
    person = device(unable, locale=LANGUAGES[language])
    page = person.sign_in(next_="/theft/")
    page.locator("main form button").click()
    page.locator(".theft-result").wait_for()
    look_at(page, axe, f"theft-unbound-{language}")
    site.advance(minutes=2)
    page.goto(site.address + "/guarded/")
    look_at(page, axe, f"guarded-unbound-{language}")
    person.errors.clear()  # the 403, which is the answer
