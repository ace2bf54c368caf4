"""`make demo-express`, clicked through: every link and every button of both halves."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from demo_site.accounts import PASSWORD
from tests.browser.conftest import PATIENCE_MS
from tests.browser.looking import TOO_WIDE, look_at
from tests.express.demo import running_demo

LINKS = "links => links.map(link => link.href.split('#')[0])"


@pytest.fixture(scope="module")
def halves(tmp_path_factory) -> Iterator[list[str]]:
    """The addresses of the Django half and of the Express half."""
    with running_demo(tmp_path_factory.mktemp("demo") / "database") as addresses:
        yield addresses


@pytest.fixture
def page(chromium, halves) -> Iterator[Page]:
    """A page of a visitor; whatever the console or the network complains of fails the test."""
    context = chromium.new_context(locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    page, errors = context.new_page(), []
    # Django's admin names no icon, so Chromium looks for one.
    page.on(
        "response",
        lambda answer: (
            answer.status < 400
            or answer.url.endswith("favicon.ico")
            or errors.append(f"{answer.status} {answer.url}")
        ),
    )
    page.on(
        "console",
        lambda said: (
            said.type not in {"error", "warning"}
            or said.location["url"].endswith("favicon.ico")
            or errors.append(f"{page.url}: {said.text}")
        ),
    )
    page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
    yield page
    context.close()
    assert errors == []


def sign_in(page: Page, half: str) -> None:
    """Sign in by the form of one half."""
    page.goto(half)
    page.click("nav a:has-text('Sign in')")
    page.fill("[name=username]", "alice")
    page.fill("[name=password]", PASSWORD)
    page.click("main button:has-text('Sign in')")
    page.wait_for_selector("text=Sign out, alice")


def links_from(page: Page, halves: list[str]) -> Iterator[str]:
    """Open each page that a link leads to, from both halves on; yield its address.

    The admin is opened, and its own links are not followed: they are Django's.
    """
    seen, found = set(), [f"{half}/" for half in halves]
    while found:
        address = found.pop(0)
        if address in seen:
            continue
        seen.add(address)
        page.goto(address)
        yield address
        if "/admin/" not in address:
            leads = page.eval_on_selector_all("a[href]", LINKS)
            found += [link for link in leads if link.startswith(tuple(halves))]


@pytest.mark.parametrize("signed_in", [None, "django", "express"])
def test_every_link_leads_to_a_page_that_fits(page, halves, axe, signed_in):
    """No error, nothing to scroll sideways at three widths, nothing that axe-core minds."""
    django, express = halves
    page.goto(express)
    page.click("button[name=more] >> nth=0")
    if signed_in:
        sign_in(page, django if signed_in == "django" else express)
    opened = []
    for address in links_from(page, halves):
        half, _, path = address.removeprefix("http://").partition("/")
        name = f"{'express' if half in express else 'django'}-{re.sub(r'[^a-z]+', '-', path)}"
        opened.append(name)
        look_at(page, axe, f"shared-{name}-{signed_in}")
    assert {"django-", "express-", "django-cart-", "django-verbs-"} <= set(opened)
    assert ("django-account-devices-" in opened) == bool(signed_in)


def test_every_button_of_a_visitor_works(page, halves):
    """Each on its page: carts of both halves, each verb, each language."""
    django, express = halves
    for address in (f"{django}/", f"{django}/cart/", f"{django}/verbs/", f"{express}/"):
        number, count = 0, 1
        while number < count:
            page.context.clear_cookies()
            # Optimization: as the button in Express does, without the page that it is on.
            add = {"form": {"more": ""}, "headers": {"Origin": express}}
            assert page.request.post(f"{express}/cart/oat", **add).ok
            page.goto(address)
            buttons = page.locator("form button")
            count = buttons.count()
            buttons.nth(number).click()
            page.wait_for_load_state()
            assert page.evaluate(TOO_WIDE) <= 0
            number += 1
        assert count >= 4


def test_an_order_and_a_sign_out_of_either_half(page, halves):
    """A login on one half is one on the other, and so is the end of it."""
    for half, other in (halves, reversed(halves)):
        page.goto(halves[1])
        page.click("button[name=more] >> nth=2")
        sign_in(page, half)
        page.goto(f"{halves[0]}/checkout/")
        page.click("main form button")
        page.goto(other)
        page.click("text=Sign out, alice")
        page.goto(half)
        page.wait_for_selector("text=Sign in")
