"""A client in words: its browser, its system, its place, and how its user has signed in."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

from django.utils.module_loading import import_string
from django.utils.text import capfirst, get_text_list
from django.utils.translation import gettext as _

from sessionstore.core.headers.user_agent import Agent, Form, read_user_agent
from sessionstore.core.sign_ins import methods
from sessionstore.core.sign_ins.facts import SignIn
from sessionstore.core.text import printable

# What ua-parser calls the part of a system that shows pages inside apps: no browser's name.
_NO_NAMES = {"Android", "Chrome Mobile WebView", "Mobile Safari UI/WKWebView", "Other"}


def agent_of(user_agent: str | None) -> Agent:
    """Return what a client says of itself; ua-parser, where it is installed, knows more names."""
    own = read_user_agent(user_agent)
    parse = _parser()
    if not user_agent or parse is None or own.form is Form.PROGRAM:
        return own
    parsed = parse(user_agent)
    family = (parsed.user_agent and parsed.user_agent.family) or own.browser
    system = own.system or (parsed.os and parsed.os.family) or ""
    # "Chrome Mobile" and "Mobile Safari" are what people call Chrome and Safari.
    is_known = family in _NO_NAMES or (own.browser and own.browser in family)
    return replace(own, browser=own.browser if is_known else family, system=system)


@cache
def _parser() -> Any:
    """Return ua-parser's function, or None where the extra [devices] is not installed.

    Optimization: imported for the first page that shows a device; it has 30 modules, and its lists.
    """
    try:
        from ua_parser import parse  # noqa: PLC0415 - as said
    except ImportError:
        return None
    return parse


def in_words(agent: Agent, *, is_recorded: bool = True) -> str:
    """Return "Firefox on Windows", "An app on Android", "A program (curl)", as far as it is known.

    Never the header itself, which nobody can read. Where none is recorded (of visitors, by Express,
    or because the site wants none) nothing is said of the browser.
    """
    if not is_recorded:
        return _("Unrecorded browser")
    if agent.program:
        return _("A program (%(name)s)") % {"name": agent.program}
    if agent.browser and agent.system:
        return _("%(browser)s on %(system)s") % {"browser": agent.browser, "system": agent.system}
    if agent.system and agent.form is Form.COMPUTER:
        return _("A browser on %(system)s") % {"system": agent.system}
    if agent.system:
        return _("An app on %(system)s") % {"system": agent.system}
    return agent.browser or _("Unknown browser")


def names_nothing(words: str) -> bool:
    """Tell whether words for a client are those for one of which nothing is known."""
    return words in {_("Unrecorded browser"), _("Unknown browser")}


def browser_in_words(user_agent: str | None) -> str:
    """Return a client in words."""
    return in_words(agent_of(user_agent), is_recorded=bool(user_agent))


def browser_family(user_agent: str | None) -> str:
    """Return "Firefox", or a program's name; what is not known is one kind."""
    agent = agent_of(user_agent)
    none = _("Unknown browser") if user_agent else _("Unrecorded browser")
    return agent.browser or agent.program or none


def place_of(address: str | None) -> str:
    """Return "Boxford, United Kingdom" where the project has set up Django's GeoIP2, else ""."""
    reader = geoip_reader()
    if not address or reader is None:
        return ""
    try:
        found = reader.city(address) if reader.is_city else reader.country(address)
    except import_string("geoip2.errors.AddressNotFoundError"):  # private, or in no list
        return ""
    return ", ".join(part for part in (found.get("city"), found.get("country_name")) if part)


def address_in_words(address: str | None) -> str:
    """Return "192.0.2.1 · Boxford, United Kingdom", as far as it is known."""
    return " · ".join(filter(None, (address, place_of(address))))


@lru_cache(maxsize=1)
def geoip_reader() -> Any:
    """Open the data once; a project without them says so by not setting GEOIP_PATH.

    Optimization: Django's GeoIP2 is imported here, for the first page that shows an address.
    """
    try:
        geoip = import_module("django.contrib.gis.geoip2")
    except ImportError:
        return None
    if not geoip.HAS_GEOIP2:
        return None
    try:
        return geoip.GeoIP2()
    except geoip.GeoIP2Exception:
        return None


def sign_ins_in_words(facts: Iterable[SignIn]) -> str:
    """Return "Password and code", each method once; "" where none is known."""
    words = dict.fromkeys(filter(None, map(_method_in_words, facts)))
    return capfirst(get_text_list(list(words), _("and")))


def _method_in_words(fact: SignIn) -> str:
    """Return a word for a method; the provider says more than that there is one."""
    words = {
        methods.PASSWORD: _("password"),
        methods.OTP: _("code"),
        methods.WEBAUTHN: _("passkey or security key"),
        methods.RECOVERY_CODE: _("recovery code"),
        methods.EMAIL: _("message to you"),
        methods.SOCIAL: _("account elsewhere"),
        methods.OIDC: _("single sign-on"),
        methods.SAML: _("single sign-on"),
        methods.TOKEN: _("token"),
        methods.IMPERSONATION: _("somebody who acts as you"),
    }
    return printable(fact.provider) or words.get(fact.method, printable(fact.method))
