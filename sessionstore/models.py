# ruff: noqa: DJ001 - null is "nobody" and "not recorded", which an empty string could not say
"""The session table, its fields and its queries."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.keys import DIGEST_BYTES, digest_range, handle_of
from sessionstore.core.record import USER_AGENT_LENGTH, USER_ID_LENGTH

if TYPE_CHECKING:
    # Compat: Django's fields are generic for the type checker only.
    _BinaryField = models.BinaryField[Any, Any]
    _CharField = models.CharField[Any, Any]
    _BigIntegerField = models.BigIntegerField[Any, Any]
else:
    _BinaryField = models.BinaryField
    _CharField = models.CharField
    _BigIntegerField = models.BigIntegerField


class DigestField(_BinaryField):
    """32 raw bytes that can be a primary key on every database."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "max_length": DIGEST_BYTES})

    def db_type(self, connection: Any) -> str | None:
        if connection.vendor == "mysql":
            return f"binary({DIGEST_BYTES})"
        return super().db_type(connection)


class UserIdField(_CharField):
    """A user's primary key as text; a and A are two users on MySQL too."""

    def db_type(self, connection: Any) -> str | None:
        if connection.vendor == "mysql":
            return f"varchar({self.max_length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        return super().db_type(connection)


class MillisecondsField(_BigIntegerField):
    """Milliseconds since 1970 UTC in the table, an aware datetime in Python.

    A number means one moment, whatever USE_TZ, the server's zone or the clock change says.
    """

    def from_db_value(self, value: int | None, *_: Any) -> datetime | None:
        return None if value is None else expiry.to_datetime(value)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        return expiry.to_datetime(value) if isinstance(value, int) else value

    def get_prep_value(self, value: Any) -> int | None:
        if isinstance(value, datetime):
            return expiry.to_ms(value if value.tzinfo else value.replace(tzinfo=UTC))
        return value if value is None else int(value)

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else value.isoformat()


def user_id_of(user: Any) -> str:
    """Answer a user's key as a login stores it; from an instance or from a key of any form.

    Security: "7" and 7, or a UUID with and without dashes, are one user (CVE-2026-82311).
    """
    is_instance = isinstance(user, models.Model)
    pk: Any = (user if is_instance else get_user_model())._meta.pk
    try:
        value = pk.to_python(user.pk if is_instance else user)
    except ValidationError:  # no key of these users, so nobody's
        return str(user)
    return str(pk.value_to_string(SimpleNamespace(**{pk.attname: value})))


class SessionQuerySet(models.QuerySet["AbstractSession"]):
    """Queries for people who come from Django's own table."""

    def live(self) -> "SessionQuerySet":
        """Sessions that a request would still accept."""
        return self.filter(expires_at__gt=expiry.now_ms())

    def expired(self) -> "SessionQuerySet":
        """Sessions that only wait for ``clearsessions``."""
        return self.filter(expires_at__lte=expiry.now_ms())

    def for_user(self, user: Any) -> "SessionQuerySet":
        """Sessions of a user, given as an instance or as its primary key of any type."""
        return self.filter(user_id=user_id_of(user))

    def by_key(self, key: str) -> "SessionQuerySet":
        """The session that a cookie's value opens; none for a malformed or forged one."""
        opened = conf.keyring.open(key)
        return self.filter(pk=opened.id) if opened else self.none()

    def by_handle(self, handle: str) -> "SessionQuerySet":
        """The session that a page, a log or a signal names; none for what is no handle."""
        try:
            low, high = digest_range(handle)
        except ValueError:
            return self.none()
        return self.filter(pk__gte=low, pk__lte=high)


class AbstractSession(models.Model):
    """The columns of a session, for a table of your own: subclass it and add what you need."""

    # Lets SessionRouter recognise the tables of other apps.
    is_session_table = True

    digest = DigestField(primary_key=True, editable=False)
    data = models.BinaryField()
    version = models.BigIntegerField()
    user_id = UserIdField(_("user"), max_length=USER_ID_LENGTH, null=True, db_index=True)
    created_at = MillisecondsField(_("created"))
    authenticated_at = MillisecondsField(_("signed in"), null=True)
    last_seen_at = MillisecondsField(_("last seen"))
    expires_at = MillisecondsField(_("expires"), db_index=True)
    ip = models.CharField(_("address"), max_length=45, null=True)
    user_agent = models.CharField(_("browser"), max_length=USER_AGENT_LENGTH, null=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        abstract = True
        verbose_name = _("session")
        verbose_name_plural = _("sessions")

    def __str__(self) -> str:
        return self.handle

    @property
    def handle(self) -> str:
        """The name by which pages and logs may call this session; it opens nothing."""
        return handle_of(bytes(self.digest))

    @property
    def is_live(self) -> bool:
        return expiry.to_ms(self.expires_at) > expiry.now_ms()

    def get_decoded(self) -> dict[str, Any]:
        """Answer the session's data; empty when damaged, encrypted, or of another serializer."""
        decoded = conf.codec.decode_sealed(bytes(self.data), bytes(self.digest))
        try:
            return dict(conf.serializer().loads(decoded.payload)) if decoded else {}
        except Exception:  # noqa: BLE001 - a serializer may raise anything
            return {}


class Session(AbstractSession):
    """The table ``sessionstore_session``."""

    class Meta(AbstractSession.Meta):
        db_table = "sessionstore_session"
