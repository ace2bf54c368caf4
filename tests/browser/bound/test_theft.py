"""A copied cookie jar, in another profile."""

from tests.browser.bound.device import BOUND, REFRESH, SESSION, ask, is_signed_in


def jar(person, *names):
    """Return cookies as malware copies them: each attribute as it was."""
    return [cookie for cookie in person.context.cookies() if not names or cookie["name"] in names]


def test_a_copied_jar_dies_within_the_age_and_its_owner_goes_on(device, site):
    """With all cookies the thief is in for minutes; the key stays where it is."""
    person, thief = device(), device()
    page = person.sign_in_bound()
    thief.context.add_cookies(jar(person))
    stolen = thief.open("/cart/")
    assert is_signed_in(stolen)
    site.advance(minutes=11)
    assert ask(stolen)["user"] == ""
    person.lose_proof()
    assert ask(page)["user"] == "alice"
    assert ask(stolen)["user"] == ""


def test_the_session_cookie_alone_opens_nothing(device, site):
    """What a jar holds when its short cookie has ended; and what the victim has is left alone."""
    person, thief = device(), device()
    page = person.sign_in_bound()
    site.advance(minutes=2)
    thief.context.add_cookies(jar(person, SESSION))
    stolen = thief.open("/account/devices/")
    assert "/account/login/" in stolen.url
    stolen.goto(site.address + "/")
    stolen.locator("form[action^='/cart/'] button").first.click()
    stolen.locator(".ss-message", has_text="In the cart").wait_for()
    assert ask(page)["user"] == "alice"


def test_the_demo_shows_it_on_one_page(device, site):
    """The copy with both cookies signs in, and what is left of it does not."""
    person = device()
    page = person.sign_in_bound(next_="/theft/")
    site.advance(minutes=2)
    page.reload()
    page.get_by_role("button", name="Copy the cookies to another browser").click()
    page.get_by_text("What the other browser sees").wait_for()
    rows = [row.split("\t") for row in page.locator("tbody tr").all_inner_texts()]
    assert [(names.split(), there) for names, there in rows] == [
        ([SESSION, BOUND], "signed in as alice"),
        ([SESSION], "a visitor: the copy is worth nothing"),
    ]


def test_the_demo_says_what_a_browser_without_the_feature_has(device, unable, site):
    """The copy is the login."""
    person = device(unable)
    page = person.sign_in(next_="/theft/")
    assert "has not answered" in page.content()
    page.get_by_role("button", name="Copy the cookies to another browser").click()
    page.get_by_text("What the other browser sees").wait_for()
    rows = [row.split("\t") for row in page.locator("tbody tr").all_inner_texts()]
    assert rows == [[SESSION, "signed in as alice"]]
    assert site.arrived(REFRESH) == []
