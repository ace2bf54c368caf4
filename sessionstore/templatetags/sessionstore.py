"""`{% load sessionstore %}`: the button that signs out, why and when sessions end, moments."""

from datetime import datetime
from typing import Any

from django import template
from django.shortcuts import resolve_url
from django.utils.timesince import timesince

from sessionstore.answers import kept
from sessionstore.conf.zones import aware, zone
from sessionstore.core.expiry import MINUTE_MS, now_ms, to_ms
from sessionstore.session.expiring import policy_of
from sessionstore.users.ended import ended

register = template.Library()


@register.inclusion_tag("sessionstore/_logout_button.html", takes_context=True)
def logout_button(
    context: template.Context,
    text: str = "",
    *,
    css: str = "ss-button",
    url: str = "",
    next: str = "",  # noqa: A002 - the word of the form
) -> dict[str, Any]:
    """A form that signs out by POST; nothing for somebody who is not signed in (ASVS 7.4.4).

    ``url`` is the address or the name of another logout page, for instance allauth's.
    """
    return {
        "show": _is_signed_in(context),
        "csrf_token": context.get("csrf_token"),
        "text": text,
        "css": css,
        "next": next,
        "url": resolve_url(url or "sessionstore:logout"),
    }


@register.inclusion_tag("sessionstore/_idle_warning.html", takes_context=True)
def idle_warning(
    context: template.Context, *, seconds: int = 60, logout_url: str = "sessionstore:logout"
) -> dict[str, Any]:
    """Warn ``seconds`` before the session ends, and follow when another tab signs out.

    Put it on each page, also on those for everybody: what a visitor's page tells the others is
    that nobody is signed in any more.
    """
    idle_ms = _idle_ms(context)
    return {
        "signed_in": _is_signed_in(context),
        "csrf_token": context.get("csrf_token"),
        # With a short idle time the warning would else stand there all the while.
        "seconds": min(seconds, idle_ms // 3000) if idle_ms else seconds,
        "logout_url": resolve_url(logout_url),
    }


@register.inclusion_tag("sessionstore/_moment.html")
def moment(
    at: datetime, *, ago: bool = False, active: bool = False, once: bool = False
) -> dict[str, Any]:
    """Show a moment in the server's zone, which is named; our script puts it into the visitor's.

    With ``ago`` show how long ago it was, or that it is now: within a minute, or when ``active``.
    What happened ``once``, such as a sign-in, was just now and does not go on.
    """
    since = timesince(at, depth=1) if ago else ""
    is_now = ago and now_ms() - to_ms(aware(at)) < MINUTE_MS
    name = aware(at).astimezone(zone()).tzname()
    facts = {"at": at, "iso": aware(at).isoformat(), "zone": name}
    return {**facts, "since": since, "active": active or is_now, "once": once}


@register.inclusion_tag("sessionstore/_why_signed_out.html", takes_context=True)
def why_signed_out(context: template.Context) -> dict[str, Any]:
    """Say why the visitor's session has ended; nothing for who is signed in, or never was.

    For a login page of your own; ours have it.
    """
    if _is_signed_in(context):
        return {}
    session = getattr(context.get("request"), "session", None)
    end = ended(session) or kept.end_before(session)
    return {"words": end and end.words}


def _is_signed_in(context: template.Context) -> bool:
    user = getattr(context.get("request"), "user", None)
    return bool(user and user.is_authenticated)


def _idle_ms(context: template.Context) -> int | None:
    session = getattr(context.get("request"), "session", None)
    return policy_of(session).idle_ms if _is_signed_in(context) else None
