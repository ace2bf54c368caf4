"""Sends the session table to the database alias that SESSIONSTORE_DATABASE names."""

from typing import Any

from django.db.models import Model

from sessionstore.conf import conf
from sessionstore.exceptions import WrongSetting

APP_LABEL = "sessionstore"


class SessionRouter:
    """Add it to DATABASE_ROUTERS; without the setting it has no opinion."""

    def db_for_read(self, model: type[Model], **_: Any) -> str | None:
        # A replica that lags loses logins and revives logouts: reads go where the writes go.
        return self.db_for_write(model)

    def db_for_write(self, model: type[Model], **_: Any) -> str | None:
        is_ours = model._meta.app_label == APP_LABEL or getattr(model, "is_session_table", False)
        return conf.database if is_ours else None

    def allow_relation(self, *_: Any, **__: Any) -> None:
        return None

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:
        try:
            alias = conf.database
        except WrongSetting:
            # Django's checks of models ask here: E001 has to come through, and not a traceback.
            return None
        return None if alias is None or app_label != APP_LABEL else db == alias
