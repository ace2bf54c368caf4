"""Our pages in the frames of others: nothing of the frame changes, and all of ours can be read.

The templates are rendered here, and Chromium gets them without a server.
"""

import dataclasses
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.messages.storage.base import Message
from django.template.loader import render_to_string
from django.utils import translation

from sessionstore.answers.kept import KeptForm
from sessionstore.forms import LoginForm
from sessionstore.users.devices import Device, DevicePage
from tests.browser.looking import look_at

ROOT = Path(__file__).parents[2]
CSS = (ROOT / "sessionstore/static/sessionstore/sessionstore.css").read_text()
GUIDE = (ROOT / "docs" / "pages.md").read_text()
NOW = datetime.now(UTC)
FRAME = """<!doctype html><html lang="en" {html}><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{% block title %}}{{% endblock %}}</title>
<style>{css}</style>{{% block head %}}{{% endblock %}}
</head><body><header id="theirs"><h2>A site</h2><p>Its own <a href="/">link</a>
<button>Button</button> <input aria-label="Search">
<label>Label <select><option>1</option></select></label></p></header>
<main class="container">{{% block body %}}{{% endblock %}}</main></body></html>"""
PLAIN = "body { font-family: serif; margin: 1rem } a { color: #0645ad }"
DARK = "body { background: #101014; color: #ddd; margin: 1rem } a, button { color: #fc6 }"
# The frame, what its <html> says, and whether our cards are dark where the visitor's system is
# light, and where it is dark.
FRAMES = {
    "plain": (PLAIN, "", [False, False]),
    "both": (PLAIN + ":root { color-scheme: light dark }", "", [False, True]),
    "auto": (PLAIN, 'data-ss-scheme="auto"', [False, True]),
    "dark": (DARK, 'data-ss-scheme="dark"', [True, True]),
    "light-by-force": (
        PLAIN + ":root { color-scheme: dark }",
        'data-ss-scheme="light"',
        [False, False],
    ),
    "bootstrap": ("bootstrap", "", [False, False]),
    "bootstrap-dark": ("bootstrap", 'data-bs-theme="dark"', [True, True]),
}
STYLES = """() => {
  const root = document.documentElement;
  const theirs = [root, document.body, ...document.querySelectorAll("#theirs, #theirs *")];
  const sizes = /^(height|block-size|perspective-origin|transform-origin)$/;
  return theirs.map((one) => [...getComputedStyle(one)].filter((name) => !sizes.test(name))
    .map((name) => name + ":" + getComputedStyle(one)[name]).join(";"));
}"""

LEFT_EDGES = """[".ss-message", ".ss-card"]
  .map((one) => document.querySelector(one).getBoundingClientRect().left)"""


def devices() -> DevicePage:
    """A list of two."""
    here = Device("h" * 22, "Firefox on Windows", "192.0.2.1", "", NOW, NOW, NOW, is_this=True)
    there = Device(
        "i" * 22, "Safari on iOS", "81.2.69.142", "London", NOW, NOW, None, is_this=False
    )
    return DevicePage([here, there], 1, has_next=True)


def in_frame(settings, folder: Path, name: str, css: str) -> Callable[..., str]:
    """Render our pages in a frame, by the example of the documentation."""
    example = re.search(r'```html\+django\n(\{% extends "base.html".*?)```', GUIDE, re.DOTALL)
    style, html, _ = FRAMES[name]
    style = css if style == "bootstrap" else style
    (folder / "sessionstore").mkdir()
    (folder / "sessionstore" / "base.html").write_text(example[1])
    (folder / "base.html").write_text(FRAME.format(css=style, html=html))
    options = {"context_processors": ["django.template.context_processors.i18n"]}
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [folder],
            "APP_DIRS": True,
            "OPTIONS": options,
        }
    ]
    settings.ROOT_URLCONF = "tests.web.urls"
    user = SimpleNamespace(is_authenticated=True, get_username=lambda: "ann")
    context = {"user": user, "csrf_token": "t", "messages": [Message(25, "It is done.")]}

    def render(page: str, more: dict[str, Any]) -> str:
        return render_to_string(f"sessionstore/{page}.html", {**context, **more})

    return render


def pages_of(render) -> dict[str, str]:
    """The two pages with most in them."""
    form = LoginForm(data={"username": "", "keep": "1"})
    return {
        "login": render("login", {"title": "Sign in", "form": form, "forgotten_url": "/"}),
        "devices": render("devices", {"title": "Your devices", "page": devices()}),
    }


