"""A browser that can bind a session to its device, and what it tells about that."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page

from tests.browser.conftest import FLAGS, PATIENCE_MS, Visitor

SESSION = "__Host-sessionid"
BOUND = "__Host-sessionid_device"
REGISTER = "/account/device/register/"
REFRESH = "/account/device/refresh/"
_MOST_SIGNATURES = 6
# On Linux there is no hardware that Chromium would keep the key in.
FEATURES = "DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting"


def flags(public_key_hash: str, *, able: bool = True) -> list[str]:
    """Return what Chromium is started with: two made-up hosts, our certificate, the features."""
    return [
        *FLAGS,
        f"--enable-features={FEATURES}" if able else "--disable-features=DeviceBoundSessions",
        "--host-resolver-rules=MAP app.test 127.0.0.1, MAP evil.test 127.0.0.1",
        f"--ignore-certificate-errors-spki-list={public_key_hash}",
    ]


@dataclass
class Device(Visitor):
    """A visitor whose browser tells what it does about bound sessions.

    Chromium signs so many times in nine minutes for a site, each registration included, and then
    no more. So a test asks for at most five proofs after its login; each context counts for itself.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    # How far the server's clock was ahead when it was last seen to have a proof.
    proved_at: float = 0

    @property
    def page(self) -> Page:
        """Its first tab."""
        return self.context.pages[0]

    def open(self, path: str = "/") -> Page:
        """Open a tab, and listen to what the browser tells."""
        page = self.context.new_page()
        cdp = self.context.new_cdp_session(page)
        cdp.on("Network.deviceBoundSessionEventOccurred", self._hear)
        cdp.send("Network.enable")
        cdp.send("Network.enableDeviceBoundSessions", {"enable": True})
        return self.watch(page, path)

    def sign_in_bound(self, name: str = "alice", *, next_: str = "/") -> Page:
        """Sign in, and return when the browser is bound and nothing of that is under way."""
        before = len(self.results("creation"))
        page = self.sign_in(name, next_=next_)
        self.wait(page, lambda: len(self.results("creation")) > before)
        assert self.results("creation")[-1] == "Success"
        page.wait_for_load_state("networkidle")
        return page

    def lose_proof(self) -> None:
        """Take the short cookie away, as its end does: the next request waits for a new one."""
        self.context.clear_cookies(name=BOUND)

    def has_proof(self) -> bool:
        """Tell whether the browser holds the short cookie."""
        return BOUND in [cookie["name"] for cookie in self.context.cookies()]

    def is_usable(self) -> bool:
        """Tell whether alice is signed in, with a proof of now, and two more to give."""
        if not self.page.url.startswith(self.site.address):
            return False
        if self.proved_at != self.site.ahead:
            self.lose_proof()
            self.proved_at = self.site.ahead
        is_in = ask(self.page)["user"] == "alice"
        signatures = [*self.results("creation"), *self.results("refresh")].count("Success")
        return is_in and signatures <= _MOST_SIGNATURES - 2

    def results(self, kind: str) -> list[str]:
        """Return how each registration ("creation") or "refresh" went, in the browser's words."""
        found = [event.get(f"{kind}EventDetails") for event in self.events]
        # A refresh that Chromium has put off is told, and was no fetch.
        return [details.get("fetchResult", "NoFetch") for details in found if details]

    def wait(self, page: Page, is_so: Callable[[], bool]) -> None:
        """Return when something has come about."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not is_so():
            assert time.monotonic() < deadline, self.events
            page.wait_for_timeout(20)

    def _hear(self, event: dict[str, Any]) -> None:
        # Each tab tells it.
        if event["eventId"] not in [known["eventId"] for known in self.events]:
            self.events.append(event)


def ask(page: Page, body: str = "") -> dict[str, str]:
    """Send a POST from the page; return who the server thinks it is, and what has arrived."""
    script = "async body => (await fetch('/echo/', {method: 'POST', body})).json()"
    return page.evaluate(script, body)


def is_signed_in(page: Page) -> bool:
    """Tell what the page shows."""
    return bool(re.search("Sign out, (alice|bob)", page.content()))
