"""The session table, its fields and its queries."""

import re
import secrets
import warnings
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Substr
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessionstore.conf import conf
from sessionstore.conf.zones import aware, shown
from sessionstore.core import expiry
from sessionstore.core.codec import HEAD_BYTES
from sessionstore.core.keys import DIGEST_BYTES, ID_BYTES, as_text, handle_of, id_of, new_id
from sessionstore.core.record import USER_AGENT_LENGTH, USER_ID_LENGTH, Record

if TYPE_CHECKING:
    # Compat: Django's fields are generic for the type checker only.
    _BinaryField = models.BinaryField[Any, Any]
    _CharField = models.CharField[Any, Any]
    _BigIntegerField = models.BigIntegerField[Any, Any]
else:
    _BinaryField = models.BinaryField
    _CharField = models.CharField
    _BigIntegerField = models.BigIntegerField


class _ReadAs:
    """Mixed into fields: SQLite keeps values of any type in any column, and reads them as this.

    Security: no value, whoever has put it there, may keep a row from being read, and so from being
    ended.
    """

    sqlite_type: ClassVar = "BLOB"

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        if compiler.connection.vendor == "sqlite":
            sql = f"CAST({sql} AS {self.sqlite_type})"
        return sql, params

    def deconstruct(self) -> Any:
        """Leave the default out: it is for rows made in Python, and no migration has to name it."""
        parent: Any = super()
        name, path, args, options = parent.deconstruct()
        options.pop("default", None)
        return name, path, args, options


class _Text(_ReadAs):
    """Mixed into fields: text of which SQLite may hold any bytes."""

    def from_db_value(self, value: Any, *_: Any) -> str | None:
        return value.decode(errors="replace") if isinstance(value, bytes) else value


class FixedBytesField(_ReadAs, _BinaryField):
    """So many raw bytes, which can be a key on every database; ``max_length`` tells how many."""

    def db_type(self, connection: Any) -> str | None:
        if connection.vendor == "mysql":
            return f"binary({self.max_length})"
        return super().db_type(connection)


class UserIdField(_Text, _CharField):
    """A user's primary key as text, compared byte for byte on MySQL and MariaDB too."""

    def db_type(self, connection: Any) -> str | None:
        if connection.vendor == "mysql":
            # Security: utf8mb4_bin would take "a" and "a " for one user.
            name = "utf8mb4_nopad_bin" if connection.mysql_is_mariadb else "utf8mb4_0900_bin"
            return f"varchar({self.max_length}) CHARACTER SET utf8mb4 COLLATE {name}"
        return super().db_type(connection)


class ClientField(_Text, _CharField):
    """What a browser says of itself. The column is a CharField's, and migrations call it so."""

    def deconstruct(self) -> Any:
        name, _, args, options = super().deconstruct()
        return name, "django.db.models.CharField", args, options


class MillisecondsField(_ReadAs, _BigIntegerField):
    """Milliseconds since 1970 UTC in the table, in Python what a DateTimeField answers and takes.

    A number means one moment, whatever USE_TZ, the server's zone or the clock change says. A
    datetime is aware, or with USE_TZ = False naive in TIME_ZONE. A number that is no date is shown
    as the first or the last one.
    """

    sqlite_type = "INTEGER"

    def from_db_value(self, value: int | None, *_: Any) -> datetime | None:
        return None if value is None else _shown(value)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, int):
            return _shown(value)
        return _datetimes.to_python(value)

    def get_prep_value(self, value: Any) -> int | None:
        if value is None or isinstance(value, int | float):
            return None if value is None else int(value)
        moment = _datetimes.to_python(value)
        if conf.use_tz and timezone.is_naive(moment):
            message = f"{self} received a naive datetime ({moment}) while USE_TZ is True."
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        return expiry.to_ms(aware(moment, naive_in=timezone.get_default_timezone()))

    @property
    def validators(self) -> Any:
        """Return the field's own: those of numbers would compare their limits with datetimes."""
        field: Any = self
        return field._validators

    def value_to_string(self, obj: models.Model) -> str:
        """Return the moment in UTC, for a naive one is none when the clock is put back."""
        value = self.value_from_object(obj)
        return "" if value is None else aware(self.to_python(value)).isoformat()

    def formfield(self, **options: Any) -> Any:
        """Return a field for a datetime, also to the admin, which brings the box for a number."""
        widget = options.get("widget")
        if isinstance(widget, type) and issubclass(widget, forms.NumberInput):
            del options["widget"]
        return models.Field.formfield(self, **{"form_class": forms.DateTimeField, **options})


def _shown(milliseconds: int) -> datetime:
    return shown(expiry.to_datetime(expiry.within_dates(milliseconds)))


def _ms(moment: datetime) -> int:
    return expiry.to_ms(aware(moment))


# What it makes of texts and dates, with its messages.
_datetimes: Any = models.DateTimeField()


