"""What people do with several browsers, tabs, and no mouse."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looking import judge

DIALOG = "#ss-idle"


def test_one_browser_ends_the_session_of_the_other(visitor):
    """The next page that the other opens asks to sign in (ASVS 7.5.2, 8.3.2)."""
    here, there = visitor(), visitor()
    other = there.sign_in("bob")
    page = here.sign_in("bob", next_="/account/devices/")
    expect(page.get_by_text("This device").first).to_be_visible()
    page.locator("form[action$='/revoke/'] button").last.click()
    expect(page.locator(".ss-message")).to_contain_text("Signed out of Chrome on")
    other.goto(there.site.address + "/checkout/")
    assert "/account/login/" in other.url
    page.goto(here.site.address + "/checkout/")
    assert page.url.endswith("/checkout/")


def test_a_second_factor_opens_what_a_password_does_not(visitor):
    """Asked for the code, back on the page, and the devices page says how one has signed in."""
    person = visitor()
    page = person.sign_in("bob")
    page.goto(person.site.address + "/strong/")
    assert page.url.endswith("/code/?next=/strong/")
    page.get_by_label("Code").fill("123456")
    page.get_by_role("button").click()
    expect(page.get_by_role("heading")).to_have_text("Strong")
    page.goto(person.site.address + "/account/devices/")
    expect(page.get_by_text("Password and code")).to_be_visible()


def test_all_others_are_ended_by_one_button(visitor):
    """And this one stays."""
    browsers = [visitor() for _ in range(3)]
    pages = [browser.sign_in("bob") for browser in browsers]
    pages[0].goto(browsers[0].site.address + "/account/devices/")
    pages[0].locator(
        "form[action$='/revoke-others/'] button, form[action*='others'] button"
    ).click()
    expect(pages[0].locator(".ss-message")).to_be_visible()
    for page in pages:
        page.goto(browsers[0].site.address + "/checkout/")
    assert ["/login/" in page.url for page in pages] == [False, True, True]


def test_on_a_shared_computer_nothing_is_left(visitor):
    """A cookie that ends with the browser, a short idle time, nothing cached."""
    person = visitor()
    page = person.sign_in("alice", choice="shared", next_="/account/devices/")
    assert person.cookie()["expires"] == -1
    answer = page.reload()
    assert "no-store" in answer.headers["cache-control"]
    person.site.advance(minutes=16)
    page.goto(person.site.address + "/checkout/")
    assert "/account/login/" in page.url


def test_who_wants_to_stay_has_a_cookie_that_stays(visitor):
    """And whoever does not choose has one until the browser closes."""
    kept, plain = visitor(), visitor()
    kept.sign_in("alice", choice="keep")
    plain.sign_in("alice")
    assert kept.cookie()["expires"] > 0
    assert plain.cookie()["expires"] == -1
    assert (kept.cookie()["httpOnly"], kept.cookie()["sameSite"]) == (True, "Lax")


def with_a_clock(page: Page) -> Page:
    """Let the test move the timers of the page."""
    page.clock.install()
    page.reload()
    return page


def test_a_warning_comes_before_the_idle_end_and_can_be_answered(visitor):
    """It counts down, and one press makes the time long again (WCAG 2.2.1)."""
    person = visitor()
    page = with_a_clock(person.sign_in("alice"))
    page.wait_for_load_state("networkidle")
    person.site.advance(minutes=29.02)
    page.clock.fast_forward("29:12")
    dialog = page.locator(DIALOG)
    expect(dialog).to_be_visible()
    expect(dialog.locator("[data-ss-left]")).to_have_text(re.compile(r"0:[0-5]\d"))
    page.get_by_role("button", name="Stay signed in").click()
    expect(dialog).to_be_hidden()
    person.site.advance(minutes=25)
    page.goto(person.site.address + "/checkout/")
    assert page.url.endswith("/checkout/")


def test_nobody_who_answers_is_signed_out_visibly(visitor):
    """The page that may show what is private goes away."""
    person = visitor()
    page = with_a_clock(person.sign_in("alice"))
    page.wait_for_load_state("networkidle")
    person.site.advance(minutes=31)
    page.clock.fast_forward("31:00")
    page.wait_for_url("**/account/logout/?next=*")
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()


def test_a_logout_in_one_tab_is_seen_in_the_other(visitor):
    """Without a reload."""
    person = visitor()
    first = person.sign_in("alice")
    second = person.open("/cart/")
    second.wait_for_load_state("networkidle")
    first.get_by_role("button", name="Sign out, alice").click()
    expect(first.get_by_role("heading", name="You are signed out")).to_be_visible()
    second.wait_for_url("**/account/logout/?next=*")
    expect(second.get_by_role("heading", name="You are signed out")).to_be_visible()
    assert person.cookie() is None


def test_everything_works_with_the_keyboard_alone(visitor):
    """Sign in, go to the devices, sign out, without a mouse (WCAG 2.1.1, 2.4.1, 2.4.7)."""
    person = visitor()
    page = person.open("/account/login/?next=/account/devices/")
    press_until(page, "#id_username")
    page.keyboard.type("alice")
    press_until(page, "#id_password")
    page.keyboard.type("cookie-jar")
    page.keyboard.press("Enter")
    page.wait_for_url(person.site.address + "/account/devices/")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").strip() == "Skip to the content"
    press_until(page, "[data-ss-logout] button")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()


def press_until(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(40):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not reach {selector}")


def test_the_admin_ends_a_session(visitor, axe):
    """Choose a row, choose the action, go, say yes: on a screen of 1,024 pixels."""
    there, desk = visitor(), visitor(viewport={"width": 1024, "height": 768})
    other = there.sign_in("bob")
    page = desk.sign_in("alice", next_="/admin/sessionstore/session/?q=bob")
    fits(page, axe)
    page.locator("#action-toggle").check()
    page.select_option("select[name=action]", "end_selected")
    page.get_by_role("button", name="Go", exact=True).or_(
        page.get_by_role("button", name="Run", exact=True)
    ).first.click()
    page.get_by_label("Why").fill("lost laptop")
    fits(page, axe)
    page.get_by_role("button", name="End sessions").click()
    expect(page.locator(".messagelist")).to_contain_text("ended")
    other.goto(there.site.address + "/checkout/")
    assert "/account/login/" in other.url


def fits(page: Page, axe: str) -> None:
    """Nothing needs scrolling sideways, neither page nor list, and axe-core finds no fault."""
    wide = "[...document.querySelectorAll('html, .results')].map(e => e.scrollWidth-e.clientWidth)"
    assert max(page.evaluate(wide)) <= 0
    judge(page, axe)
