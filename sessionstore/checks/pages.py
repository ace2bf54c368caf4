"""Checks of our pages in the site that includes them; they read its URLs and ask no database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.contrib.staticfiles import finders
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's names
from django.core.exceptions import ImproperlyConfigured
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import resolve_url
from django.template import TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import get_template
from django.urls import NoReverseMatch, Resolver404, get_resolver, get_script_prefix, resolve
from django.utils.translation import get_language, get_language_from_path, override

from sessionstore.checks.engine import middleware_of_type, site_engine
from sessionstore.conf import conf
from sessionstore.moving.importer import why_unusable

# By their names: views stand beside checks, and forms want the model of the users when imported.
_VIEWS, _LOGIN = "sessionstore.views.", "sessionstore.views.login.LoginView"
_CONFIRM = "sessionstore.views.login.ConfirmView"
_FORM = "sessionstore.forms.LoginForm"
_FRAME, _STYLES = "sessionstore/base.html", "sessionstore/sessionstore.css"
_PACKAGE = Path(__file__).parents[1]
# A login by password alone gets past what these ask for at their own pages.
SECOND_FACTORS = ("allauth.mfa", "two_factor", "django_otp", "mfa", "trench")


def check_forgotten_engine(**_: Any) -> list[CheckMessage]:
    """W006: the app is installed, and another engine keeps the sessions."""
    engine = site_engine()
    if engine is None or hasattr(engine, "get_table"):
        return []
    if not conf.is_set("SESSION_ENGINE"):
        told = (
            "SESSION_ENGINE is not set: Django keeps the sessions, and sessionstore does nothing."
        )
    elif next(_our_views(), None) is not None:
        # Whoever installs the app ahead of the switch has no pages of it yet.
        told = (
            f"Our pages are errors: SESSION_ENGINE = {conf.engine_path!r} is not of sessionstore."
        )
    else:
        return []
    hint = "Set SESSION_ENGINE = 'sessionstore.backends.sql'."
    if why_unusable(conf.engine_path) is None:
        hint += f" SESSIONSTORE_ADOPT_FROM = {conf.engine_path!r} beside it logs nobody out."
    return [Warning(told, hint=hint, id="sessionstore.W006")]


def check_csrf(**_: Any) -> list[CheckMessage]:
    """W080: whoever signs in on our pages has no protection on the site's own."""
    if next(_our_views(), None) is None or middleware_of_type(CsrfViewMiddleware):
        return []
    return [
        Warning(
            "MIDDLEWARE lacks CsrfViewMiddleware: our pages protect themselves, and any page on "
            "the web can post to the others in the name of who is signed in.",
            hint="Put 'django.middleware.csrf.CsrfViewMiddleware' into MIDDLEWARE, behind the "
            "session middleware.",
            id="sessionstore.W080",
        )
    ]


def check_login_urls(**_: Any) -> list[CheckMessage]:
    """W081: the way to the login, or from it, leads to nothing or to another page."""
    ours = list(_our_views())
    has_login = any(_is_login(view) for view in ours)
    found = []
    if ours and (told := _fault_of("LOGIN_URL", conf.login_url, should_be_ours=has_login)):
        found.append((told, "Set LOGIN_URL = 'sessionstore:login'"))
    if has_login and (told := _fault_of("LOGIN_REDIRECT_URL", conf.login_redirect_url)):
        found.append((told, "Set LOGIN_REDIRECT_URL to a page of yours, or to '/'"))
    if found and not has_login:
        found = [(told, "Set LOGIN_URL to the page where your users sign in") for told, _ in found]
    return [Warning(told, hint=f"{hint}.", id="sessionstore.W081") for told, hint in found]


def _fault_of(name: str, value: Any, *, should_be_ours: bool = False) -> str | None:
    """Return what is wrong with where a setting leads."""
    try:
        address = resolve_url(value)
    except NoReverseMatch:
        return f"{name} = {str(value)!r} is neither an address nor the name of a URL."
    view = _view_at(address)
    if view is None and not conf.is_set(name):
        return f"{name} is not set, and there is no page at Django's default, {address}."
    if should_be_ours and (view is None or not _is_login(view)):
        return (
            f"LOGIN_URL = {str(value)!r} is not the login page of sessionstore, which is included "
            f"in the URLs: the site has two, or one that leads to nothing."
        )
    return None


def check_files(**_: Any) -> list[CheckMessage]:
    """W082: the pages have no template or no style sheet."""
    if next(_our_views(), None) is None:
        return []
    try:
        frame: Any = get_template(_FRAME)
    except TemplateDoesNotExist:
        told = f"The template {_FRAME} is not found: our pages are errors."
        hint = "Set APP_DIRS to True in TEMPLATES, or name the loader of the apps' templates."
        return [Warning(told, hint=hint, id="sessionstore.W082")]
    except (TemplateSyntaxError, ImproperlyConfigured):  # of the site's own: each page tells
        return []
    if not Path(str(frame.origin.name)).is_relative_to(_PACKAGE):
        return []  # A frame of the site's own has the styles that it wants.
    if not conf.static_url:
        told, hint = "STATIC_URL is not set", "Set STATIC_URL = 'static/'."
    elif not apps.is_installed("django.contrib.staticfiles"):
        told = "'django.contrib.staticfiles' is not installed"
        hint = "Put it into INSTALLED_APPS."
    elif finders.find(_STYLES) is None:
        told = f"STATICFILES_FINDERS do not find {_STYLES}"
        hint = "Add 'django.contrib.staticfiles.finders.AppDirectoriesFinder'."
    else:
        return []
    return [Warning(f"{told}: our pages have no styles.", hint=hint, id="sessionstore.W082")]