def user_id_of(user: Any) -> str:
    """Return a user's key as a login stores it; from an instance or from a key of any form.

    Security: "7" and 7, or a UUID with and without dashes, are one user (CVE-2026-82311).
    """
    is_instance = isinstance(user, models.Model)
    pk: Any = (user if is_instance else get_user_model())._meta.pk
    try:
        value = pk.to_python(user.pk if is_instance else user)
    except ValidationError:  # no key of these users, so nobody's
        return str(user)
    return str(pk.value_to_string(SimpleNamespace(**{pk.attname: value})))


def user_key_of(user_id: Any) -> Any:
    """Return the key of a user that a session's text means; None when these users have no such.

    That may be left over from another AUTH_USER_MODEL. A number or a text that no database takes is
    none either: asked for, it would be an error and no answer.
    """
    pk: Any = get_user_model()._meta.pk
    while pk.remote_field:  # that of a child is its parent's
        pk = pk.target_field
    try:
        key = pk.to_python(user_id)
        pk.run_validators(key)
    except (ValidationError, ValueError, TypeError, OverflowError):
        return None
    if isinstance(key, int) and not -(2**63) <= key < 2**63:
        return None
    return None if isinstance(key, str) and _no_text_of_a_database(key) else key


# NUL, and halves of a character of UTF-16.
_no_text_of_a_database = re.compile("[\0\ud800-\udfff]").search


# What a row has that no engine wrote: the tests of a site make such, and no cookie opens them.


def new_row_id() -> bytes:
    """Return a primary key."""
    return new_id(expiry.now_ms())


def digest_of_no_key() -> bytes:
    """Return a digest to which nobody knows a key."""
    return secrets.token_bytes(DIGEST_BYTES)


def this_moment() -> datetime:
    """Return now, as the fields answer it."""
    return _shown(expiry.now_ms())


def end_by_age() -> datetime:
    """Return when a cookie that is sent now ends."""
    return _shown(expiry.now_ms() + conf.cookie_age * 1000)


S = TypeVar("S", bound="AbstractSession")

# An uncompressed point on P-256: 04, x, y.
DEVICE_KEY_BYTES = 65
DEVICE_NAME_LENGTH = 64
# So many rows are read at once, where those of another site stand between one's own.
_FURTHER_ROWS = 100


class SessionQuerySet(models.QuerySet[S]):
    """Queries for people who come from Django's own table."""

    def live(self) -> Self:
        """Sessions that a request would still accept."""
        return self.filter(expires_at__gt=expiry.now_ms())

    def expired(self) -> Self:
        """Sessions that only wait for ``clearsessions``."""
        return self.filter(expires_at__lte=expiry.now_ms())

    def for_user(self, user: Any) -> Self:
        """Sessions of a user, given as an instance or as its primary key of any type."""
        return self.filter(user_id=user_id_of(user))

    def by_key(self, key: str) -> Self:
        """The session that a cookie's value opens; none for a malformed or forged one."""
        opened = conf.keyring.open(as_text(key))
        return self.filter(digest=opened.digest) if opened else self.none()

    def with_head(self, *, ending: bool = False) -> Self:
        """Leave the data out, but for what tells who has written them: ``is_foreign``.

        Rows that are ``ending`` have their digest, by which whoever comes back is told why.
        """
        head = Substr("data", 1, HEAD_BYTES, output_field=FixedBytesField(max_length=HEAD_BYTES))
        # Security: what is not read is in no error report.
        unread = ("data", "previous_digest") if ending else ("data", "digest", "previous_digest")
        return self.defer(*unread).annotate(data_head=head)

    def own(self, most: int | None = None, *, ending: bool = False) -> list[S]:
        """Return the first ``most`` rows that this site has written; all of them without a number.

        Rows of another site, which shares the table, are left out, and cost a further query.
        """
        rows, own, seen = self.with_head(ending=ending), list[S](), 0
        if most is None:
            return [row for row in rows if not row.is_foreign]
        wanted = most
        while len(own) < most:
            found = list(rows[seen : seen + wanted])
            own += [row for row in found if not row.is_foreign]
            if len(found) < wanted:
                break
            seen, wanted = seen + wanted, max(most, _FURTHER_ROWS)
        return own[:most]

    def after(self, last: bytes) -> Self:
        """What follows an id, in the order of ids: for a loop that reads a page at a time."""
        return self.filter(pk__gt=last).order_by("pk")

    def by_handle(self, handle: str) -> Self:
        """The session that a page, a log or a signal names; none for what is no handle."""
        try:
            return self.filter(pk=id_of(handle))
        except ValueError:
            return self.none()


