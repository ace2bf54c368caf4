"""The engine: ``SESSION_ENGINE = "sessionstore.backends.sql"``."""

from typing import Any

from sessionstore.moving.adoption import Adoption
from sessionstore.session.store import SessionBackend
from sessionstore.table.rows import SqlTable
from sessionstore.users.limits import keep_limit_after_commit


class SessionStore(SessionBackend):
    """Sessions in the table of ``get_model_class()``.

    For a table of your own, subclass it with ``get_model_class()``; for columns of your own also
    with ``extra_columns(data)``.
    """

    adoption = Adoption()

    @classmethod
    def get_model_class(cls) -> Any:
        """Return the model; found when first used, because engines are imported before models."""
        from sessionstore.models import Session  # noqa: PLC0415 - the app registry may not be ready yet

        return Session

    @classmethod
    def get_table(cls) -> SqlTable:
        return SqlTable(cls.get_model_class(), tuple(cls.extra_columns({})))

    def has_signed_in(self, user_id: str, *, elsewhere: bool = False) -> None:
        keep_limit_after_commit(self, user_id, own=None if elsewhere else self.row_id)
