"""The pages that tell of a binding, to look at: see tests/browser/test_pages.py."""

import pytest

from tests.browser.test_pages import KOREAN, LOOKS, look_at

BADGES = {"devices-bound": "/account/devices/", "admin-bound": "/admin/sessionstore/session/"}
EVERY = {**LOOKS, "korean": KOREAN}


@pytest.mark.parametrize("look", EVERY)
def test_pages_of_a_bound_session(device, site, axe, look):
    """The theft of its cookies fails; the devices page has a badge."""
    person = device(**EVERY[look])
    page = person.sign_in_bound(next_="/theft/")
    site.advance(minutes=2)
    page.reload()
    look_at(page, axe, "theft-bound", look)
    page.locator("main form button").click()
    page.locator(".theft-result").wait_for()
    look_at(page, axe, "theft-bound-copied", look)
    for name, path in BADGES.items():
        page.goto(site.address + path)
        look_at(page, axe, name, look)


@pytest.mark.parametrize("look", EVERY)
def test_pages_of_a_browser_that_cannot(device, unable, site, axe, look):
    """The theft works, and the page says why nothing is bound."""
    person = device(unable, **EVERY[look])
    page = person.sign_in(next_="/theft/")
    look_at(page, axe, "theft-unbound", look)
    page.locator("main form button").click()
    page.locator(".theft-result").wait_for()
    look_at(page, axe, "theft-unbound-copied", look)
    site.advance(minutes=2)
    page.goto(site.address + "/guarded/")
    look_at(page, axe, "guarded-unbound", look)
    person.errors.clear()  # the 403, which is the answer
