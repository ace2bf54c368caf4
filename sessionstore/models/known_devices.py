"""The browsers that users have signed in with before."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from sessionstore.conf import conf
from sessionstore.core.crypto import SITE_MARK_BYTES
from sessionstore.core.keys import DIGEST_BYTES, ID_BYTES, handle_of
from sessionstore.core.record import USER_AGENT_LENGTH, USER_ID_LENGTH

from .fields import (
    ClientField,
    FixedBytesField,
    MillisecondsField,
    UserIdField,
    mark_of_this_site,
)
from .sessions import DEVICE_NAME_LENGTH

SEAL_BYTES = 16


class KnownDevice(models.Model):
    """A browser, as one user knows it. Another user of the same browser has another row.

    Its cookie signs nobody in: it tells whether this user has signed in there before.
    """

    id = FixedBytesField(primary_key=True, max_length=ID_BYTES, editable=False)
    user_id = UserIdField(_("user"), max_length=USER_ID_LENGTH, db_index=True)
    # Of the random part of its token, and of the token that the last sign-in has replaced.
    digest = FixedBytesField(max_length=DIGEST_BYTES, editable=False)
    previous_digest = FixedBytesField(null=True, max_length=DIGEST_BYTES, editable=False)
    # Which of the sites that share the table has written it.
    site = FixedBytesField(max_length=SITE_MARK_BYTES, editable=False, default=mark_of_this_site)
    # The password with which it signed in last, and what ``trusted_until`` is sealed to.
    fingerprint = FixedBytesField(max_length=SEAL_BYTES, editable=False)
    seal = FixedBytesField(null=True, max_length=SEAL_BYTES, editable=False)
    trusted_until = MillisecondsField(_("trusted until"), null=True)
    name = ClientField(_("name"), max_length=DEVICE_NAME_LENGTH, null=True)
    ip = ClientField(_("address"), max_length=45, null=True)
    user_agent = ClientField(_("browser"), max_length=USER_AGENT_LENGTH, null=True)
    created_at = MillisecondsField(_("first sign-in"))
    signed_in_at = MillisecondsField(_("last sign-in"), db_index=True)

    class Meta:
        db_table = "sessionstore_known_device"
        verbose_name = _("known device")
        verbose_name_plural = _("known devices")

    def __str__(self) -> str:
        return self.handle

    @property
    def handle(self) -> str:
        """The name by which pages, logs and signals may call it; it opens nothing."""
        return handle_of(bytes(self.id))

    @property
    def is_foreign(self) -> bool:
        """Tell whether another site, which shares the table, has written the row."""
        return bytes(self.site) not in conf.site_marks
