"""Where somebody was, and where a page of the project is."""

from urllib.parse import urlsplit, urlunsplit

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.http import escape_leading_slashes, url_has_allowed_host_and_scheme

from .kinds import is_by_script

# Django's own views, then django-allauth's.
FORGOTTEN_PASSWORD = ("password_reset", "account_reset_password")
NEW_PASSWORD = ("password_change", "account_change_password")


def page_of(request: HttpRequest) -> str:
    """Return the address of the page to come back to; "/" where nobody says it.

    A GET can be repeated. A POST comes from the page of its form, and a script from the page that
    it runs in: a part of that page is no place to come back to.
    """
    if request.method in {"GET", "HEAD"} and not is_by_script(request):
        return request.get_full_path()
    for named in (request.headers.get("HX-Current-URL", ""), request.headers.get("Referer", "")):
        # Security: of another site nobody comes back to ours.
        if url_has_allowed_host_and_scheme(named, {request.get_host()}, request.is_secure()):
            path, query = urlsplit(named)[2:4]
            # Security: "//" is the beginning of another host; of a request's path Django says so.
            return urlunsplit(("", "", escape_leading_slashes(path), query, "")) or "/"
    return "/"


def url_of(names: tuple[str, ...], *args: object) -> str | None:
    """Return the address of the first of these pages that the project has."""
    for name in names:
        try:
            return reverse(name, args=args)
        except NoReverseMatch:
            continue
    return None
