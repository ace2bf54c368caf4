"""A binding begins with a login and ends with its session."""

from tests.browser.bound.device import BOUND, REFRESH, REGISTER, SESSION, ask, is_signed_in

# Among the sessions; the known devices are below.
THIS = "[aria-labelledby=ss-title] .ss-device-this"


def badges(page, site):
    """Return what the devices page says of this device."""
    page.goto(site.address + "/account/devices/")
    return page.locator(f"{THIS} .ss-badge").all_inner_texts()


def test_a_login_is_bound_and_a_guarded_page_opens(device, site):
    """The page may be asked for before that: then it comes back by itself."""
    person = device()
    page = person.sign_in(next_="/guarded/")
    page.get_by_role("heading", name="Guarded").wait_for()
    assert person.results("creation") == ["Success"]
    person.errors.clear()  # the 403 meanwhile
    assert person.has_proof()
    assert badges(page, site) == ["This device", "Bound to the device"]
    assert [one["status"] for one in site.arrived(REGISTER, REFRESH)] == [200]


def test_a_sign_out_ends_the_binding(bound, site):
    """The browser asks once more at most, and is told that it is over."""
    page = bound.page
    page.goto(site.address + "/")
    page.get_by_role("button", name="Sign out, alice").click()
    page.get_by_role("heading", name="You are signed out").wait_for()
    assert SESSION not in [cookie["name"] for cookie in bound.context.cookies()]
    for path in ("/", "/cart/", "/"):
        page.goto(site.address + path)
    assert not is_signed_in(page)
    assert len(site.arrived(REFRESH)) <= 1


def test_another_login_binds_another_key(device, site):
    """Also the same user's: the session before ends, and what the browser kept for that."""
    person = device()
    for name in ("alice", "alice", "bob"):
        page = person.sign_in_bound(name)
    keys = {
        event["creationEventDetails"]["newSession"]["key"]["id"]
        for event in person.events
        if "creationEventDetails" in event
    }
    assert len(keys) == len(site.arrived(REGISTER)) == 3
    site.advance(minutes=11)
    person.lose_proof()
    assert [ask(page)["user"] for _ in range(2)] == ["bob"] * 2


def test_who_has_lost_the_key_signs_in_again(bound, site):
    """The browser is a visitor then, and the login is bound to a new key as any other is."""
    bound.page.goto(site.address + "/account/devices/")
    handle = bound.page.locator(f"{THIS} input[name=handle]").get_attribute("value")
    site.answer({REFRESH: 400})
    bound.lose_proof()
    assert ask(bound.page)["user"] == ""
    site.forget()
    page = bound.sign_in_bound()
    site.advance(minutes=11)
    bound.lose_proof()
    assert ask(page)["user"] == "alice"
    page.goto(site.address + "/account/devices/")
    assert page.locator(f".ss-device input[value='{handle}']").count() == 0


def test_turning_it_off_and_on_signs_nobody_out(device, site):
    """What was bound is not from its next refresh on, nor who signs in then; the next login is."""
    person, other = device(), device()
    page = person.sign_in_bound()
    site.restart(binds=False)
    site.advance(minutes=11)
    person.lose_proof()
    assert [ask(page)["user"] for _ in range(3)] == ["alice"] * 3
    others = other.sign_in("bob")
    site.restart(binds=True)
    site.advance(minutes=11)
    assert [ask(page)["user"] for _ in range(3)] == ["alice"] * 3
    assert len(site.arrived(REFRESH)) == 1
    assert ask(others)["user"] == "bob"
    assert not person.has_proof()
    assert not other.has_proof()
    other.sign_in_bound("bob")
    assert other.has_proof()


def test_a_browser_without_the_feature_signs_in_as_ever(device, unable, site):
    """It is asked, does not know the header, and stays signed in; a copy of it is the login."""
    person = device(unable)
    page = person.sign_in(next_="/theft/")
    assert "has not answered" in page.content()
    page.get_by_role("button", name="Copy the cookies to another browser").click()
    page.get_by_text("What the other browser sees").wait_for()
    assert page.locator("tbody tr").all_inner_texts() == [f"{SESSION}\tsigned in as alice"]
    site.advance(minutes=20)
    page.goto(site.address + "/checkout/")
    assert page.url.endswith("/checkout/")
    assert site.arrived(REGISTER, REFRESH) == []
    assert BOUND not in [cookie["name"] for cookie in person.context.cookies()]
    assert badges(page, site) == ["This device"]
