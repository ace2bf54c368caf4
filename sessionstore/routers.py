"""Sends the session table to the database alias that SESSIONSTORE_DATABASE names."""

from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections, router
from django.db.backends.base.creation import TEST_DATABASE_PREFIX
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
        return conf.database if _is_session_table(model) else None

    def allow_relation(self, *_: Any, **__: Any) -> None:
        return None

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **_: Any
    ) -> bool | None:
        """Make the session table where sessions are, and there nothing else.

        Two aliases may lead to one database. They share the list of applied migrations, so either
        of them has to make the table; and the site's own tables are made there as ever.
        """
        try:
            alias = conf.database
        except WrongSetting:
            # Django's checks of models ask here: E001 has to come through, and not a traceback.
            return None
        if alias is None:
            return None
        models = _models(app_label, model_name)
        if app_label == APP_LABEL or (model_name and any(map(_is_session_table, models))):
            return is_one_database(db, alias)
        if db != alias or alias == DEFAULT_DB_ALIAS or twins_of(alias):
            return None
        # A table of the site that its own router sends there is made there.
        is_sent_there = any(router.db_for_write(model) == alias for model in models)
        return None if is_sent_there else False


def is_one_database(alias: str, other: str) -> bool:
    """Tell whether two aliases lead to one database, as far as DATABASES tells.

    Also while a test runner makes its databases: it renames that of one alias after the other.
    """
    if alias == other:
        return True
    if alias not in connections or other not in connections:
        return False
    for one, of in ((alias, other), (other, alias)):
        if connections[one].settings_dict["TEST"]["MIRROR"] == of:
            return True
    if _server_of(alias) != _server_of(other):
        return False
    (name, names), (other_name, other_names) = _names_of(alias), _names_of(other)
    return name in other_names or other_name in names


def twins_of(alias: str) -> list[str]:
    """Return the other aliases that lead to the same database."""
    return [other for other in connections if other != alias and is_one_database(alias, other)]


def _is_session_table(model: Any) -> bool:
    return model._meta.app_label == APP_LABEL or getattr(model, "is_session_table", False)


def _models(app_label: str, model_name: str | None) -> list[Any]:
    """Return the model, or all of the app where none is named; never a migration's own classes."""
    try:
        app = apps.get_app_config(app_label)
        return [app.get_model(model_name)] if model_name else list(app.get_models())
    except LookupError:
        return []


def _server_of(alias: str) -> tuple[Any, ...]:
    connection = connections[alias]
    settings = connection.settings_dict
    # Without a name, a service or a file among the options tells where it is.
    options = None if settings["NAME"] else settings["OPTIONS"]
    return connection.vendor, settings["HOST"], str(settings["PORT"]), options


def _names_of(alias: str) -> tuple[str, set[str]]:
    """Return the name of a database, and with it the name that it has in tests."""
    connection = connections[alias]
    settings = connection.settings_dict
    name, in_tests = str(settings["NAME"]), settings["TEST"]["NAME"]
    if connection.vendor != "sqlite":
        return name, {name, str(in_tests or TEST_DATABASE_PREFIX + name)}
    if name == ":memory:":  # each connection has its own
        return name, set()
    if not name.startswith("file:"):
        name = str(Path(name).resolve())
    return name, {name, *([str(Path(in_tests).resolve())] if in_tests else [])}
