"""What the User-Agent header says in words: the browsers and systems that most people use.

It is what a client says of itself, and no proof of anything.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from sessionstore.core.record import USER_AGENT_LENGTH


class Form(StrEnum):
    """What somebody holds, or sits before."""

    COMPUTER = "computer"
    PHONE = "phone"
    TABLET = "tablet"
    PROGRAM = "program"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Agent:
    """A client: "" for what it does not say. A program has a name, and no browser."""

    browser: str = ""
    system: str = ""
    form: Form = Form.UNKNOWN
    program: str = ""


# The first that is found counts: each also claims to be those below it.
_BROWSERS = (
    ("Edge", r"\bEdg(?:e|A|iOS)?/"),
    ("Opera", r"\bOPR/|\bOPiOS/|\bOPT/|\bOpera\b"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Firefox", r"\bFirefox/|\bFxiOS/"),
    ("Chrome", r"\bCriOS/|\bChromium/|Chrome/"),
    ("Safari", r"\bSafari/"),
)
_SYSTEMS = (
    ("iPadOS", r"\biPad\b"),
    ("iOS", r"\biPhone\b|\biPod\b"),
    ("Android", r"\bAndroid\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Windows", r"\bWindows\b"),
    ("macOS", r"\bMacintosh\b|\bMac OS X\b"),
    ("Linux", r"\bLinux\b|\bX11\b"),
)
_browsers = [(name, re.compile(pattern)) for name, pattern in _BROWSERS]
_systems = [(name, re.compile(pattern)) for name, pattern in _SYSTEMS]
# A page inside an app: what shows it has no name of its own.
_in_app = re.compile(r"; wv\)|\((?:iPhone|iPad)[^)]*\) AppleWebKit(?!.*\bSafari/)").search
# "curl/8.5.0" and "(compatible; Googlebot/2.1; ...)". Browsers begin with one of two names.
_program = re.compile(r"(?!Mozilla/|Opera/)([A-Za-z][\w.+-]{0,39})(?:/|$|\s)").match
_robot = re.compile(r"compatible; ([A-Za-z][\w.+-]{0,39})/").search


def read_user_agent(text: str | None) -> Agent:
    """Return what a header says; nothing for none, or for one that says nothing known."""
    text = (text or "")[:USER_AGENT_LENGTH]
    system = _first(_systems, text)
    program = _program(text) or _robot(text)
    if program:
        return Agent(system=system, form=Form.PROGRAM, program=program[1])
    browser = "" if _in_app(text) else _first(_browsers, text)
    # What Android ships beside Chrome says no more than that it is Android's.
    if browser == "Safari" and system == "Android":
        browser = ""
    return Agent(browser, system, _form_of(system, text))


def _form_of(system: str, text: str) -> Form:
    if system == "Android":
        return Form.PHONE if re.search(r"\bMobile\b", text) else Form.TABLET
    if system in ("iOS", "iPadOS"):
        return Form.PHONE if system == "iOS" else Form.TABLET
    return Form.COMPUTER if system else Form.UNKNOWN


def _first(named: list[tuple[str, re.Pattern[str]]], text: str) -> str:
    return next((name for name, pattern in named if pattern.search(text)), "")
