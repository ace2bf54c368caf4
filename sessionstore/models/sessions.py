"""The session table and its queries."""

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

from django.db import models
from django.db.models.functions import Substr
from django.utils.translation import gettext_lazy as _

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.codec import HEAD_BYTES
from sessionstore.core.keys import DIGEST_BYTES, ID_BYTES, as_text, handle_of, id_of, new_id
from sessionstore.core.record import USER_AGENT_LENGTH, USER_ID_LENGTH, Record

from .fields import (
    ClientField,
    FixedBytesField,
    MillisecondsField,
    NumberField,
    UserIdField,
    as_ms,
    as_shown,
    user_id_of,
)

# What a row has that no engine wrote: the tests of a site make such, and no cookie opens them.


def new_row_id() -> bytes:
    """Return a primary key."""
    return new_id(expiry.now_ms())


def digest_of_no_key() -> bytes:
    """Return a digest to which nobody knows a key."""
    return secrets.token_bytes(DIGEST_BYTES)


def this_moment() -> datetime:
    """Return now, as the fields answer it."""
    return as_shown(expiry.now_ms())


def end_by_age() -> datetime:
    """Return when a cookie that is sent now ends."""
    return as_shown(expiry.now_ms() + conf.cookie_age * 1000)


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
    version = NumberField(default=1)
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
        return as_ms(self.expires_at) > expiry.now_ms()

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
            created_at=as_ms(self.created_at),
            authenticated_at=None if signed_in is None else as_ms(signed_in),
            last_seen_at=0,
            expires_at=0,
        )
        return record.bound


class Session(AbstractSession):
    """The table ``sessionstore_session``."""

    class Meta(AbstractSession.Meta):
        db_table = "sessionstore_session"
