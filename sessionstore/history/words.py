"""What happened, and why, in the reader's language."""

from django.utils.translation import gettext as _

from sessionstore.models import SessionEvent, What
from sessionstore.signals import Reason


def words_of(event: SessionEvent) -> str:
    """Return a sentence for an event; where a session has ended, with why."""
    if event.what != What.ENDED:
        return event.words
    return words_for(event.reason)


def words_for(reason: str | None) -> str:
    """Return why a session has ended; where its user signed out, no more than that."""
    words: dict[str, str] = {
        Reason.OWNER: _("Signed out from another device"),
        Reason.ADMIN: _("Signed out by an administrator"),
        Reason.COMMAND: _("Signed out by an administrator"),
        Reason.LIMIT: _("Signed out because of too many devices"),
        Reason.PASSWORD_CHANGED: _("Signed out because the password was changed"),
        Reason.FACTOR_CHANGED: _("Signed out because a second factor was changed"),
        Reason.ACCOUNT_DISABLED: _("Signed out because the account was disabled"),
        Reason.ACCOUNT_DELETED: _("Signed out because the account was deleted"),
        Reason.PROVIDER: _("Signed out where the account is from"),
        Reason.REPLACED: _("Signed out because somebody signed in again in that browser"),
    }
    return words.get(reason or "", str(What.ENDED.label))
