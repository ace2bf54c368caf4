"""The columns of our tables, and a user's key as they hold it."""

import re
import warnings
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from sessionstore.conf import conf
from sessionstore.conf.zones import aware, shown
from sessionstore.core import expiry

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


def column_in_order(rows: Any, name: str) -> Any:
    """Return one column of a queryset that is ordered by it.

    Optimization: Django orders by the place of a column that is selected, and there SQLite finds
    what the column is read as. No index has that, so every row was read and sorted.
    """
    return rows.annotate(read_as=models.F(name)).values_list("read_as", flat=True)


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


class NumberField(_ReadAs, _BigIntegerField):
    """A whole number. The column is a BigIntegerField's, and migrations call it so."""

    sqlite_type = "INTEGER"

    def deconstruct(self) -> Any:
        name, _, args, options = models.BigIntegerField.deconstruct(self)
        return name, "django.db.models.BigIntegerField", args, options


class MillisecondsField(_ReadAs, _BigIntegerField):
    """Milliseconds since 1970 UTC in the table, in Python what a DateTimeField answers and takes.

    A number means one moment, whatever USE_TZ, the server's zone or the clock change says. A
    datetime is aware, or with USE_TZ = False naive in TIME_ZONE. A number that is no date is shown
    as the first or the last one.
    """

    sqlite_type = "INTEGER"

    def from_db_value(self, value: int | None, *_: Any) -> datetime | None:
        return None if value is None else as_shown(value)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, int):
            return as_shown(value)
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


def as_shown(milliseconds: int) -> datetime:
    return shown(expiry.to_datetime(expiry.within_dates(milliseconds)))


def as_ms(moment: datetime) -> int:
    return expiry.to_ms(aware(moment))


def mark_of_this_site() -> bytes:
    """Return what rows of this site have, where two share a table."""
    return conf.site_marks[0]


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
