"""The settings: each with its type, its default and one sentence. The only reader of Django's."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.encoding import force_bytes
from django.utils.module_loading import import_string

from sessionstore.conf.express import express
from sessionstore.conf.known_devices import known_devices, mail
from sessionstore.conf.oidc import providers
from sessionstore.conf.setting import UNSET, Setting
from sessionstore.conf.values import (
    device_age_ms,
    dotted,
    duration_ms,
    flag,
    names,
    one_of,
    optional,
    pages_by_level,
    positive,
    proxies,
    text,
)
from sessionstore.core.codec import Codec
from sessionstore.core.crypto import SITE_MARK_BYTES, HiddenBytes, derive, tag
from sessionstore.core.encryption import CIPHER
from sessionstore.core.expiry import PRESETS, Policy, default_touch_interval_ms
from sessionstore.core.headers.set_cookie import CookieOptions
from sessionstore.core.keys import Keyring


class Conf:
    """All settings of the package, and what is derived from them and from Django's own."""

    database = Setting(
        "DATABASE",
        None,
        optional(text),
        "The database alias of the session table; None leaves it to the other routers.",
    )
    idle_ms = Setting(
        "IDLE_TIMEOUT",
        None,
        optional(duration_ms),
        "A session ends when it was not used for this long.",
    )
    absolute_ms = Setting(
        "ABSOLUTE_TIMEOUT",
        None,
        optional(duration_ms),
        "A session ends this long after the login (or its creation), however busy it is.",
    )
    touch_interval_ms = Setting(
        "TOUCH_INTERVAL",
        UNSET,
        lambda value: UNSET if value is UNSET else optional(duration_ms)(value),
        "A read writes the time of last use at most this often; None never writes it. By default "
        "the longer of 60 seconds and a thousandth of the idle timeout. More than a quarter of "
        "what it renews counts as that quarter.",
    )
    preset = Setting(
        "PRESET",
        None,
        optional(one_of(*PRESETS)),
        "The timeouts of an assurance level of NIST SP 800-63B-4, where none are set.",
    )
    max_bytes = Setting(
        "MAX_BYTES",
        1024 * 1024,
        positive,
        "The largest serialised session, in bytes; SessionTooLarge above it. What is stored "
        "already may be read, and stay as large as it is. With the Express engine 16777215 by "
        "default, what its column holds.",
    )
    max_per_user = Setting(
        "MAX_PER_USER",
        None,
        optional(positive),
        "How many live sessions one user may have; at one too many the oldest sign-in ends.",
    )
    record_client = Setting(
        "RECORD_CLIENT",
        "all",
        one_of("all", "shortened", "nothing"),
        "What is recorded of a signed-in client: address and user agent, the address shortened "
        "to /24 or /48, or nothing.",
    )
    trusted_proxies = Setting(
        "TRUSTED_PROXIES",
        None,
        optional(proxies),
        "How many proxies of yours are before the site, or a list of their addresses and networks: "
        "what they write into X-Forwarded-For is believed. {'Forwarded': ...} for RFC 7239's.",
    )
    client_ip = Setting(
        "CLIENT_IP_CALLABLE",
        "sessionstore.clients.remote_addr",
        dotted,
        "The dotted path of a callable that answers a request's address, where "
        "SESSIONSTORE_TRUSTED_PROXIES cannot tell it.",
    )
    clear_site_data = Setting(
        "CLEAR_SITE_DATA",
        (),
        names,
        "What the logout view tells the browser to clear, for instance ['cookies'].",
    )
    reauth_urls = Setting(
        "REAUTH_URL",
        None,
        optional(pages_by_level),
        "The page (URL or its name) where users prove who they are again, or one for each level of "
        "@recent_login_required, {1: ..., 2: ...}; None is our own, for level 1.",
    )
    adopt_from = Setting(
        "ADOPT_FROM",
        None,
        optional(text),
        "The engine whose cookies are still accepted; its sessions move here on first use.",
    )
    cleanup_interval_ms = Setting(
        "CLEANUP_INTERVAL",
        None,
        optional(duration_ms),
        "Delete expired sessions in the background of a web process, about this often.",
    )
    encrypt = Setting(
        "ENCRYPT",
        False,
        flag,
        "Encrypt the data of each session under a key that only its cookie completes.",
    )
    device_age_ms = Setting(
        "BIND_DEVICE",
        False,
        device_age_ms,
        "Bind each login to a key that does not leave the browser's device, where the browser can "
        "(experimental): True, or for how long a proof of the key counts, which is 10 minutes.",
    )
    known_devices = Setting(
        "KNOWN_DEVICES",
        False,
        known_devices,
        "Know a browser in which its user has signed in before, by a cookie that signs nobody in: "
        "True (400 days from the last sign-in), a duration, or a dict of 'age', 'most' (devices of "
        "a user, 20) and 'end_with_password' (False).",
    )
    new_device_mail = Setting(
        "NEW_DEVICE_MAIL",
        False,
        mail,
        "Send a mail to users who have signed in with a browser that was not known: True, or the "
        "dotted path of a task or a function that sends it.",
    )
    history_ms = Setting(
        "HISTORY",
        None,
        optional(duration_ms),
        "Keep what happened to the sessions of users, for so long: clearsessions deletes older "
        "events. None writes down nothing.",
    )
    express = Setting(
        "EXPRESS",
        None,
        optional(express),
        "How to find and read the table and the cookies of express-session.",
        is_secret=True,
    )
    oidc = Setting(
        "OIDC",
        {},
        providers,
        "The OpenID providers that may sign users out: a dict of each issuer to its client_id and "
        "jwks_url.",
    )

    @classmethod
    def all_settings(cls) -> list[Setting[Any]]:
        return [value for value in vars(cls).values() if isinstance(value, Setting)]

    @cached_property
    def timeouts_ms(self) -> tuple[int | None, int | None]:
        """The idle and the absolute timeout; a preset fills in what is not set."""
        idle, absolute = PRESETS[self.preset] if self.preset else (None, None)
        return self.idle_ms or idle, self.absolute_ms or absolute

    def reauth_url(self, level: int = 1) -> str | None:
        """Return the page where users reach a level, the next higher one's for want of its own.

        None where there is none; for level 1 that means ours.
        """
        pages = self.reauth_urls or {}
        reaching = [at for at in pages if at >= level] if level > 1 else [1]
        return pages.get(min(reaching, default=0), pages.get(0))

    @cached_property
    def policy(self) -> Policy:
        idle, absolute = self.timeouts_ms
        interval = self.touch_interval_ms
        return Policy(
            idle_ms=idle,
            absolute_ms=absolute,
            touch_interval_ms=default_touch_interval_ms(idle) if interval is UNSET else interval,
            slides=idle is not None or self.save_every_request,
        )

    @cached_property
    def size_limit(self) -> int:
        """MAX_BYTES; where nobody has set it, what the engine takes if that is more.

        Express has no limit but its column, and a session that it made has to go on working here.
        """
        if "SESSIONSTORE_MAX_BYTES" in self.names_with_prefix():
            return self.max_bytes
        engine = import_string(f"{self.engine_path}.SessionStore")
        return max(self.max_bytes, getattr(engine, "column_bytes", 0))

    @cached_property
    def secrets(self) -> tuple[HiddenBytes, ...]:
        """SECRET_KEY, then SECRET_KEY_FALLBACKS."""
        given = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        return tuple(HiddenBytes(force_bytes(secret)) for secret in given)

    @cached_property
    def keyring(self) -> Keyring:
        return Keyring(self.secrets)

    @cached_property
    def site_marks(self) -> list[bytes]:
        """What rows of this site have that hold no sealed data, by each secret; the first writes.

        Security: another site that shares a table may have users with the same keys.
        """
        return [tag(derive(one, "site.2"), b"", length=SITE_MARK_BYTES) for one in self.secrets]

    @cached_property
    def codec(self) -> Codec:
        return Codec(self.secrets, self.max_bytes, cipher=CIPHER, encrypts=self.encrypt)

    @cached_property
    def serializer(self) -> Any:
        """The class that SESSION_SERIALIZER names."""
        return import_string(self.serializer_path)

    @property
    def serializer_path(self) -> str:
        return settings.SESSION_SERIALIZER

    @property
    def cache_alias(self) -> str:
        return settings.SESSION_CACHE_ALIAS

    @property
    def cache_options(self) -> dict[str, Any] | None:
        """The configuration of the cache in front of cached_sql; None when there is none."""
        return settings.CACHES.get(settings.SESSION_CACHE_ALIAS)

    @property
    def django_redis_hides_failures(self) -> bool:
        return bool(getattr(settings, "DJANGO_REDIS_IGNORE_EXCEPTIONS", False))

    @property
    def engine_path(self) -> str:
        return settings.SESSION_ENGINE

    @property
    def middleware(self) -> Sequence[str]:
        return settings.MIDDLEWARE

    @staticmethod
    def names_with_prefix() -> list[str]:
        return sorted(name for name in dir(settings) if name.startswith("SESSIONSTORE_"))

    @staticmethod
    def is_set(name: str) -> bool:
        """Tell whether the project has set a setting of Django's, whatever to."""
        lazy: Any = settings  # django-stubs do not know the method
        return bool(lazy.is_overridden(name))

    @property
    def urlconf(self) -> str | None:
        return getattr(settings, "ROOT_URLCONF", None)

    @property
    def login_url(self) -> Any:
        return settings.LOGIN_URL

    @property
    def login_redirect_url(self) -> Any:
        return settings.LOGIN_REDIRECT_URL

    @property
    def static_url(self) -> str | None:
        return settings.STATIC_URL

    @property
    def csrf_uses_sessions(self) -> bool:
        return settings.CSRF_USE_SESSIONS

    @property
    def save_every_request(self) -> bool:
        return settings.SESSION_SAVE_EVERY_REQUEST

    @property
    def cookie_name(self) -> str:
        return settings.SESSION_COOKIE_NAME

    @cached_property
    def device_cookie_name(self) -> str:
        """The cookie that a browser gets for a proof that it has the key of its device."""
        return f"{settings.SESSION_COOKIE_NAME}_device"

    @cached_property
    def visitor_cookie_name(self) -> str:
        """The cookie of a visitor who has given no such proof: it must not replace the other."""
        return f"{settings.SESSION_COOKIE_NAME}_visitor"

    @property
    def known_device_cookie_name(self) -> str:
        """The cookie by which a browser is known to users who have signed in there."""
        return "__Host-known_device" if settings.SESSION_COOKIE_SECURE else "known_device"

    @property
    def cookie_age(self) -> int:
        return settings.SESSION_COOKIE_AGE

    @property
    def expires_at_browser_close(self) -> bool:
        return settings.SESSION_EXPIRE_AT_BROWSER_CLOSE

    @property
    def authentication_backends(self) -> Sequence[str]:
        return settings.AUTHENTICATION_BACKENDS

    @property
    def use_tz(self) -> bool:
        return settings.USE_TZ

    @property
    def tenant_model(self) -> str | None:
        """The model of django-tenants that has a row for each schema."""
        return getattr(settings, "TENANT_MODEL", None)

    @property
    def tenant_apps(self) -> Sequence[str]:
        """The apps whose tables each of its tenants has."""
        return getattr(settings, "TENANT_APPS", ())

    @property
    def public_schema(self) -> str:
        """The schema that its tenants share."""
        return getattr(settings, "PUBLIC_SCHEMA_NAME", "public")

    @property
    def language(self) -> str:
        return settings.LANGUAGE_CODE

    @property
    def debug(self) -> bool:
        return settings.DEBUG

    @property
    def cookie_options(self) -> CookieOptions:
        return CookieOptions(
            path=settings.SESSION_COOKIE_PATH,
            domain=settings.SESSION_COOKIE_DOMAIN,
            samesite=settings.SESSION_COOKIE_SAMESITE,
            secure=settings.SESSION_COOKIE_SECURE or False,
            httponly=settings.SESSION_COOKIE_HTTPONLY or False,
        )


conf = Conf()


def forget(**_: Any) -> None:
    """Drop everything that was parsed or derived: any setting may be a part of it."""
    conf.__dict__.clear()


setting_changed.connect(forget, dispatch_uid="sessionstore.conf")
