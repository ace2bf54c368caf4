"""A real Chromium, a server of the demo site, and visitors with windows of their own."""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from demo_site.accounts import PASSWORD
from tests.harness.missing import give_up
from tests.harness.process import Launched, ServerEndedError, free_port, launch

ROOT = Path(__file__).parents[2]
NODE_MODULES = ROOT / ".cache" / "npm"
AXE_VERSION = "4.10.3"
BOOTSTRAP_VERSION = "5.3.8"
# A machine that does other things at the same time is slow, which is no fault of a page.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what drives Chromium."""
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


@dataclass(slots=True)
class Site:
    """The demo site, in a process of its own with a database file of its own."""

    folder: Path
    port: int = field(default_factory=free_port)
    certificate: Path | None = None
    binds: bool = True
    server: Launched | None = None
    ahead: float = 0

    @property
    def address(self) -> str:
        """Where it is."""
        return (
            f"https://app.test:{self.port}" if self.certificate else f"http://127.0.0.1:{self.port}"
        )

    def start(self) -> None:
        """Start the server, unless it runs."""
        if self.server is not None and self.server.ending() is None:
            return
        self.advance(minutes=0)
        words = ["env", f"DEMO_DATABASE={self.folder / 'demo.sqlite3'}", "DEBUG=1"]
        words += [f"DEMO_CERTIFICATE={self.certificate}"] if self.certificate else []
        words += [] if self.binds else ["SESSIONSTORE_TEST_BINDS=no"]
        words += [f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.browser.serve"]
        words += [str(self.port), str(self.folder)]
        words += [str(self.certificate)] if self.certificate else []
        self.server = launch("demo", words, log=self.folder / "log")
        self.server.wait_for_port(self.port)

    def advance(self, *, minutes: float) -> None:
        """Let the server's clock go on; it takes effect with its next request."""
        self.ahead += minutes * 60
        (self.folder / "clock").write_text(str(self.ahead))

    def restart(self, *, binds: bool) -> None:
        """Start the server anew, with the feature or without."""
        if self.binds != binds:
            self.binds = binds
            self.server and self.server.stop()
            self.start()

    def arrived(self, *paths: str) -> list[dict[str, Any]]:
        """Return what has arrived at these paths, or at any, and what was answered."""
        file = self.folder / "requests"
        seen = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [one for one in seen if not paths or one["path"] in paths]

    def answer(self, faults: dict[str, int]) -> None:
        """Let the server answer these paths by a status, without looking."""
        (self.folder / "faults").write_text(json.dumps(faults))

    def forget(self) -> None:
        """Begin anew: no faults, nothing has arrived."""
        self.answer({})
        (self.folder / "requests").unlink(missing_ok=True)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Start the server where it has ended, and raise ServerEndedError if it ends meanwhile."""
        self.start()
        yield
        if self.server and (ending := self.server.ending()):
            raise ServerEndedError(ending)


@pytest.fixture(scope="module")
def kept_site(tmp_path_factory) -> Iterator[Site]:
    """A server for the tests of a module."""
    kept = Site(tmp_path_factory.mktemp("site"))
    yield kept
    if kept.server:
        kept.server.stop()


@pytest.fixture
def site(kept_site: Site) -> Iterator[Site]:
    """The running server; one that ends fails the test that it ended in, and no other."""
    with kept_site.watched():
        yield kept_site


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """What drives browsers; one per module: its loop must not run while other tests want one."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Debian's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        give_up("chromium is not installed: apt-get install chromium")
    return path


@pytest.fixture(scope="module")
def chromium(playwright, chromium_path) -> Iterator[Browser]:
    """Chromium without a window, with an empty profile."""
    browser = playwright.chromium.launch(executable_path=chromium_path, args=list(FLAGS))
    yield browser
    browser.close()


@dataclass
class Visitor:
    """Somebody with a browser profile of their own, who may open several tabs."""

    site: Site
    context: BrowserContext
    errors: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Page:
        """Open a tab."""
        return self.watch(self.context.new_page(), path)

    def watch(self, page: Page, path: str) -> Page:
        """Note the errors of a tab, and go there."""
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(self.site.address + path)
        return page

    def _note(self, message: Any) -> None:
        address = message.location["url"]
        # The script asks whether somebody is still signed in, and 401 is the answer "no". Django's
        # admin names no icon, so Chromium looks for one.
        is_answer = address.endswith("/status/") and "401" in message.text
        if message.type in {"error", "warning"} and not is_answer and "favicon" not in address:
            self.errors.append(f"{address}: {message.text}")

    def sign_in(self, name: str = "alice", *, choice: str | None = None, next_: str = "/") -> Page:
        """Sign in by the form, with one of its choices ticked."""
        page = self.open(f"/account/login/?next={next_}")
        page.fill("#id_username", name)
        page.fill("#id_password", PASSWORD)
        if choice:
            page.check(f"#id_{choice}")
        page.click("form:has(#id_password) button[type=submit]")
        page.wait_for_url(self.site.address + next_)
        return page

    def cookie(self) -> dict[str, Any] | None:
        """The session cookie that the browser holds."""
        found = [cookie for cookie in self.context.cookies() if cookie["name"] == "sessionid"]
        return found[0] if found else None


@contextlib.contextmanager
def without_errors() -> Iterator[list[Any]]:
    """Hold visitors; at the end of the test none of them may have seen an error."""
    made: list[Any] = []
    yield made
    errors = [error for one in made for error in one.errors]
    for one in made:
        one.context.close()
    assert errors == []


@pytest.fixture
def visitor(chromium, site) -> Iterator[Any]:
    """Makes visitors."""

    def make(**options: Any) -> Visitor:
        options.setdefault("locale", "en-GB")
        context = chromium.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        made.append(Visitor(site, context))
        return made[-1]

    with without_errors() as made:
        yield make


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    return brought_by_npm("axe-core", AXE_VERSION, "axe.min.js")


@pytest.fixture(scope="session")
def bootstrap() -> str:
    """Bootstrap's own stylesheet."""
    return brought_by_npm("bootstrap", BOOTSTRAP_VERSION, "dist/css/bootstrap.min.css")


def brought_by_npm(package: str, version: str, name: str) -> str:
    """Return a file of a package, which npm brings into a folder that git ignores."""
    folder = NODE_MODULES / "node_modules" / package
    held = json.loads((folder / "package.json").read_text()) if folder.exists() else {}
    if held.get("version") != version:
        npm = shutil.which("npm")
        if npm is None:
            give_up("npm is not installed: apt-get install npm")
        words = [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix"]
        NODE_MODULES.mkdir(parents=True, exist_ok=True)
        words += [NODE_MODULES, f"{package}@{version}"]
        done = subprocess.run(words, capture_output=True, check=False)
        if done.returncode or not (folder / name).exists():
            give_up(f"npm could not bring {package}: {done.stderr.decode()[-200:]}")
    return (folder / name).read_text()
