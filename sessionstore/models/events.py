"""The table of what happened to the sessions of users. It is added to, and never changed."""

import time
from collections.abc import Iterable
from typing import Any, ClassVar, NoReturn, Self, cast

from django.db import models
from django.utils.translation import gettext_lazy as _

from sessionstore.conf import conf
from sessionstore.core.crypto import SITE_MARK_BYTES
from sessionstore.core.keys import ID_BYTES, ordered_id
from sessionstore.core.record import USER_AGENT_LENGTH, USER_ID_LENGTH
from sessionstore.core.sign_ins.facts import SignIn
from sessionstore.exceptions import AppendOnly

from .fields import (
    ClientField,
    FixedBytesField,
    MillisecondsField,
    UserIdField,
    as_ms,
    mark_of_this_site,
    user_id_of,
)
from .sessions import this_moment

HANDLE_LENGTH = 22
# A statement that forgets a user deletes so many rows: more would hold locks for too long.
_BATCH = 500


def new_event_id() -> bytes:
    """Return a primary key that comes after those of the same process."""
    return ordered_id(time.time_ns())


class What(models.TextChoices):
    """What happened."""

    SIGNED_IN = "signed_in", _("Signed in")
    CONFIRMED = "confirmed", _("Confirmed who it is")
    NOT_CONFIRMED = "not_confirmed", _("Wrong password while signed in")
    NEW_KEY = "new_key", _("Session key renewed")
    ENDED = "ended", _("Signed out")
    EXPIRED = "expired", _("Session ran out")
    NEW_DEVICE = "new_device", _("New device")
    PASSWORD_CHANGED = "password_changed", _("Password changed")
    ACTING_BEGAN = "acting_began", _("Somebody else began to act in this name")
    ACTING_ENDED = "acting_ended", _("Somebody else ceased to act in this name")


class EventQuerySet(models.QuerySet["SessionEvent"]):
    """Events are read; only ``forget`` and the clean-up take some away."""

    def of_user(self, user: Any) -> Self:
        """Those about the sessions of a user, given as an instance or a key; the newest first."""
        return self.own().filter(user_id=user_id_of(user)).order_by("-pk")

    def own(self) -> Self:
        """Those that this site has written: another one may share the table."""
        return self.filter(site__in=conf.site_marks)

    def forget(self, user: Any) -> int:
        """Delete whatever is kept about a user, for whoever has a right to that; return how many.

        Also where the user has acted in another one's sessions: the event stays, the name goes.
        """
        user_id, forgotten = user_id_of(user), 0
        acted: Any = models.QuerySet(self.model, using=self.db).filter(actor_id=user_id)
        acted = acted.filter(site__in=conf.site_marks).exclude(user_id=user_id)
        acted.update(actor_id=None)
        while ids := list(self.of_user(user).values_list("pk", flat=True)[:_BATCH]):
            forgotten += self.filter(pk__in=ids).remove()
        return forgotten

    def remove(self) -> int:
        """Delete these rows by one statement: for the clean-up, whose setting says what is old."""
        rows: Any = self
        return int(rows._raw_delete(self.db))

    def update(self, **_: Any) -> NoReturn:
        raise AppendOnly(_REFUSAL)

    def delete(self) -> NoReturn:
        raise AppendOnly(_REFUSAL)


class SessionEvent(models.Model):
    """One thing that happened to the session of a user.

    ``user_id`` is whose session, ``actor_id`` who did it, where that is known. Its address and
    browser are those of the user alone, never those of staff. No foreign key: it outlives sessions
    and accounts.
    """

    # Time-ordered, made by the writer: by it old ones are found, and one that is written again.
    id = FixedBytesField(
        primary_key=True, max_length=ID_BYTES, editable=False, default=new_event_id
    )
    happened_at = MillisecondsField(_("when"), default=this_moment)
    # One of What; without choices, so that a further kind needs no migration.
    what = ClientField(_("what"), max_length=24)
    user_id = UserIdField(_("user"), max_length=USER_ID_LENGTH)
    handle = ClientField(_("session"), max_length=HANDLE_LENGTH, null=True)
    reason = ClientField(_("why"), max_length=24, null=True)
    actor_id = UserIdField(_("by"), max_length=USER_ID_LENGTH, null=True)
    ip = ClientField(_("address"), max_length=45, null=True)
    user_agent = ClientField(_("browser"), max_length=USER_AGENT_LENGTH, null=True)
    # Which of the sites that share the table has written it.
    site = FixedBytesField(max_length=SITE_MARK_BYTES, editable=False, default=mark_of_this_site)
    # What else is known of it, such as how somebody signed in.
    facts = models.JSONField(default=dict)

    objects: "ClassVar[models.Manager[Self]]" = cast("Any", EventQuerySet.as_manager())

    class Meta:
        db_table = "sessionstore_event"
        verbose_name = _("event")
        verbose_name_plural = _("session events")
        indexes = [models.Index(fields=["user_id", "id"], name="sessionstore_event_of_user")]

    def __str__(self) -> str:
        return f"{self.what} ({self.handle})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert it. Raises AppendOnly for one that is there."""
        if not self._state.adding:
            raise AppendOnly(_REFUSAL)
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        raise AppendOnly(_REFUSAL)

    @property
    def words(self) -> str:
        """What happened, in the reader's language."""
        return str(What(self.what).label) if self.what in What.values else self.what

    @property
    def sign_ins(self) -> list[SignIn]:
        """How its user has proved who they are, where that is what happened."""
        at = as_ms(self.happened_at)
        return [
            SignIn(one["method"], at, one["level"], one["provider"])
            for one in self.facts.get("methods", ())
        ]


def facts_of(proofs: Iterable[SignIn]) -> dict[str, Any]:
    """Return what ``SessionEvent.facts`` keeps of proofs; {} where no method is known."""
    methods = [
        {"method": one.method, "level": one.level, "provider": one.provider}
        for one in proofs
        if one.method
    ]
    return {"methods": methods} if methods else {}


_REFUSAL = (
    "An event of the history is never changed or deleted. clearsessions deletes what is older than "
    "SESSIONSTORE_HISTORY; SessionEvent.objects.forget(user) deletes what is kept about a user."
)
