"""Each page: no error, nothing to scroll sideways, and no fault for assistive technology.

With SESSIONSTORE_TEST_PICTURES=1 the pictures go to screenshots/, which git ignores.
"""

import pytest
from playwright.sync_api import expect

from tests.browser.looking import look_at

PAGES = {
    "shop": "/",
    "cart": "/cart/",
    "login": "/account/login/",
    "verbs": "/verbs/",
    "theft": "/theft/",
    "logged-out": "/account/logout/",
}
SIGNED_IN = {
    "shop-signed-in": "/",
    "checkout": "/checkout/",
    "devices": "/account/devices/",
    "history": "/account/devices/history/",
    "confirm": "/account/confirm/",
    "logout": "/account/logout/",
    "verbs-signed-in": "/verbs/",
    "theft-signed-in": "/theft/",
    "admin-sessions": "/admin/sessionstore/session/",
    "admin-statistics": "/admin/sessionstore/session/statistics/",
    "admin-history": "/admin/sessionstore/sessionevent/",
    "admin-known-devices": "/admin/sessionstore/knowndevice/",
    "admin-user": "/admin/auth/user/1/change/",
    "admin-users": "/admin/auth/user/",
}
# Of Django's form of a user: its dates, whose label is that of both inputs, and a hint that only a
# pointer finds. Of its list of users: the links of its own filters, "All", "Yes" and "No", are too
# small a target (target-size), and those of its breadcrumbs are told by their colour alone
# (link-in-text-block); in our lists they are larger, and underlined.
DJANGOS = {
    "admin-user": [".vDateField", ".vTimeField", ".help-tooltip"],
    "admin-users": ["#changelist-filter a", ".breadcrumbs a"],
}
LANGUAGES = {"en": "en-GB", "ko": "ko-KR"}
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_for_everybody(visitor, axe, language):
    """Before anybody signs in; with something in the cart, and a wrong password."""
    person = visitor(locale=LANGUAGES[language])
    page = person.open("/")
    assert page.locator("html").get_attribute("lang") == language
    expect(page.locator(".languages button")).to_have_text(["English", "한국어"])
    expect(page.locator("form[action$='/logout/']")).to_have_count(0)
    page.locator("form[action^='/cart/'] button").first.click()
    for name, path in PAGES.items():
        page.goto(person.site.address + path)
        look_at(page, axe, f"{name}-{language}")
    page.goto(person.site.address + "/account/login/")
    page.fill("#id_username", "alice")
    page.fill("#id_password", "wrong")
    page.check("#id_keep")
    page.check("#id_shared")
    page.keyboard.press("Enter")
    expect(page.locator(".ss-message-error")).to_be_visible()
    look_at(page, axe, f"login-error-{language}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_for_users(visitor, axe, language):
    """With a second device in the list, and staff's pages too."""
    visitor(user_agent=IPHONE).sign_in("alice")
    person = visitor(locale=LANGUAGES[language])
    page = person.sign_in("alice")
    page.locator("form[action^='/cart/'] button").first.click()
    for name, path in SIGNED_IN.items():
        page.goto(person.site.address + path)
        look_at(page, axe, f"{name}-{language}", not_ours=DJANGOS.get(name, []))
    page.goto(person.site.address + "/account/devices/")
    page.locator(".ss-device h2 a").last.click()
    expect(page.locator(".ss-facts")).to_be_visible()
    look_at(page, axe, f"device-{language}")
    page.goto(person.site.address + "/admin/sessionstore/session/")
    page.locator("#result_list a[href*='/session/']").first.click()
    expect(page.locator(".ss-facts")).to_be_visible()
    look_at(page, axe, f"admin-session-{language}")
    page.locator(".ss-ends button").last.click()
    expect(page.get_by_role("textbox")).to_be_visible()
    look_at(page, axe, f"admin-end-{language}")
    page.goto(person.site.address + "/cart/")
    page.evaluate("document.getElementById('ss-idle').showModal()")
    look_at(page, axe, f"idle-warning-{language}")


def race_results(page) -> list[int]:
    """Fire, and read how many changes either engine has kept."""
    page.get_by_role("button", name="Fire").click()
    kept = page.locator(".race-kept strong")
    expect(kept).to_have_count(2)
    return [int(text) for text in kept.all_inner_texts()]


def test_fifty_requests_at_once_and_a_stolen_table(visitor, axe):
    """Only Django's engine loses changes, only its table opens sessions; in each look and width."""
    person = visitor()
    page = person.open("/race/")
    theirs, ours = race_results(page)
    assert (theirs < 50, ours) == (True, 50)
    assert page.locator(".squares .lost").count() == 50 - theirs
    page.goto(person.site.address + "/leak/")
    page.get_by_role("button", name="Try every column").click()
    expect(page.locator(".leak").get_by_text("opens the session.")).to_have_count(2)
    opening = "tr:has(.theft-in) th"
    expect(page.locator(f"section:has(#leak-django) {opening}")).to_have_text(["session_key"])
    expect(page.locator(f"section:has(#leak-sessionstore) {opening}")).to_have_count(0)
    for language in LANGUAGES:
        page.context.add_cookies(
            [{"name": "django_language", "value": language, "url": person.site.address}]
        )
        for name in ("race", "leak"):
            page.goto(f"{person.site.address}/{name}/")
            if name == "leak":
                page.locator("main form button").click()
                expect(page.locator(".theft-in").first).to_be_visible()
            look_at(page, axe, f"{name}-{language}")
