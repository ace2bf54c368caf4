"""A copied cookie jar, in another profile."""

from tests.browser.bound.device import BOUND, SESSION, ask, is_signed_in


def jar(person, *names):
    """Return cookies as malware copies them: each attribute as it was."""
    return [cookie for cookie in person.context.cookies() if not names or cookie["name"] in names]


def test_the_session_cookie_alone_opens_nothing(bound, device, site):
    """What a jar holds when its short cookie has ended; and what the victim has is left alone."""
    thief = device()
    thief.context.add_cookies(jar(bound, SESSION))
    stolen = thief.open("/account/devices/")
    assert "/account/login/" in stolen.url
    stolen.goto(site.address + "/")
    stolen.locator("form[action^='/cart/'] button").first.click()
    stolen.locator(".ss-message", has_text="In the cart").wait_for()
    assert ask(bound.page)["user"] == "alice"


def test_a_copied_jar_dies_within_the_age_and_its_owner_goes_on(bound, device, site):
    """With all cookies the thief is in for minutes; the key stays where it is."""
    thief = device()
    thief.context.add_cookies(jar(bound))
    stolen = thief.open("/cart/")
    assert is_signed_in(stolen)
    site.advance(minutes=11)
    assert ask(stolen)["user"] == ""
    bound.lose_proof()
    assert ask(bound.page)["user"] == "alice"
    assert ask(stolen)["user"] == ""


def test_the_demo_shows_it_on_one_page(bound, site):
    """The copy with both cookies signs in, and what is left of it does not."""
    page = bound.page
    page.goto(site.address + "/theft/")
    page.get_by_role("button", name="Copy the cookies to another browser").click()
    page.get_by_text("What the other browser sees").wait_for()
    rows = [row.split("\t") for row in page.locator("tbody tr").all_inner_texts()]
    assert [(names.split(), there) for names, there in rows] == [
        ([SESSION, BOUND], "signed in as alice"),
        ([SESSION], "a visitor: the copy is worth nothing"),
    ]
