"""The demo site over HTTPS, and browsers that can bind sessions there."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from demo_site import https
from tests.browser.bound.device import Device, flags
from tests.browser.conftest import PATIENCE_MS, Site


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A key and its certificate for the two made-up hosts."""
    path = tmp_path_factory.mktemp("certificate") / "site.pem"
    return https.certificate(path, names=("app.test", "evil.test"))


@pytest.fixture(scope="module")
def kept_site(tmp_path_factory, certificate) -> Iterator[Site]:
    """A server for the tests of a module, over HTTPS."""
    kept = Site(tmp_path_factory.mktemp("site"), certificate=certificate)
    yield kept
    if kept.server:
        kept.server.stop()


@pytest.fixture(autouse=True)
def fresh(site) -> None:
    """Forget what earlier tests have left."""
    site.restart(binds=True)
    site.forget()


@pytest.fixture(scope="module")
def chromium(playwright, chromium_path, certificate) -> Iterator[Browser]:
    """Chromium without a window, which can bind sessions."""
    words = flags(https.public_key_hash(certificate))
    browser = playwright.chromium.launch(executable_path=chromium_path, args=words)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def unable(playwright, chromium_path, certificate) -> Iterator[Browser]:
    """Chromium without the feature."""
    words = flags(https.public_key_hash(certificate), able=False)
    browser = playwright.chromium.launch(executable_path=chromium_path, args=words)
    yield browser
    browser.close()


@pytest.fixture
def device(chromium, site) -> Iterator[Callable[..., Device]]:
    """Makes devices; at the end of the test none of them may have seen an error."""
    made: list[Device] = []

    def make(browser: Browser = chromium, **options: Any) -> Device:
        options.setdefault("locale", "en-GB")
        return keep(browser.new_context(**options))

    def keep(context: BrowserContext) -> Device:
        context.set_default_timeout(PATIENCE_MS)
        made.append(Device(site, context))
        return made[-1]

    yield make
    errors = [error for one in made for error in one.errors]
    for one in made:
        one.context.close()
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
