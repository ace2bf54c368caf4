"""The app's configuration."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SessionStoreConfig(AppConfig):
    name = "sessionstore"
    label = "sessionstore"
    verbose_name = _("Sessions")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from sessionstore import checks, receivers, security_log  # noqa: F401, PLC0415 - registers and connects them

        receivers.connect_accounts()
        receivers.connect_factors()
        receivers.connect_forks()
        receivers.connect_known_devices()
        receivers.connect_history()
