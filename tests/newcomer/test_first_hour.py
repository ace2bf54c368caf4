"""The demos as make starts them; and projects by the guides, in which somebody signs in."""

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from demo_site.accounts import PASSWORD as DEMO_PASSWORD
from demo_site.https import certificate
from tests.browser.conftest import PATIENCE_MS, ROOT
from tests.browser.test_newcomer import (
    NAME,
    PASSWORD,
    Project,
    blocks,
    cookie,
    sign_in,
    start,
    watched,
)
from tests.docs.pages import DOCS, files
from tests.docs.pages import blocks as blocks_of
from tests.harness.cluster import program
from tests.harness.process import free_port, launch

# So that the proxy's own address differs from the visitor's, which is 127.0.0.1.
PROXY = "127.0.0.2"
SITE_FRAME = """<!doctype html><html lang="en"><head><title>{% block title %}{% endblock %}</title>
{% block head %}{% endblock %}</head><body><h1>The frame of the shop</h1>
{% block body %}{% endblock %}</body></html>"""


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser without a past, which takes any certificate."""
    made = chromium.new_context(locale="en-GB", ignore_https_errors=True)
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


@pytest.mark.parametrize("target", ["demo", "demo-express"])
def test_a_login_on_one_server_of_a_demo_is_one_on_the_other(target, tmp_path, context):
    """`make` starts it; Ctrl-C ends it, and leaves nothing behind."""
    port = free_port(and_next=1)
    demo = launch(
        target,
        ["env", "--unset=DJANGO_SETTINGS_MODULE", "make", target, f"PORT={port}"],
        log=tmp_path / "log",
        folder=ROOT,
        # The socket of MariaDB is there, and its path may have 107 characters.
        environment={"TMPDIR": tempfile.gettempdir()},
    )
    try:
        demo.wait_for_line("Ctrl-C", seconds=300)
        first, second = re.findall(r"http://\S+", demo.log.read_text())
        page, missing = watched(context)
        page.goto(first)
        page.click("nav a:has-text('Sign in')")
        page.fill("[name=username]", "alice")
        page.fill("[name=password]", DEMO_PASSWORD)
        page.click("main button:has-text('Sign in')")
        for address in (first, second):
            page.goto(address)
            page.wait_for_selector("text=Sign out, alice")
        assert missing == []
    finally:
        sys.stdout.write(demo.log_tail())
        demo.stop()
    assert demo.ending(seconds=30)


def by_the_quickstart(begun: list[Project], folder: Path, more: str = "") -> Project:
    """Return a project with the lines of the quickstart, those of a guide, a table and a user."""
    project = start(begun, folder)
    for block in blocks("diff"):
        project.change(block)
    return filled(project, more)


def filled(project: Project, more: str) -> Project:
    """Add settings; make the tables, and the user."""
    project.add(f"\n{more}")
    project.manage("migrate", "--verbosity=0")
    project.manage("createsuperuser", "--no-input")
    return project


def open_devices(page: Page, address: str) -> str:
    """Sign in on the way to the devices, and return what stands there."""
    page.goto(f"{address}/account/devices/")
    sign_in(page)
    page.wait_for_url(f"{address}/account/devices/")
    return page.inner_text("body")


def test_pages_stand_in_a_frame_of_ones_own(begun, tmp_path, context):
    """By docs/pages.md: the site's heading, our stylesheet, and the title of the page."""
    project = by_the_quickstart(
        begun, tmp_path, 'TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]\n'
    )
    templates = project.folder / "templates"
    (templates / "sessionstore").mkdir(parents=True)
    (templates / "base.html").write_text(SITE_FRAME)
    shown = next(one for one in blocks_of(DOCS / "pages.md", "html+django") if "base.html" in one)
    (templates / "sessionstore" / "base.html").write_text(shown)
    page, missing = watched(context)
    open_devices(page, project.serve())
    assert page.text_content("h1") == "The frame of the shop"
    assert page.title() == "Your devices"
    radius = "(one) => getComputedStyle(one).borderTopLeftRadius"
    assert page.locator(".ss-card").first.evaluate(radius) != "0px"
    assert missing == []


def test_allauth_signs_in_and_our_page_lists_it(begun, tmp_path, context):
    """By docs/guides/allauth.md; its own login page is the one that asks."""
    shown = files(DOCS / "guides" / "allauth.md")
    project = start(begun, tmp_path)
    (project.folder / "shop" / "urls.py").write_text(shown["urls.py"])
    filled(project, shown["settings.py"])
    page, missing = watched(context)
    address = project.serve()
    page.goto(f"{address}/account/devices/")
    assert page.url.startswith(f"{address}/accounts/login/")
    page.fill("#id_login", NAME)
    page.fill("#id_password", PASSWORD)
    page.click("form:has(#id_password) [type=submit]")
    page.wait_for_url(f"{address}/account/devices/")
    assert page.locator(".ss-device-this").count() == 1
    assert re.fullmatch("[0-9a-v]{40}", cookie(context))
    assert missing == []


def test_haproxy_ends_the_encryption_and_tells_the_address(begun, tmp_path, context):
    """By docs/guides/proxy.md: a cookie for this host alone, and the visitor's address."""
    guide = DOCS / "guides" / "proxy.md"
    project = by_the_quickstart(begun, tmp_path, files(guide)["settings.py"])
    address = project.serve()
    [config] = blocks_of(guide, "text")
    port = free_port()
    changes = {
        "bind :443": f"bind 127.0.0.1:{port}",
        "/etc/haproxy/shop.pem": str(certificate(tmp_path / "shop.pem")),
        "127.0.0.1:8000": f"{address.removeprefix('http://')} source {PROXY}",
    }
    for old, new in changes.items():
        assert config.count(old) == 1
        config = config.replace(old, new)
    (tmp_path / "haproxy.cfg").write_text(config)
    words = [program("haproxy"), "-f", tmp_path / "haproxy.cfg"]
    proxy = launch("haproxy", words, log=tmp_path / "haproxy.log")
    try:
        proxy.wait_for_port(port)
        page, missing = watched(context)
        page.set_extra_http_headers({"X-Forwarded-For": "198.51.100.7"})
        told = open_devices(page, f"https://127.0.0.1:{port}")
        [session] = [one for one in context.cookies() if one["name"] == "__Host-sessionid"]
        assert (session["secure"], session["httpOnly"]) == (True, True)
        assert "127.0.0.1" in told
        assert PROXY not in told
        assert "198.51.100.7" not in told
        assert missing == []
    finally:
        proxy.stop()
