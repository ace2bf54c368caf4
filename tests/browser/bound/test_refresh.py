"""The short cookie ends, and the browser proves that it has the key: nobody notices."""

import pytest

from tests.browser.bound.device import BOUND, REFRESH, SESSION, ask, is_signed_in

PROOF = "Secure-Session-Response"
TWELVE = """async () => {
  const ask = (n) => fetch('/echo/', {method: 'POST', body: `${n}`}).then((one) => one.json());
  return Promise.all([...Array(12).keys()].map(ask));
}"""


def refreshes(site):
    """Return the status of each refresh, and whether it came with a proof."""
    return [(one["status"], PROOF in one["headers"]) for one in site.arrived(REFRESH)]


def until_signed_in(person, page):
    """Ask again, as a user does: after four errors Chromium waits a while before it refreshes."""
    person.wait(page, lambda: page.reload() and is_signed_in(page))


def test_a_browser_that_was_not_told_before_asks_for_a_challenge(bound, site):
    """403 with one, then the proof; the request has waited meanwhile."""
    bound.lose_proof()
    assert ask(bound.page)["user"] == "alice"
    assert refreshes(site) == [(403, False), (200, True)]
    assert site.arrived("/echo/")[0]["cookies"].count(BOUND) == 1
    assert bound.results("refresh")[-1] == "Success"


def test_twelve_requests_at_once_are_one_refresh(bound, site):
    """All of them wait for it, and each keeps its body."""
    bound.lose_proof()
    answers = bound.page.evaluate(TWELVE)
    assert answers == [{"user": "alice", "body": f"{n}"} for n in range(12)]
    assert refreshes(site) == [(403, False), (200, True)]


def test_a_large_body_arrives_as_it_was(bound):
    """A file, say."""
    bound.lose_proof()
    body = "0123456789" * 20_000
    assert ask(bound.page, body) == {"user": "alice", "body": body}


def test_a_form_is_sent_whole(bound, site):
    """A form that was filled in before the end of the cookie, and sent after it."""
    bound.page.goto(site.address + "/")
    bound.page.fill("input[name=value]", "filled in before")
    site.advance(minutes=11)
    bound.lose_proof()
    bound.page.get_by_role("button", name="Set a value").click()
    bound.page.locator(".ss-message", has_text="Stored").wait_for()
    assert "filled in before" in bound.page.locator(".data").text_content()


def test_a_link_from_another_site_finds_its_user(bound, site):
    """Browsers do not refresh before it, so it is sent back once."""
    site.advance(minutes=11)
    bound.lose_proof()
    elsewhere = site.address.replace("app.test", "evil.test")
    bound.page.goto(f"{elsewhere}/link/?to={site.address}/cart/")
    bound.page.get_by_role("link", name="there").click()
    bound.page.get_by_role("heading", name="Cart").wait_for()
    assert is_signed_in(bound.page)
    assert refreshes(site) == [(403, False), (200, True)]
    assert len(site.arrived("/cart/")) == 2


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_in_trouble_signs_nobody_out(bound, site, status):
    """Requests of that moment are a visitor's; the next one that gets through is the user's."""
    site.answer({REFRESH: status})
    bound.lose_proof()
    assert ask(bound.page)["user"] == ""
    site.answer({})
    assert ask(bound.page)["user"] == "alice"
    assert SESSION in [cookie["name"] for cookie in bound.context.cookies()]


def test_what_a_visitor_writes_meanwhile_replaces_no_login(bound, site):
    """A form sent while refreshes fail: the cookie of the session is still the user's."""
    site.answer({REFRESH: 503})
    bound.lose_proof()
    bound.page.goto(site.address + "/")
    assert not is_signed_in(bound.page)
    bound.page.locator("form[action^='/cart/'] button").first.click()
    bound.page.locator(".ss-message", has_text="In the cart").wait_for()
    site.answer({})
    until_signed_in(bound, bound.page)


def test_a_browser_that_was_told_early_proves_at_once(bound, site):
    """Shortly before the end an ordinary answer brings the challenge along."""
    site.advance(minutes=7.5)  # The proof is two minutes old at most, and ends after ten.
    bound.page.reload()
    bound.lose_proof()
    assert ask(bound.page)["user"] == "alice"
    assert refreshes(site) == [(200, True)]


def test_a_restart_of_the_browser_keeps_session_and_key(profile, site):
    """Who wants to stay signed in does, though the short cookie has ended meanwhile."""
    person = profile()
    page = person.sign_in("alice", choice="keep")
    person.wait(page, lambda: person.results("creation") == ["Success"])
    again = profile()
    site.advance(minutes=11)
    again.lose_proof()
    page = again.open("/cart/")
    assert is_signed_in(page)
    assert refreshes(site) == [(403, False), (200, True)]
    assert again.errors == []
