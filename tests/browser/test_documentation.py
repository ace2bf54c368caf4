"""The documentation as a site, built as `make docs` builds it: its links, and what it loads."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
LOADING = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("a", "ping")}
# Words for a reader's search, and the page that has to be among the first three.
SEARCHES = {
    "database is locked": "troubleshooting",
    "SESSIONSTORE_IDLE_TIMEOUT": "settings",
    "transact": "reference/session",
    "revokesessions": "reference/commands",
}


class Page(HTMLParser):
    """What a page links to and loads, and the places in it that a link may name."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.places: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses and the id of an element."""
        for name, value in attrs:
            if name == "id" and value:
                self.places.add(value)
            if (tag, name) == ("a", "href") and value:
                self.links.add(value)
            if (tag, name) in LOADING and value:
                self.loads.add(value)


def recipe() -> list[str]:
    """Return the arguments of Sphinx in the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    [line] = re.findall(r"^docs:.*\n\t\$\(BIN\)/python (.+)$", makefile, re.MULTILINE)
    return shlex.split(line)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, in a folder of its own; a warning of Sphinx ends the build."""
    folder = tmp_path_factory.mktemp("docs")
    places = {".cache/docs": str(folder / "site"), ".cache/doctrees": str(folder / "trees")}
    words = [places.get(word, word) for word in recipe()]
    ran = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return folder / "site"


@pytest.fixture(scope="module")
def read(built: Path) -> dict[Path, Page]:
    """Every page of it."""
    return {path: Page(path) for path in built.rglob("*.html")}


def test_every_link_leads_to_a_page_and_a_place_in_it(read: dict[Path, Page]) -> None:
    """Also those that Sphinx has written itself."""
    assert len(read) > 40
    lost = []
    for path, page in read.items():
        for link in page.links | page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            is_there = target in read and (not place or place in read[target].places)
            if not is_there and (place or not target.is_file()):
                lost.append(f"{path.name}: {link}")
    assert lost == []


def test_nothing_is_loaded_from_elsewhere(built: Path, read: dict[Path, Page]) -> None:
    """Neither a font nor a script: the site is read on a train."""
    loaded = {link for page in read.values() for link in page.loads}
    assert [link for link in loaded if urlsplit(link).netloc] == []
    assert {scheme for link in loaded if (scheme := urlsplit(link).scheme)} <= {"data"}
    for sheet in built.rglob("*.css"):
        for target in re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')]+)", sheet.read_text()):
            assert not target.startswith(("http:", "https:", "//")), f"{sheet.name}: {target}"


@pytest.fixture(scope="module")
def served(built: Path) -> Iterator[str]:
    """The site by HTTP."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(built))
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("by", ["file", "http"])
def test_a_search_finds_the_page(by: str, built: Path, served: str, chromium: Browser) -> None:
    """Without a server too, and without a word on the console."""
    start = served if by == "http" else built.as_uri()
    context = chromium.new_context(viewport={"width": 360, "height": 740})
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    for words, wanted in SEARCHES.items():
        page.goto(f"{start}/search.html?q={words.replace(' ', '+')}")
        page.wait_for_function("document.querySelector('.search-summary')?.innerText")
        found = page.eval_on_selector_all(
            "#search-results .search li > a", "links => links.slice(0, 3).map(link => link.href)"
        )
        assert any(f"/{wanted}.html" in link for link in found), (words, found)
    context.close()
    assert (said, [url for url in asked if not url.startswith((start, "data:"))]) == ([], [])
