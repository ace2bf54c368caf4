"""A binding begins with a login and ends with its session."""

from tests.browser.bound.device import BOUND, REFRESH, REGISTER, SESSION, ask, is_signed_in


def test_another_login_binds_another_key(device, site):
    """The session before it ends, and so does what the browser kept for that."""
    person = device()
    page = person.sign_in_bound("alice")
    person.sign_in_bound("bob")
    first, second = (
        event["creationEventDetails"]["newSession"]["key"]["id"]
        for event in person.events
        if "creationEventDetails" in event
    )
    assert first != second
    site.advance(minutes=11)
    person.lose_proof()
    assert ask(page)["user"] == "bob"
    assert ask(page)["user"] == "bob"


def test_the_same_user_may_sign_in_again(device, site):
    """A new key of the session, and of the device."""
    person = device()
    page = person.sign_in_bound("alice")
    person.sign_in_bound("alice")
    site.advance(minutes=11)
    person.lose_proof()
    assert ask(page)["user"] == "alice"
    assert len(site.arrived(REGISTER)) == 2


def test_a_guarded_page_opens_when_the_browser_is_bound(device, site):
    """It may be asked for before that: then it comes back by itself."""
    person = device()
    page = person.sign_in(next_="/guarded/")
    page.get_by_role("heading", name="Guarded").wait_for()
    assert person.results("creation") == ["Success"]
    person.errors.clear()  # the 403 meanwhile


def test_a_sign_out_ends_the_binding(device, site):
    """The browser asks once more at most, and is told that it is over."""
    person = device()
    page = person.sign_in_bound()
    page.get_by_role("button", name="Sign out, alice").click()
    page.get_by_role("heading", name="You are signed out").wait_for()
    assert SESSION not in [cookie["name"] for cookie in person.context.cookies()]
    for path in ("/", "/cart/", "/"):
        page.goto(site.address + path)
    assert not is_signed_in(page)
    assert len(site.arrived(REFRESH)) <= 1


def test_a_browser_without_the_feature_signs_in_as_ever(device, unable, site):
    """It is asked, does not know the header, and stays signed in."""
    person = device(unable)
    page = person.sign_in()
    site.advance(minutes=20)
    page.goto(site.address + "/checkout/")
    assert page.url.endswith("/checkout/")
    assert site.arrived(REGISTER) == []
    assert BOUND not in [cookie["name"] for cookie in person.context.cookies()]
    page.goto(site.address + "/account/devices/")
    assert page.locator(".ss-device-this .ss-badge").all_inner_texts() == ["This device"]


def test_who_has_lost_the_key_signs_in_again(device, site):
    """The browser is a visitor then, and the login is bound to a new key as any other is."""
    person = device()
    page = person.sign_in_bound(next_="/account/devices/")
    handle = page.locator(".ss-device-this input[name=handle]").get_attribute("value")
    site.advance(minutes=2)
    site.answer({REFRESH: 400})
    person.lose_proof()
    assert ask(page)["user"] == ""
    site.forget()
    page = person.sign_in_bound()
    site.advance(minutes=11)
    person.lose_proof()
    assert ask(page)["user"] == "alice"
    page.goto(site.address + "/account/devices/")
    assert page.locator(f".ss-device input[value='{handle}']").count() == 0


def test_turning_it_off_and_on_signs_nobody_out(device, site):
    """The browser is told at its next refresh; from then on the session is not bound any more."""
    person = device()
    page = person.sign_in_bound()
    site.restart(binds=False)
    site.advance(minutes=11)
    person.lose_proof()
    assert [ask(page)["user"] for _ in range(3)] == ["alice"] * 3
    assert len(site.arrived(REFRESH)) == 1
    site.restart(binds=True)
    site.advance(minutes=11)
    assert [ask(page)["user"] for _ in range(3)] == ["alice"] * 3
    assert len(site.arrived(REFRESH)) == 1


def test_turning_it_on_binds_the_next_login(device, site):
    """Who is signed in already stays so, unbound."""
    site.restart(binds=False)
    person = device()
    page = person.sign_in()
    site.restart(binds=True)
    page.reload()
    assert is_signed_in(page)
    assert not person.has_proof()
    person.sign_in_bound()
    assert person.has_proof()
