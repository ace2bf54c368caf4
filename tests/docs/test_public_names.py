"""The names that sites import or write into their settings and templates: they stay."""

import logging
import re
from importlib import import_module, resources

import pytest
from django.core.management import get_commands
from django.dispatch import Signal
from django.template.loader import get_template

from sessionstore import exceptions, signals
from sessionstore.backends.base import SessionBackend
from tests.docs.pages import DOCS

NAMES = {
    "admin": "KnownDeviceAdmin SessionAdmin SessionEventAdmin UserSessionsMixin",
    "backends.base": "SessionBackend SessionRequest",
    "backends.sql": "SessionStore",
    "backends.cached_sql": "SessionStore",
    "backends.express": "SessionStore",
    "backends.leaving": "SessionStore",
    "caches": "RedisCache",
    "clients": "client_of forwarded_for remote_addr",
    "decorators": (
        "BoundDeviceAdminMixin BoundDeviceRequiredMixin RecentLoginRequiredMixin "
        "bound_device_required does_not_touch recent_login_required"
    ),
    "forms": "ConfirmForm LoginForm",
    "known_devices": "device_of is_known is_trusted trust",
    "known_devices.notice": "send",
    "middleware": "SessionMiddleware",
    "models": "AbstractSession KnownDevice Session SessionEvent",
    "routers": "SessionRouter",
    "users": "Device end_session end_sessions_of sessions_of",
    "urls": "app_name urlpatterns",
    "urls.devices": "app_name urlpatterns",
    "views": (
        "ConfirmView DeviceView DevicesView ForgetDeviceView HistoryView KnownDeviceView LoginView "
        "LogoutView NotMeView ResumeView RevokeOthersView RevokeView extend status"
    ),
}
SIGNALS = {
    "new_device",
    "session_bound",
    "session_created",
    "session_cycled",
    "session_expired",
    "session_interrupted",
    "session_logged_in",
    "session_merged",
    "session_refused",
    "session_revoked",
    "session_secured",
}
EXCEPTIONS = {
    "AppendOnly",
    "EncryptionUnavailable",
    "KeyNeeded",
    "NoSuchSession",
    "SessionNotSerializable",
    "SessionStoreError",
    "SessionStoreUnavailable",
    "SessionTooLarge",
    "SessionUnreadable",
    "TakenId",
    "UserIdTooLong",
    "WrongSetting",
}
COMMANDS = {
    "clearsessions",
    "expresstable",
    "exportsessions",
    "importsessions",
    "revokesessions",
    "sessionstats",
}
TEMPLATES = [
    "_activities.html",
    "_device_icon.html",
    "_field.html",
    "_forget_device.html",
    "_form.html",
    "_frameless.html",
    "_idle_warning.html",
    "_logout_button.html",
    "_messages.html",
    "_moment.html",
    "_name_device.html",
    "_pages.html",
    "_sign_out_device.html",
    "_why_signed_out.html",
    "admin/_page.html",
    "admin/_search.html",
    "admin/_user_sessions.html",
    "admin/change_list.html",
    "admin/end_sessions.html",
    "admin/session.html",
    "admin/sessions.html",
    "admin/statistics.html",
    "base.html",
    "confirm.html",
    "device.html",
    "devices.html",
    "history.html",
    "insufficient.html",
    "known_device.html",
    "logged_out.html",
    "login.html",
    "logout.html",
    "mail/new_device.html",
    "mail/new_device.txt",
    "mail/new_device_subject.txt",
    "not_me.html",
    "resume.html",
    "session_ended.html",
    "unavailable.html",
    "unbound.html",
]
PAGES = [
    "confirm",
    "device",
    "device_refresh",
    "device_register",
    "devices",
    "extend",
    "forget_device",
    "history",
    "known_device",
    "login",
    "logout",
    "not_me",
    "not_me_send",
    "resume",
    "revoke",
    "revoke_others",
    "status",
]


@pytest.mark.parametrize(("module", "names"), NAMES.items())
def test_a_module_has_its_names(module, names):
    """Wherever the code behind them lives."""
    found = import_module(f"sessionstore.{module}")
    assert [name for name in names.split() if not hasattr(found, name)] == []


def test_the_reference_has_each_name_that_a_site_calls():
    """A page of docs/reference; the engines, urls and views have pages of their own."""
    reference = "\n".join(path.read_text() for path in (DOCS / "reference").glob("*.md"))
    modules = ("clients", "decorators", "forms", "middleware", "models", "routers")
    names = [name for module in modules for name in NAMES[module].split()]
    assert [name for name in names if not re.search(rf"\b{name}\b", reference)] == []


@pytest.mark.parametrize("engine", ["sql", "cached_sql", "express"])
def test_every_engine_is_a_session_backend(engine):
    """For `isinstance`; the one that leaves is Django's."""
    store = import_module(f"sessionstore.backends.{engine}").SessionStore
    assert issubclass(store, SessionBackend)


def test_the_signals_are_these():
    """A new one is added here and to docs/signals.md."""
    own = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    assert own == SIGNALS
    assert {"Reason", "Refusal"} <= set(vars(signals))


def test_the_exceptions_are_these_and_have_one_root():
    """Whoever catches the root catches all."""
    own = {name: cls for name, cls in vars(exceptions).items() if isinstance(cls, type)}
    assert set(own) == EXCEPTIONS
    assert all(issubclass(cls, exceptions.SessionStoreError) for cls in own.values())


def test_the_commands_are_these():
    """By the app that brings them."""
    own = {name for name, app in get_commands().items() if app == "sessionstore"}
    assert own == COMMANDS


def test_the_templates_are_these():
    """Sites override them by their names."""
    root = resources.files("sessionstore") / "templates" / "sessionstore"
    found = [path for path in root.rglob("*") if path.suffix in {".html", ".txt"}]
    assert sorted(str(path.relative_to(root)) for path in found) == TEMPLATES
    for name in TEMPLATES:
        get_template(f"sessionstore/{name}")


def test_the_tags_are_these():
    """`{% load sessionstore %}`."""
    library = import_module("sessionstore.templatetags.sessionstore").register
    assert set(library.tags) == {"idle_warning", "logout_button", "moment", "why_signed_out"}


@pytest.mark.parametrize("urls", ["sessionstore.urls", "sessionstore.urls.devices"])
def test_the_pages_have_these_names(urls):
    """In the namespace `sessionstore`; without the two that sign in and out also on their own."""
    module = import_module(urls)
    names = {pattern.name for pattern in module.urlpatterns}
    expected = set(PAGES) - ({"login", "logout"} if urls.endswith("devices") else set())
    assert (module.app_name, names) == ("sessionstore", expected)


@pytest.mark.parametrize(
    ("module", "attribute", "name"),
    [
        ("security_log", "logger", "sessionstore.security"),
        ("table.retry", "logger", "sessionstore"),
        ("cleaning.background", "logger", "sessionstore"),
    ],
)
def test_the_loggers_are_these_two(module, attribute, name):
    """LOGGING names them."""
    logger = getattr(import_module(f"sessionstore.{module}"), attribute)
    assert logger is logging.getLogger(name)
