"""Known devices begin with a sign-in, and end with the account."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_delete

from sessionstore.conf import conf
from sessionstore.known_devices import logins
from sessionstore.known_devices.rows import known_devices
from sessionstore.models import user_id_of
from sessionstore.receivers.accounts import account_models, connect_first
from sessionstore.table.receipts import AtCommit, at_commit, waiting_here


def note_login(request: Any = None, user: Any = None, **_: Any) -> None:
    """Note a sign-in, before Django writes that this user has been here."""
    logins.note(request, user)


def forget_after_delete(instance: Any, using: str, **_: Any) -> None:
    """Forget the devices of an account that is gone, once that is committed."""
    if conf.known_devices is None or not isinstance(instance, get_user_model()):
        return
    gone = waiting_here(using, _Gone)
    if gone is not None:
        gone.user_ids.append(user_id_of(instance))
        return
    at_commit(using, _Gone(user_id_of(instance)))


class _Gone(AtCommit):
    """The users whom one block deletes: their devices go together."""

    def __init__(self, user_id: str) -> None:
        super().__init__(lambda: known_devices.remove_of_users(self.user_ids))
        self.user_ids = [user_id]


def connect_known_devices() -> None:
    """Listen to sign-ins before Django does, and to the users' models only."""
    connect_first(user_logged_in, note_login, None, "sessionstore.known_devices")
    for model in account_models():
        uid = f"sessionstore.known_devices.{model._meta.label}"
        post_delete.connect(forget_after_delete, sender=model, dispatch_uid=uid)
