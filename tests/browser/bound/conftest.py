"""The demo site over HTTPS, and browsers that can bind sessions there.

A login takes a browser as long as ten refreshes, and starting one is longer still. So the package
has one server and one browser, and tests that a login is not about share a device.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from demo_site import https
from tests.browser.bound.device import Device, flags
from tests.browser.conftest import PATIENCE_MS, Site, without_errors


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """What drives browsers."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def certificate(tmp_path_factory) -> Path:
    """A key and its certificate for the two made-up hosts."""
    path = tmp_path_factory.mktemp("certificate") / "site.pem"
    return https.certificate(path, names=("app.test", "evil.test"))


@pytest.fixture(scope="package")
def kept_site(tmp_path_factory, certificate) -> Iterator[Site]:
    """A server over HTTPS."""
    kept = Site(tmp_path_factory.mktemp("site"), certificate=certificate)
    yield kept
    if kept.server:
        kept.server.stop()


@pytest.fixture(autouse=True)
def fresh(site) -> None:
    """Forget what earlier tests have left."""
    site.restart(binds=True)
    site.forget()


@pytest.fixture(scope="package")
def chromium(playwright, chromium_path, certificate) -> Iterator[Browser]:
    """Chromium without a window, which can bind sessions."""
    words = flags(https.public_key_hash(certificate))
    browser = playwright.chromium.launch(executable_path=chromium_path, args=words)
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def unable(playwright, chromium_path, certificate) -> Iterator[Browser]:
    """Chromium without the feature."""
    words = flags(https.public_key_hash(certificate), able=False)
    browser = playwright.chromium.launch(executable_path=chromium_path, args=words)
    yield browser
    browser.close()


@pytest.fixture
def device(chromium, site) -> Iterator[Callable[..., Device]]:
    """Makes devices; at the end of the test none of them may have seen an error."""

    def make(browser: Browser = chromium, **options: Any) -> Device:
        options.setdefault("locale", "en-GB")
        return keep(browser.new_context(**options))

    def keep(context: BrowserContext) -> Device:
        context.set_default_timeout(PATIENCE_MS)
        made.append(Device(site, context))
        return made[-1]

    with without_errors() as made:
        yield make


@pytest.fixture(scope="package")
def shared(chromium) -> Iterator[list[Device]]:
    """The devices that ``bound`` has lent; the last one is in use."""
    lent: list[Device] = []
    yield lent
    for one in lent:
        one.context.close()


@pytest.fixture
def bound(chromium, shared, site) -> Iterator[Device]:
    """A device that alice was bound to a while ago, with a proof of now; it has two more to give.

    Tests share it: whatever one leaves behind, the next one gets it like this, or another one.
    """
    if not shared or not shared[-1].is_usable():
        context = chromium.new_context(locale="en-GB")
        context.set_default_timeout(PATIENCE_MS)
        shared.append(Device(site, context))
        shared[-1].sign_in_bound()
        site.advance(minutes=2)  # So long requests may be under way that need no proof.
        shared[-1].proved_at = site.ahead
    site.forget()
    yield shared[-1]
    errors, shared[-1].errors = shared[-1].errors, []
    assert errors == []


@pytest.fixture
def profile(playwright, chromium_path, certificate, site, tmp_path) -> Iterator[Any]:
    """Starts a browser on a profile that is on the disk; the next start ends the one before."""
    running: list[BrowserContext] = []

    def start() -> Device:
        while running:
            running.pop().close()
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=chromium_path,
            args=flags(https.public_key_hash(certificate)),
            locale="en-GB",
        )
        context.set_default_timeout(PATIENCE_MS)
        running.append(context)
        return Device(site, context)

    yield start
    while running:
        running.pop().close()
