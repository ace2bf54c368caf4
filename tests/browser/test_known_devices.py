"""A new browser, its mail, and "this was not me", in a real browser; and pictures of it."""

import re

from playwright.sync_api import expect

from tests.browser.looking import look_at


def mailed_link(site) -> str:
    """Where the last mail leads."""
    [*_, last] = sorted((site.folder / "mails").iterdir(), key=lambda path: path.stat().st_mtime)
    return re.findall(r"http://\S+/not-me/\S+/", last.read_text())[0]


def look_around(page, axe, name: str) -> None:
    """Look at the page in both languages; English in the end."""
    address = page.url.split("/account")[0]
    for language in ("ko", "en"):
        chosen = {"name": "django_language", "value": language, "url": address}
        page.context.add_cookies([chosen])
        page.reload()
        look_at(page, axe, f"{name}-{language}")


def test_a_stranger_is_signed_out_by_the_link_of_the_mail(visitor, axe):
    """Known once, told once; the button ends that browser's session and asks nobody's name."""
    owner, thief = visitor(), visitor()
    page = owner.sign_in("bob", next_="/account/devices/")
    theirs = thief.sign_in("bob")
    page.goto(owner.site.address + "/account/devices/")
    expect(page.get_by_role("heading", name="Known devices")).to_be_visible()
    expect(page.get_by_role("link", name="Signed in now")).to_have_count(2)
    look_around(page, axe, "known-devices")
    page.locator("[aria-labelledby=ss-known] .ss-device-this h3 a").click()
    page.get_by_label("What you call it").fill("My laptop")
    page.get_by_role("button", name="Save the name").click()
    expect(page.get_by_role("heading", name="My laptop")).to_be_visible()
    look_at(page, axe, "known-device")

    nobody = visitor()
    link = mailed_link(owner.site).removeprefix(owner.site.address)
    mail = nobody.open(link)
    look_around(mail, axe, "not-me")
    mail.get_by_role("button", name="Sign this device out").click()
    expect(mail.get_by_role("heading", name="That device is signed out")).to_be_visible()
    look_at(mail, axe, "not-me-done")
    assert link.split("/")[-2] not in str(owner.site.arrived("/account/not-me/"))
    mail.goto(owner.site.address + link)
    expect(mail.get_by_role("heading", name="There is nothing left")).to_be_visible()
    look_at(mail, axe, "not-me-gone")
    theirs.goto(thief.site.address + "/checkout/")
    assert "/login/" in theirs.url
    page.goto(owner.site.address + "/checkout/")
    assert page.url.endswith("/checkout/")
    page.goto(owner.site.address + "/account/devices/")
    page.get_by_role("button", name="Forget this device: My laptop").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
