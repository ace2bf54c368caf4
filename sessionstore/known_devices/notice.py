"""Tells a user of a sign-in on a device that was not known: a signal, and a mail."""

import logging
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import translation

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.crypto import HiddenText
from sessionstore.core.text import printable
from sessionstore.known_devices.tokens import link_token
from sessionstore.models import KnownDevice
from sessionstore.session.store import SessionBackend
from sessionstore.signals import new_device
from sessionstore.users.words import agent_of, in_words, place_of

logger = logging.getLogger("sessionstore")

LINK_MS = 7 * expiry.DAY_MS
_TEMPLATES = "sessionstore/mail/new_device"


def tell(
    request: HttpRequest,
    session: SessionBackend,
    user: Any,
    device: KnownDevice,
    *,
    language: str | None,
) -> None:
    """Send the signal, and the mail where the site wants one. Raises nothing."""
    handle = session.known_handle
    new_device.send_robust(type(session), user=user, device=device, handle=handle, request=request)
    if conf.new_device_mail is None:
        return
    try:
        with translation.override(language):
            mail = _written(request, user, device)
        if mail is not None:
            _hand_over(mail)
    except Exception as error:  # noqa: BLE001 - no mail, whatever sends it, keeps anybody from signing in
        # Security: neither the message, which may have the address, nor the frames, which have the
        # link.
        logger.warning("The mail about a new device was not sent: %s", type(error).__name__)


def send(*, subject: str, text: str, html: str, to: str) -> None:
    """Send the mail by Django's mail: what a task of yours calls with what it was given."""
    message = EmailMultiAlternatives(subject, text, to=[to])
    message.attach_alternative(html, "text/html")
    message.send()


def _hand_over(mail: dict[str, str]) -> None:
    """Give the mail to what is to send it: a task of Django's or of Celery's, or a function."""
    sender = conf.new_device_mail
    if sender is True:
        send(**mail)
    elif hasattr(sender, "enqueue"):
        sender.enqueue(**mail)
    elif hasattr(sender, "delay"):
        sender.delay(**mail)
    else:
        sender(**mail)


def _written(request: HttpRequest, user: Any, device: KnownDevice) -> dict[str, str] | None:
    """Return the mail as texts, which a queue can keep; None for a user without an address."""
    field = getattr(user, "get_email_field_name", lambda: "email")()
    to = getattr(user, field, "")
    if not to:
        return None
    context = {
        "name": printable(user.get_username()),
        "site": request.get_host(),
        "browser": _browser(device.user_agent),
        "place": place_of(device.ip),
        "address": device.ip,
        "at": device.signed_in_at,
        "link": _link(request, device),
        "days": LINK_MS // expiry.DAY_MS,
    }
    subject = render_to_string(f"{_TEMPLATES}_subject.txt", context)
    return {
        "subject": " ".join(subject.split()),
        "text": render_to_string(f"{_TEMPLATES}.txt", context),
        "html": render_to_string(f"{_TEMPLATES}.html", context),
        "to": to,
    }


def _browser(user_agent: str | None) -> str:
    """Return a client in words.

    Security: a program calls itself as it likes, and mail programs make a link of "evil.example".
    """
    agent = agent_of(user_agent)
    words = in_words(agent)
    return translation.gettext("A program") if agent.program or "." in words else words


def _link(request: HttpRequest, device: KnownDevice) -> str | None:
    """Return the address of the page "this was not me"; None where the site has no such page."""
    try:
        path = reverse("sessionstore:not_me", args=[link_token(conf.secrets, bytes(device.pk))])
    except NoReverseMatch:
        return None  # W094 tells.
    return HiddenText(request.build_absolute_uri(path))
