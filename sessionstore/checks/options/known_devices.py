"""Checks of SESSIONSTORE_KNOWN_DEVICES and of its mail: what keeps browsers from being known."""

from typing import Any

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's names

from sessionstore.backends.base import SessionBackend
from sessionstore.checks.engine import address_of, has_our_middleware, runs_on, site_table
from sessionstore.conf import conf
from sessionstore.table.rows import SqlTable

_NOT_ME = "sessionstore:not_me_send"


def check_known_devices(**_: Any) -> list[CheckMessage]:
    """E094, E095, W094: devices should be known, and no sign-in makes any known or keeps it so."""
    if conf.known_devices is None:
        return []
    if not runs_on(SessionBackend) or not isinstance(site_table(), SqlTable):
        told = f"SESSION_ENGINE = {conf.engine_path!r} has no sessions that a device could have"
        hint = "Use 'sessionstore.backends.sql' or 'cached_sql', or leave the setting out."
        return [_error(told, hint, "sessionstore.E094")]
    if not has_our_middleware():
        told = "a sign-in is written down by our middleware, and MIDDLEWARE has Django's"
        hint = "Put 'sessionstore.middleware.SessionMiddleware' into MIDDLEWARE in its place."
        return [_error(told, hint, "sessionstore.E095")]
    if {"cookies", "*"} & set(conf.clear_site_data):
        return [
            Warning(
                "SESSIONSTORE_CLEAR_SITE_DATA lets the browser forget its cookies at each logout, "
                "also that by which SESSIONSTORE_KNOWN_DEVICES knows it.",
                hint="Take 'cookies' off the list: the session ends at the logout without it.",
                id="sessionstore.W094",
            )
        ]
    return []


def check_mail(**_: Any) -> list[CheckMessage]:
    """W095: the mail about a new device is never sent, or has no link."""
    if conf.new_device_mail is None:
        return []
    if conf.known_devices is None:
        told = "SESSIONSTORE_NEW_DEVICE_MAIL sends nothing without SESSIONSTORE_KNOWN_DEVICES."
        return [Warning(told, hint="Set both, or neither.", id="sessionstore.W095")]
    if address_of(_NOT_ME) is None:
        told = "SESSIONSTORE_NEW_DEVICE_MAIL: the mail cannot say where to sign the device out."
        hint = "Include 'sessionstore.urls', or 'sessionstore.urls.devices', in your URLs."
        return [Warning(told, hint=hint, id="sessionstore.W095")]
    return []


def _error(told: str, hint: str, number: str) -> CheckMessage:
    message = f"SESSIONSTORE_KNOWN_DEVICES: {told}. No device is known."
    return Error(message, hint=hint, id=number)


CHECKS = [check_known_devices, check_mail]