def check_second_factor(**_: Any) -> list[CheckMessage]:
    """W083: a password alone signs in on our page, though the site has a second factor."""
    factors = [one for one in SECOND_FACTORS if apps.is_installed(one)]
    if not factors or not any(_takes_a_password_alone(view) for view in _our_views()):
        return []
    return [
        Warning(
            f"The login page of sessionstore is included beside {', '.join(map(repr, factors))}: "
            f"a password alone signs in there.",
            hint="Include 'sessionstore.urls.devices' in the place of 'sessionstore.urls', and set "
            "LOGIN_URL to the login page that asks for the second factor.",
            id="sessionstore.W083",
        )
    ]


def check_reauth_url(**_: Any) -> list[CheckMessage]:
    """E080, W084: whoever has to prove their identity again is sent to nothing."""
    if conf.reauth_urls is None or conf.urlconf is None:
        return []
    return [told for url in dict.fromkeys(conf.reauth_urls.values()) for told in _faults_at(url)]


def _faults_at(url: str) -> Iterator[CheckMessage]:
    hint = "Name a URL of yours that asks who it is, or remove the setting: our page asks then."
    try:
        address = resolve_url(url)
    except NoReverseMatch:
        told = f"SESSIONSTORE_REAUTH_URL = {url!r} is neither an address nor the name of a URL."
        yield Error(told, hint=hint, id="sessionstore.E080")
        return
    if urlsplit(address).netloc or _view_at(address) is not None:
        return
    told = f"SESSIONSTORE_REAUTH_URL = {url!r}: no page of this site is there."
    hint += " Silence this if another server answers there."
    yield Warning(told, hint=hint, id="sessionstore.W084")


def check_levels(**_: Any) -> list[CheckMessage]:
    """E092, W092: a view wants a level that users reach nowhere, or not where they are sent."""
    found: list[CheckMessage] = []
    for level in sorted({_level_of(view) for view in _views()} - {1}):
        url = conf.reauth_url(level)
        hint = f"Set SESSIONSTORE_REAUTH_URL = {{{level}: ...}} to a page that asks for a second "
        hint += "factor, such as 'mfa_reauthenticate' of django-allauth."
        if url is None:
            told = f"A view wants a sign-in of level {level}, and users reach it nowhere."
            found.append(Error(told, hint=hint, id="sessionstore.E092"))
        elif _asks_for_a_password(url):
            told = f"A view wants a sign-in of level {level}; {url!r} asks for a password alone."
            found.append(Warning(told, hint=hint, id="sessionstore.W092"))
    return found


def _level_of(view: Any) -> int:
    """Return the level that a view wants, as far as it can be seen from outside."""
    own: int = getattr(getattr(view, "view_class", None), "recent_login_level", 1)
    level: int = getattr(view, "recent_login_level", own)
    return level


def _asks_for_a_password(url: str) -> bool:
    try:
        view = _view_at(resolve_url(url))
    except NoReverseMatch:  # E080 tells
        return False
    return _takes_a_password_alone(view) or _CONFIRM in _classes_of(view)


# --- the site's URLs


def _views(patterns: Any = None) -> Iterator[Any]:
    """Yield the views of ROOT_URLCONF."""
    if conf.urlconf is None:
        return
    for one in get_resolver().url_patterns if patterns is None else patterns:
        if hasattr(one, "url_patterns"):
            yield from _views(one.url_patterns)
        else:
            yield one.callback


def _our_views() -> Iterator[Any]:
    """Yield those that are ours, or built on ours."""
    for view in _views():
        if any(name.startswith(_VIEWS) for name in _classes_of(view)):
            yield view


def _classes_of(view: Any) -> list[str]:
    """Return the full names of the classes that a view is built on; of a function none."""
    return [_name(one) for one in getattr(getattr(view, "view_class", None), "__mro__", ())]


def _name(one: Any) -> str:
    return f"{one.__module__}.{one.__qualname__}"


def _is_login(view: Any) -> bool:
    return _LOGIN in _classes_of(view)


def _takes_a_password_alone(view: Any) -> bool:
    """Tell whether a view is our login as it is: one that a site has changed may ask for more."""
    if not _is_login(view):
        return False
    form = view.view_initkwargs.get("form_class", view.view_class.form_class)
    is_as_it_is = _name(view.view_class) == _LOGIN
    is_changed = not is_as_it_is and {"form_valid", "post", "dispatch"} & {*vars(view.view_class)}
    return _name(form) == _FORM and not is_changed


def _view_at(address: str) -> Any:
    """Return the view of this site that answers an address; None when there is none."""
    parts, prefix = urlsplit(address), get_script_prefix()
    if parts.netloc or not parts.path.startswith(prefix):
        return None
    path = f"/{parts.path.removeprefix(prefix)}"
    with override(get_language_from_path(path) or get_language()):
        # CommonMiddleware adds the slash.
        for candidate in (path, f"{path}/"):
            try:
                return resolve(candidate).func
            except Resolver404:
                continue
    return None


CHECKS = [
    check_forgotten_engine,
    check_csrf,
    check_login_urls,
    check_files,
    check_second_factor,
    check_reauth_url,
    check_levels,
]
