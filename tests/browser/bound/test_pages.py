"""The pages that tell of a binding, to look at: see tests/browser/test_pages.py."""

import pytest

from tests.browser.test_pages import KOREAN, LOOKS, look_at

BADGES = {"devices-bound": "/account/devices/", "admin-bound": "/admin/sessionstore/session/"}
# Another language needs another login, another look does not.
LANGUAGES = {"en-GB": LOOKS, "ko-KR": {"korean": KOREAN}}
NARROWEST = {"en-GB": {"narrow": LOOKS["narrow"]}, "ko-KR": {"korean": KOREAN}}


def look_in_each(page, axe, name, looks):
    """Look at a page as it is open, in each of the looks."""
    for look, options in looks.items():
        page.set_viewport_size(options["viewport"])
        page.emulate_media(color_scheme=options["color_scheme"])
        look_at(page, axe, name, look)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_of_a_bound_session(device, site, axe, language):
    """The theft of its cookies fails; the devices page has a badge."""
    looks = LANGUAGES[language]
    page = device(locale=language).sign_in_bound(next_="/theft/")
    site.advance(minutes=2)
    page.reload()
    page.locator("main form button").click()
    page.locator(".theft-result").wait_for()
    look_in_each(page, axe, "theft-bound", looks)
    for name, path in BADGES.items():
        page.goto(site.address + path)
        look_in_each(page, axe, name, looks)


@pytest.mark.parametrize("language", NARROWEST)
def test_pages_of_a_browser_that_cannot(device, unable, site, axe, language):
    """The theft works, and the page says why nothing is bound: in the colours seen above."""
    looks = NARROWEST[language]
    person = device(unable, locale=language)
    page = person.sign_in(next_="/theft/")
    page.locator("main form button").click()
    page.locator(".theft-result").wait_for()
    look_in_each(page, axe, "theft-unbound", looks)
    site.advance(minutes=2)
    page.goto(site.address + "/guarded/")
    look_in_each(page, axe, "guarded-unbound", looks)
    person.errors.clear()  # the 403, which is the answer
