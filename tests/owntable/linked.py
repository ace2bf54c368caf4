"""The engine of sessions that other models refer to: SESSION_ENGINE = "tests.owntable.linked"."""

from sessionstore.backends.sql import SessionStore as SqlSessionStore


class SessionStore(SqlSessionStore):
    """Sessions in a table of their own: foreign keys to the others would cost their deletes."""

    @classmethod
    def get_model_class(cls):
        from tests.owntable.models import LinkedSession  # noqa: PLC0415 - as in engine.py

        return LinkedSession