def answer(route) -> None:
    """Serve our stylesheet, and an empty page to put ours into."""
    if route.request.url.endswith(".css"):
        route.fulfill(body=CSS, content_type="text/css")
    else:
        route.fulfill(body="", content_type="text/html")


@pytest.fixture(scope="module")
def page(chromium):
    """One tab for all of them."""
    context = chromium.new_context()
    context.route("**/*", answer)
    page = context.new_page()
    page.goto("http://frame.test/page")
    yield page
    context.close()


def is_dark(page, *, system: str) -> bool:
    """Whether our card is, on a system of this scheme."""
    page.emulate_media(color_scheme=system)
    card = page.locator(".ss-card").first
    ground = card.evaluate("(one) => getComputedStyle(one).backgroundColor")
    return {"rgb(27, 30, 40)": True, "rgb(255, 255, 255)": False}[ground]


@pytest.mark.parametrize("name", FRAMES)
def test_the_scheme_is_the_frames(page, bootstrap, settings, tmp_path, name):
    """Whatever the visitor's system is, unless the frame follows that."""
    page.set_content(pages_of(in_frame(settings, tmp_path, name, bootstrap))["login"])
    found = [is_dark(page, system=system) for system in ("light", "dark")]
    assert found == FRAMES[name][2]


@pytest.mark.parametrize("name", ["plain", "dark", "bootstrap"])
def test_a_frame_keeps_its_looks_and_ours_can_be_read_in_it(
    page, axe, bootstrap, settings, tmp_path, name
):
    """By computed styles, at three widths, and by axe; on a light system and on a dark one."""
    for title, html in pages_of(in_frame(settings, tmp_path, name, bootstrap)).items():
        page.set_content(html)
        look_at(page, axe, f"frame-{name}-{title}", not_ours=["#theirs"])
    message, card = page.evaluate(LEFT_EDGES)
    assert message == card
    with_ours = page.evaluate(STYLES)
    page.evaluate("document.querySelector('link[rel=stylesheet]').remove()")
    assert page.evaluate(STYLES) == with_ours


@pytest.mark.parametrize("language", ["en", "ko"])
def test_pages_that_people_see_seldom(page, axe, settings, tmp_path, language):
    """A device, a form that waits, an end, a 503: they fit, and axe has no objection."""
    render = in_frame(settings, tmp_path, "both", "")
    fields = [["account", "DE02 1203 0000"], ["note", "Thank you! " * 40]]
    form = KeptForm("1", "/transfer/", "/bank/", 0, None, fields, [["pin", "password"]])
    why = "You were signed out here from another of your devices."
    device = dataclasses.replace(devices().devices[1], name="Old phone", bound_at=NOW)
    seldom = {
        "device": {"title": "Old phone", "device": device, "can_name": True, "leads_on": True},
        "resume": {"title": "Send it?", "form": form},
        "logged_out": {"title": "Signed out", "next": "/shop/"},
        "session_ended": {
            "message": "Nothing was saved.",
            "why": why,
            "login_url": "/",
            "next": "/",
        },
        "unavailable": {"message": "The site is busy. Please try again."},
    }
    with translation.override(language):
        shown = {name: render(name, context) for name, context in seldom.items()}
    for name, html in shown.items():
        page.set_content(html)
        look_at(page, axe, f"{name}-{language}", not_ours=["#theirs"])


def test_every_custom_property_is_documented():
    """And none that is not there."""
    documented = set(re.findall(r"`(--ss-[\w-]+)`", GUIDE))
    assert documented == set(re.findall(r"^ +(--ss-[\w-]+):", CSS, re.MULTILINE))


def test_every_custom_property_that_is_used_is_there():
    """Else a declaration is void: a cookie's name in the demo was not monospaced."""
    defined, used = set(), set()
    for path in [
        *ROOT.glob("sessionstore/static/**/*.css"),
        *ROOT.glob("demo_site/static/**/*.css"),
    ]:
        defined |= set(re.findall(r"(--(?:ss|shop)-[\w-]+):", path.read_text()))
        used |= set(re.findall(r"var\((--(?:ss|shop)-[\w-]+)\)", path.read_text()))
    assert used <= defined


def test_every_rule_is_about_a_class_of_ours():
    """So none can reach a frame."""
    rules = re.sub(r"/\*.*?\*/", "", CSS, flags=re.DOTALL)
    selectors = [one.strip() for one in re.findall(r"([^{}]+)\{", rules)]
    foreign = [one for one in selectors if not one.startswith("@") and ".ss" not in one]
    assert foreign == []
