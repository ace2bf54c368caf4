"""What the system checks say of our pages among the URLs of a site, and what they leave alone."""

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import UserSettingsHolder, global_settings
from django.conf import settings as site
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path, reverse_lazy
from django.views.generic import View

from sessionstore.decorators import RecentLoginRequiredMixin, recent_login_required
from sessionstore.forms import LoginForm
from sessionstore.middleware import SessionMiddleware
from sessionstore.views import LoginView
from tests.checks.messages import checked

DJANGO = "django.contrib.sessions.backends.db"
OURS = "sessionstore.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
# What `django-admin startproject` writes, with the lines of the quickstart.
APPS = [
    *("sessionstore", "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes"),
    *("django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles"),
]
MIDDLEWARE = [
    *("django.middleware.security.SecurityMiddleware", OURS),
    *("django.middleware.common.CommonMiddleware", CSRF, AUTH, MESSAGES),
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
DEPLOYED = {
    "SESSION_COOKIE_NAME": "__Host-sessionid",
    "SESSION_COOKIE_SECURE": True,
    "SESSIONSTORE_PRESET": "AAL1",
    "DATABASE_ROUTERS": [],
    "INSTALLED_APPS": APPS,
    "MIDDLEWARE": MIDDLEWARE,
}


def page(_: Any) -> HttpResponse:
    return HttpResponse("a page")


class OwnLogin(LoginView):
    """A site's own, with another template."""


class OneTimeForm(LoginForm):
    """A form that asks for more than a password."""


class OwnMiddleware(SessionMiddleware):
    """A site's own, built on ours."""


class StrongPage(RecentLoginRequiredMixin, View):
    """A page of level 3."""

    recent_login_level = 3


home = path("", page, name="home")
strong = path("strong/", recent_login_required(page, level=2))
account = path("account/", include("sessionstore.urls"))
devices = path("account/", include("sessionstore.urls.devices"))
signin = path("signin/", page, name="signin")
URLS = {
    "none": [home],
    "all": [home, account, signin],
    "devices": [home, devices, signin],
    "default": [home, path("accounts/", include("sessionstore.urls"))],
    "own": [home, devices, path("in/", OwnLogin.as_view(), name="in")],
    "otp": [home, devices, path("in/", OwnLogin.as_view(form_class=OneTimeForm), name="in")],
    "languages": [home, *i18n_patterns(account, signin, prefix_default_language=False)],
    "strong": [home, account, signin, strong, path("class/", StrongPage.as_view())],
    "renamed": [home, path("me/", include("sessionstore.urls", namespace="me"))],
}
OURS_THERE = {"LOGIN_URL": "sessionstore:login", "LOGIN_REDIRECT_URL": "home"}


@pytest.fixture(autouse=True)
def packages(monkeypatch):
    """Packages of a second factor, as apps that do nothing: the checks go by their names."""
    for name in ("two_factor", "django_otp"):
        module = types.ModuleType(name)
        module.__path__ = [f"/nowhere/{name}"]
        monkeypatch.setitem(sys.modules, name, module)


DEFAULT = object()


@contextmanager
def site_of(urls: str = "all", *, without: str = "", **names: Any) -> Iterator[None]:
    """A site with these settings; DEFAULT is one that it has not set."""
    urlconf = types.ModuleType("urls_of_a_test")
    urlconf.urlpatterns = URLS[urls]
    chosen = {**DEPLOYED, "ROOT_URLCONF": urlconf, **names}
    for name in ("INSTALLED_APPS", "MIDDLEWARE"):
        chosen[name] = [one for one in chosen[name] if one != without]
    unset = [name for name, value in chosen.items() if value is DEFAULT]
    with override_settings(**chosen):
        before = site._wrapped
        if unset:
            site._wrapped = UserSettingsHolder(global_settings)
            for name in dir(before):
                if name.isupper() and before.is_overridden(name) and name not in unset:
                    setattr(site, name, getattr(before, name))
        try:
            yield
        finally:
            site._wrapped = before


def told(urls: str = "all", *, deploy: bool = False, **names: Any) -> list[str]:
    """Return the ids that a site is told."""
    with site_of(urls, **names):
        return [one.id.removeprefix("sessionstore.") for one in checked(deploy=deploy)]


REDIS = {
    "BACKEND": "sessionstore.caches.RedisCache",
    "LOCATION": "redis://127.0.0.1:1",
    "OPTIONS": {"socket_timeout": 0.2, "socket_connect_timeout": 0.2},
}
GOOD = {
    "no pages": ("none", {}),
    "all pages": ("all", OURS_THERE),
    "pages at Django's default": ("default", {"LOGIN_REDIRECT_URL": "/"}),
    "addresses": ("all", {"LOGIN_URL": "/account/login/", "LOGIN_REDIRECT_URL": "/app/"}),
    "an address without its slash": ("all", {**OURS_THERE, "LOGIN_URL": "/account/login"}),
    "a lazy address": ("all", {**OURS_THERE, "LOGIN_URL": reverse_lazy("sessionstore:login")}),
    "devices beside a login of the site's": ("devices", {"LOGIN_URL": "signin"}),
    "devices beside single sign-on": ("devices", {"LOGIN_URL": "https://sso.example.com/in"}),
    "devices beside a second factor": (
        "devices",
        {"LOGIN_URL": "signin", "INSTALLED_APPS": [*APPS, "django_otp", "two_factor"]},
    ),
    "a login built on ours": ("own", {"LOGIN_URL": "in", "LOGIN_REDIRECT_URL": "home"}),
    "ours with a form that asks for more": (
        "otp",
        {"LOGIN_URL": "in", "LOGIN_REDIRECT_URL": "/", "INSTALLED_APPS": [*APPS, "django_otp"]},
    ),
    "languages": ("languages", OURS_THERE),
    "an address in another language": (
        "languages",
        {**OURS_THERE, "SESSIONSTORE_REAUTH_URL": "/ko/signin/"},
    ),
    "another namespace": ("renamed", {"LOGIN_URL": "/me/login/", "LOGIN_REDIRECT_URL": "/"}),
    "a page that asks again": ("all", {**OURS_THERE, "SESSIONSTORE_REAUTH_URL": "signin"}),
    "views that want more": ("strong", {**OURS_THERE, "SESSIONSTORE_REAUTH_URL": "signin"}),
    "one elsewhere": ("all", {**OURS_THERE, "SESSIONSTORE_REAUTH_URL": "https://sso.example.com"}),
    "middleware of the site's": (
        "all",
        {
            **OURS_THERE,
            "MIDDLEWARE": ["tests.checks.test_pages.OwnMiddleware", *MIDDLEWARE[2:]],
            "CSRF_USE_SESSIONS": True,
        },
    ),
    "without Django's sessions": (
        "all",
        {**OURS_THERE, "INSTALLED_APPS": [one for one in APPS if one != "django.contrib.sessions"]},
    ),
    "sessions that move in": ("all", {**OURS_THERE, "SESSIONSTORE_ADOPT_FROM": DJANGO}),
    "the app ahead of the switch": ("none", {"SESSION_ENGINE": DJANGO}),
    "a cache in front": (
        "all",
        {
            **OURS_THERE,
            "SESSION_ENGINE": "sessionstore.backends.cached_sql",
            "CACHES": {"default": REDIS},
        },
    ),
    "Express": (
        "none",
        {
            "SESSION_ENGINE": "sessionstore.backends.express",
            "SESSIONSTORE_EXPRESS": {"secrets": ["s"]},
            "SESSION_COOKIE_NAME": "__Host-connect.sid",
            "INSTALLED_APPS": [one for one in APPS if "admin" not in one],
        },
    ),
    "sessions bound to a device": ("all", {**OURS_THERE, "SESSIONSTORE_BIND_DEVICE": True}),
    "leaving": ("none", {"SESSION_ENGINE": "sessionstore.backends.leaving"}),
    "no URLs": ("none", {"ROOT_URLCONF": DEFAULT}),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_site_is_told_nothing(name):
    """By no check of ours, with --deploy too."""
    urls, names = GOOD[name]
    assert told(urls, deploy=True, **names) == []


@pytest.mark.parametrize(
    ("expected", "urls", "names"),
    [
        (["W006"], "none", {"SESSION_ENGINE": DEFAULT}),
        (["W006"], "all", {**OURS_THERE, "SESSION_ENGINE": DJANGO}),
        (["E007"], "all", {**OURS_THERE, "MIDDLEWARE": [CSRF, AUTH, OURS, MESSAGES]}),
        (["E007"], "all", {**OURS_THERE, "MIDDLEWARE": [CSRF, MESSAGES, OURS, AUTH]}),
        (
            ["E007"],
            "all",
            {**OURS_THERE, "MIDDLEWARE": [CSRF, OURS, AUTH], "CSRF_USE_SESSIONS": True},
        ),
        (["E076"], "none", {"SESSIONSTORE_BIND_DEVICE": True, "ROOT_URLCONF": DEFAULT}),
        (["W080"], "all", {**OURS_THERE, "without": CSRF}),
        (["W080"], "devices", {"LOGIN_URL": "signin", "without": CSRF}),
        (["W081", "W081"], "all", {}),
        (["W081"], "all", {**OURS_THERE, "LOGIN_URL": "signin"}),
        (["W081"], "all", {**OURS_THERE, "LOGIN_URL": "https://sso.example.com/in"}),
        (["W081"], "all", {**OURS_THERE, "LOGIN_URL": "no-such-name"}),
        (["W081"], "all", {**OURS_THERE, "LOGIN_REDIRECT_URL": "no-such-name"}),
        (["W081"], "devices", {}),
        (["W082"], "all", {**OURS_THERE, "without": "django.contrib.staticfiles"}),
        (["W082"], "all", {**OURS_THERE, "STATICFILES_FINDERS": []}),
        (["W082"], "all", {**OURS_THERE, "STATIC_URL": None}),
        (["W082"], "all", {**OURS_THERE, "TEMPLATES": []}),
        (["W083"], "all", {**OURS_THERE, "INSTALLED_APPS": [*APPS, "django_otp"]}),
        (
            ["W083"],
            "own",
            {"LOGIN_URL": "in", "LOGIN_REDIRECT_URL": "/", "INSTALLED_APPS": [*APPS, "two_factor"]},
        ),
        (["E080"], "all", {**OURS_THERE, "SESSIONSTORE_REAUTH_URL": "no-such-name"}),
        (["W084"], "all", {**OURS_THERE, "SESSIONSTORE_REAUTH_URL": "/nowhere/"}),
        (
            ["E080", "W084"],
            "all",
            {**OURS_THERE, "SESSIONSTORE_REAUTH_URL": {1: "no-such-name", 2: "/nowhere/"}},
        ),
        (["E092", "E092"], "strong", OURS_THERE),
        (["E092"], "strong", {**OURS_THERE, "SESSIONSTORE_REAUTH_URL": {2: "signin"}}),
        (
            ["W092"],
            "strong",
            {**OURS_THERE, "SESSIONSTORE_REAUTH_URL": {2: "sessionstore:confirm", 3: "signin"}},
        ),
        (
            ["W092"],
            "strong",
            {**OURS_THERE, "SESSIONSTORE_REAUTH_URL": {2: "signin", 3: "sessionstore:login"}},
        ),
    ],
)
def test_what_would_surprise_a_visitor_is_told(expected, urls, names):
    """Each alone, by its id."""
    assert told(urls, **names) == expected


def test_a_frame_of_the_sites_own_needs_no_styles_of_ours(tmp_path):
    """It has its own; one that does not compile is told by the first request."""
    frame = tmp_path / "sessionstore" / "base.html"
    frame.parent.mkdir()
    templates = [{**site.TEMPLATES[0], "DIRS": [tmp_path]}]
    for text in ("{% block content %}{% endblock %}", "{% no_such_tag %}"):
        frame.write_text(text)
        without = "django.contrib.staticfiles"
        assert told("all", **OURS_THERE, TEMPLATES=templates, without=without) == []


def test_the_forgotten_engine_is_told_with_the_line_that_keeps_the_logins():
    """Who has live sessions must not lose them over the advice."""
    with site_of("none", SESSION_ENGINE=DEFAULT):
        [warning] = checked()
    assert "SESSION_ENGINE is not set" in warning.msg
    assert f"SESSIONSTORE_ADOPT_FROM = '{DJANGO}'" in warning.hint
    cookies = "django.contrib.sessions.backends.signed_cookies"
    with site_of("all", **OURS_THERE, SESSION_ENGINE=cookies):
        [warning] = checked()
    assert "ADOPT_FROM" not in warning.hint  # They can be read nowhere else.


def test_the_order_of_middleware_is_told_with_what_to_move():
    """Both are named."""
    with site_of("none", MIDDLEWARE=[CSRF, AUTH, MESSAGES, OURS]):
        [error] = checked()
    assert f"behind {AUTH!r}, {MESSAGES!r}" in error.msg
    assert error.hint == f"Move {OURS!r} before it."
