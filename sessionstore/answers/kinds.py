"""What kind of answer a request can use: a page, JSON, text; and whether a script has asked."""

from enum import Enum, auto

from django.http import HttpRequest


class Kind(Enum):
    """What the body of an answer may be."""

    PAGE = auto()
    JSON = auto()
    TEXT = auto()


def kind_for(request: HttpRequest) -> Kind:
    """Return what a request has asked for by its Accept; text where it names neither."""
    found = request.get_preferred_type(["text/html", "application/json"])
    names = request.headers.get("Accept", "")
    if found == "text/html" and ("html" in names or "text/*" in names):
        return Kind.PAGE
    return Kind.JSON if "json" in names and found is not None else Kind.TEXT


def wants_json(request: HttpRequest) -> bool:
    """Tell whether a request has asked for JSON, and would rather not have a page."""
    return kind_for(request) is Kind.JSON


def is_htmx(request: HttpRequest) -> bool:
    """Tell whether htmx has asked, for a part of a page."""
    return request.headers.get("HX-Request") == "true" and "HX-Boosted" not in request.headers


def is_by_script(request: HttpRequest) -> bool:
    """Tell whether a script has asked: a redirect would bring it a page that it has no use for.

    By what scripts say of themselves (htmx, the usual X-Requested-With), by an Accept of JSON, and
    by what browsers say of ``fetch()``, unless that asks for a page.
    """
    if is_htmx(request) or request.headers.get("X-Requested-With") == "XMLHttpRequest":
        return True
    kind = kind_for(request)
    is_fetch = request.headers.get("Sec-Fetch-Dest") == "empty"
    return kind is Kind.JSON or (is_fetch and kind is not Kind.PAGE)
