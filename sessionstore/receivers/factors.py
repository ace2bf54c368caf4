"""A second factor that comes, goes or is made anew ends the user's other sessions (ASVS 7.4.3).

As a new password does: whoever has it removed may be a thief, and whoever was in before it came has
never given it. What allauth says, and django-otp's devices, which say nothing themselves.
"""

from typing import Any

from django.apps import apps
from django.db.models import QuerySet
from django.db.models.signals import post_delete, post_save

from sessionstore.core import journal
from sessionstore.models import user_id_of
from sessionstore.receivers.neighbours import listen_to
from sessionstore.signals import Reason
from sessionstore.users.pending import end_after_commit

_DEVICE = "django_otp.models.Device"


def end_after_change(authenticator: Any, **_: Any) -> None:
    """End the others of the user whose authenticator of allauth has changed."""
    _end_others(authenticator.user_id, authenticator._state.db)


def end_after_new_device(instance: Any, created: bool, using: str, **_: Any) -> None:
    """End the others when a device of django-otp is there; its use is no change of it."""
    if created and instance.confirmed:
        _end_others(instance.user_id, using)


def end_after_lost_device(instance: Any, using: str, origin: Any = None, **_: Any) -> None:
    """End the others when it is gone; with its user, all sessions end anyway."""
    model = origin.model if isinstance(origin, QuerySet) else type(origin)
    if instance.confirmed and issubclass(model, type(instance)):
        _end_others(instance.user_id, using)


def _end_others(user_id: Any, using: str) -> None:
    own = journal.session_at_work()
    end_after_commit(user_id_of(user_id), using, Reason.FACTOR_CHANGED, at_work=own)


def connect_factors() -> None:
    """Listen to what is installed."""
    for name in ("authenticator_added", "authenticator_removed", "authenticator_reset"):
        listen_to("allauth.mfa", f"signals.{name}", end_after_change, uid=name)
    if not apps.is_installed("django_otp"):
        return
    for model in apps.get_models():
        if any(f"{one.__module__}.{one.__name__}" == _DEVICE for one in model.__mro__):
            uid = f"sessionstore.{model._meta.label}"
            post_save.connect(end_after_new_device, sender=model, dispatch_uid=uid)
            post_delete.connect(end_after_lost_device, sender=model, dispatch_uid=uid)
