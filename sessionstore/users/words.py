"""A client in words: its browser, its system, its place."""

from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _

parse: Any
try:
    from ua_parser import parse
except ImportError:  # the extra [devices] is not installed
    parse = None

geoip: Any
try:
    from django.contrib.gis import geoip2 as geoip
    from geoip2.errors import AddressNotFoundError
except ImportError:  # the project does not use Django's GeoIP2
    geoip = None

SHORTENED = 60  # characters of a user agent that nobody could read


def browser_in_words(user_agent: str | None) -> str:
    """Return "Firefox on Windows"; without ua-parser, or when it knows neither, the start of it."""
    if not user_agent:
        return _("Unknown browser")
    parsed = parse(user_agent) if parse else None
    browser = parsed and parsed.user_agent and parsed.user_agent.family
    system = parsed and parsed.os and parsed.os.family
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    if browser or system:
        return str(browser or system)
    if len(user_agent) <= SHORTENED:
        return user_agent
    return f"{user_agent[:SHORTENED].rstrip()}…"


def browser_family(user_agent: str | None) -> str:
    """Return "Firefox"; what ua-parser does not know is one kind."""
    parsed = parse(user_agent) if parse and user_agent else None
    family = parsed and parsed.user_agent and parsed.user_agent.family
    return str(family or _("Unknown browser"))


def place_of(address: str | None) -> str:
    """Return "Boxford, United Kingdom" where the project has set up Django's GeoIP2, else ""."""
    reader = geoip_reader()
    if not address or reader is None:
        return ""
    try:
        found = reader.city(address) if reader.is_city else reader.country(address)
    except AddressNotFoundError:  # a private address, or one that is in no list
        return ""
    return ", ".join(part for part in (found.get("city"), found.get("country_name")) if part)


@lru_cache(maxsize=1)
def geoip_reader() -> Any:
    """Open the data once; a project without them says so by not setting GEOIP_PATH."""
    if geoip is None:
        return None
    try:
        return geoip.GeoIP2()
    except geoip.GeoIP2Exception:
        return None
