"""The names that others know sessions by: a provider's, a device's."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from sessionstore.core.keys import DIGEST_BYTES, ID_BYTES
from sessionstore.core.record import USER_ID_LENGTH

from .fields import ClientField, FixedBytesField, MillisecondsField, UserIdField

ISSUER_LENGTH = 255


class Link(models.Model):
    """A session, and a name that somebody outside knows it by.

    No foreign key: the end of a session stays one DELETE. A link whose session has ended means
    nothing any more, and ``clearsessions`` forgets it.
    """

    # Of who names the session and how: nobody finds the name, or guesses it, in a dump.
    digest = FixedBytesField(max_length=DIGEST_BYTES, editable=False)
    # What the handle of the session spells. With Express too, whose own id is a secret.
    session_id = FixedBytesField(max_length=ID_BYTES, editable=False, db_index=True)
    # Whose it was when it was linked.
    user_id = UserIdField(_("user"), max_length=USER_ID_LENGTH, null=True)
    # To be read: which provider that is, is no secret. Nothing is found by it.
    issuer = ClientField(_("issuer"), max_length=ISSUER_LENGTH)
    created_at = MillisecondsField(_("created"))

    class Meta:
        db_table = "sessionstore_link"
        verbose_name = _("link")
        verbose_name_plural = _("links")
        constraints = (
            models.UniqueConstraint(fields=("digest", "session_id"), name="sessionstore_link_once"),
        )

    def __str__(self) -> str:
        return str(self.issuer)
