"""The engine: ``SESSION_ENGINE = "sessionstore.backends.sql"``."""

from typing import Any

from sessionstore.backends.base import SessionBackend
from sessionstore.table.rows import SqlRows


class SessionStore(SessionBackend):
    """Sessions in the table of ``get_model_class()``.

    For a table of your own, subclass it with ``get_model_class()``; for columns of your own also
    with ``extra_columns(data)``.
    """

    adopts = True

    @classmethod
    def get_model_class(cls) -> Any:
        """Answer the model; found when first used, because engines are imported before models."""
        from sessionstore.models import Session  # noqa: PLC0415 - the app registry may not be ready yet

        return Session

    @classmethod
    def get_rows(cls) -> SqlRows:
        return SqlRows(cls.get_model_class(), tuple(cls.extra_columns({})))
