"""A session that is bound to a device: who has it, who has not, and what others may do to it."""

import pytest

from sessionstore.models import Session
from tests.binding.client import Browser


@pytest.mark.parametrize("again", [1, 3])
def test_a_login_binds_the_session_and_its_browser_goes_on(engine, browser, clock, again):
    """By a proof in each ten minutes."""
    for _ in range(again):
        assert browser.reads() == "ann"
        clock.advance(minutes=11)
    assert browser.reads() == "ann"
    assert browser.ends == []
    assert browser.log.count(("refresh", 403)) == browser.log.count(("refresh", 200)) == again


def test_a_stolen_session_cookie_alone_opens_nothing(engine, browser):
    """Not even once; and the victim goes on."""
    thief = browser.copied("sessionid")
    assert (thief.reads(), browser.reads()) == ("", "ann")


def test_both_cookies_open_the_session_until_the_bound_one_ends(engine, browser, clock):
    """The thief has no key, so that is all."""
    thief = browser.copied()
    assert thief.reads() == "ann"
    clock.advance(minutes=11)
    assert (thief.reads(), browser.reads()) == ("", "ann")


def test_a_browser_without_the_feature_signs_in_as_ever(engine, user, clock, database):
    """It does not answer to the offer, and nothing is bound."""
    browser = Browser(clock, can_bind=False)
    browser.sign_in(user)
    clock.advance(minutes=11)
    assert browser.reads() == "ann"
    assert Session.objects.using(database).get().bound_at is None