if TYPE_CHECKING:

    class SessionManager(models.Manager[S]):
        """What ``as_manager()`` makes of the queries: of type checkers only mypy's plugin knows."""

        def get_queryset(self) -> SessionQuerySet[S]: ...
        def all(self) -> SessionQuerySet[S]: ...
        def filter(self, *args: Any, **kwargs: Any) -> SessionQuerySet[S]: ...
        def exclude(self, *args: Any, **kwargs: Any) -> SessionQuerySet[S]: ...
        def order_by(self, *field_names: Any) -> SessionQuerySet[S]: ...
        def using(self, alias: str | None) -> SessionQuerySet[S]: ...
        def live(self) -> SessionQuerySet[S]: ...
        def expired(self) -> SessionQuerySet[S]: ...
        def for_user(self, user: Any) -> SessionQuerySet[S]: ...
        def by_key(self, key: str) -> SessionQuerySet[S]: ...
        def by_handle(self, handle: str) -> SessionQuerySet[S]: ...
        def with_head(self, *, ending: bool = False) -> SessionQuerySet[S]: ...
        def own(self, most: int | None = None, *, ending: bool = False) -> list[S]: ...
        def after(self, last: bytes) -> SessionQuerySet[S]: ...


class AbstractSession(models.Model):
    """The columns of a session, for a table of your own: subclass it and add what you need."""

    # Lets SessionRouter recognise the tables of other apps.
    is_session_table = True

    id = FixedBytesField(primary_key=True, max_length=ID_BYTES, editable=False, default=new_row_id)
    digest = FixedBytesField(
        unique=True, max_length=DIGEST_BYTES, editable=False, default=digest_of_no_key
    )
    # What the digest was before the last change of key, and when that was.
    previous_digest = FixedBytesField(
        null=True, db_index=True, max_length=DIGEST_BYTES, editable=False
    )
    cycled_at = MillisecondsField(null=True, editable=False)
    data = models.BinaryField(default=b"")
    version = models.BigIntegerField(default=1)
    user_id = UserIdField(_("user"), max_length=USER_ID_LENGTH, null=True, db_index=True)
    created_at = MillisecondsField(_("created"), default=this_moment)
    authenticated_at = MillisecondsField(_("signed in"), null=True)
    last_seen_at = MillisecondsField(_("last seen"), default=this_moment)
    expires_at = MillisecondsField(_("expires"), db_index=True, default=end_by_age)
    # A browser that has bound the session to a key of its device.
    device_key = models.BinaryField(null=True, max_length=DEVICE_KEY_BYTES, editable=False)
    bound_at = MillisecondsField(null=True, editable=False)
    # Null is "not recorded", as it is "nobody" above: an empty string could not say that.
    ip = ClientField(_("address"), max_length=45, null=True)
    user_agent = ClientField(_("browser"), max_length=USER_AGENT_LENGTH, null=True)
    # What its user calls the device; in no statement of a request.
    device_name = ClientField(_("name"), max_length=DEVICE_NAME_LENGTH, null=True)

    objects: "ClassVar[SessionManager[Self]]" = cast("Any", SessionQuerySet.as_manager())

    class Meta:
        abstract = True
        verbose_name = _("session")
        verbose_name_plural = _("sessions")

    def __str__(self) -> str:
        return self.handle

    @property
    def handle(self) -> str:
        """The name by which pages and logs may call this session; it opens nothing."""
        return handle_of(bytes(self.id))

    @property
    def is_live(self) -> bool:
        """Tell whether the row's own end is to come; a timeout tightened since may end it first."""
        return _ms(self.expires_at) > expiry.now_ms()

    @property
    def is_foreign(self) -> bool:
        """Tell whether another site, which shares the table, has written the row.

        Security: its users are not ours, though their keys may be the same. The SECRET_KEY tells.
        """
        has_head = hasattr(self, "data_head")
        # SQLite's head of nothing is NULL.
        head = (getattr(self, "data_head", None) or b"") if has_head else self.data[:HEAD_BYTES]
        return conf.codec.is_foreign(bytes(head), bytes(self.id))

    def get_decoded(self) -> dict[str, Any]:
        """Return the session's data; empty when damaged, encrypted, or of another serializer."""
        try:
            decoded = conf.codec.decode(bytes(self.data), self._bound)
            return dict(conf.serializer().loads(decoded.payload)) if decoded else {}
        except Exception:  # noqa: BLE001 - a serializer may raise anything
            return {}

    @property
    def _bound(self) -> bytes:
        """What the row's data are sealed to; nothing else of the record counts for it."""
        signed_in = self.authenticated_at
        record = Record(
            id=bytes(self.id),
            digest=bytes(self.digest),
            data=b"",
            version=None,
            user_id=self.user_id,
            created_at=_ms(self.created_at),
            authenticated_at=None if signed_in is None else _ms(signed_in),
            last_seen_at=0,
            expires_at=0,
        )
        return record.bound


class Session(AbstractSession):
    """The table ``sessionstore_session``."""

    class Meta(AbstractSession.Meta):
        db_table = "sessionstore_session"
