"""Each page: no error, no serious fault for assistive technology, and a picture to look at.

The pictures go to screenshots/, which git ignores: light, dark, and on a telephone.
"""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS

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
    "confirm": "/account/confirm/",
    "logout": "/account/logout/",
    "verbs-signed-in": "/verbs/",
    "theft-signed-in": "/theft/",
    "admin-sessions": "/admin/sessionstore/session/",
    "admin-statistics": "/admin/sessionstore/session/statistics/",
}
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 800}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
}
KOREAN = {"locale": "ko-KR", **LOOKS["light"]}
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)
AUDIT = """async (notOurs) => {
  const found = await axe.run({exclude: notOurs}, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
  });
  return found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" | ")}`);
}"""
# Django's own, around what is ours in the admin: its links are small and not underlined.
NOT_OURS = ["#changelist-filter", "#header", "#nav-sidebar", ".breadcrumbs", "#toolbar"]


def look_at(page, axe: str, name: str, look: str) -> None:
    """Take the picture, and let axe-core judge what is there."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}-{look}.png", full_page=True)
    page.evaluate(axe)
    assert page.evaluate(AUDIT, NOT_OURS if name.startswith("admin") else []) == []
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0 or name.startswith("admin"), f"{name} is {wide} pixels too wide"


@pytest.mark.parametrize("look", LOOKS)
def test_pages_for_everybody(visitor, axe, look):
    """Before anybody signs in; with something in the cart, and a wrong password."""
    person = visitor(**LOOKS[look])
    page = person.open("/")
    page.locator("form[action^='/cart/'] button").first.click()
    for name, path in PAGES.items():
        page.goto(person.site.address + path)
        look_at(page, axe, name, look)
    page.goto(person.site.address + "/account/login/")
    page.fill("#id_username", "alice")
    page.fill("#id_password", "wrong")
    page.check("#id_keep")
    page.check("#id_shared")
    page.click("form button[type=submit]:has-text('Sign in')")
    expect(page.locator(".ss-message-error")).to_be_visible()
    look_at(page, axe, "login-error", look)


@pytest.mark.parametrize("look", LOOKS)
def test_pages_for_users(visitor, axe, look):
    """With a second device in the list, and staff's pages too."""
    visitor(user_agent=IPHONE).sign_in("alice")
    person = visitor(**LOOKS[look])
    page = person.sign_in("alice")
    page.locator("form[action^='/cart/'] button").first.click()
    for name, path in SIGNED_IN.items():
        page.goto(person.site.address + path)
        look_at(page, axe, name, look)
    page.goto(person.site.address + "/cart/")
    page.evaluate("document.getElementById('ss-idle').showModal()")
    look_at(page, axe, "idle-warning", look)


def test_pages_in_korean(visitor, axe):
    """The browser asks for it."""
    person = visitor(**KOREAN)
    page = person.open("/account/login/")
    assert page.locator("html").get_attribute("lang") == "ko"
    for name, path in PAGES.items():
        page.goto(person.site.address + path)
        look_at(page, axe, name, "korean")
    page.goto(person.site.address + "/account/login/")
    page.fill("#id_username", "alice")
    page.fill("#id_password", "cookie-jar")
    page.keyboard.press("Enter")
    page.wait_for_url(person.site.address + "/")
    for name, path in SIGNED_IN.items():
        page.goto(person.site.address + path)
        look_at(page, axe, name, "korean")


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
    for language in ("en", "ko"):
        page.context.add_cookies(
            [{"name": "django_language", "value": language, "url": person.site.address}]
        )
        for name in ("race", "leak"):
            page.goto(f"{person.site.address}/{name}/")
            if name == "leak":
                page.locator("main form button").click()
                expect(page.locator(".theft-in").first).to_be_visible()
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                for width in (360, 800, 1280):
                    page.set_viewport_size({"width": width, "height": 800})
                    look_at(page, axe, f"{name}-{language}-{scheme}", str(width))
