"""The engine of that table: SESSION_ENGINE = "tests.owntable.engine"."""

from sessionstore.backends.sql import SessionStore as SqlSessionStore


class SessionStore(SqlSessionStore):
    """Writes the total of the cart beside the session."""

    @classmethod
    def get_model_class(cls):
        from tests.owntable.models import ShopSession  # noqa: PLC0415 - engines come before models

        return ShopSession

    @classmethod
    def extra_columns(cls, data):
        return {"cart_total": data.get("cart", {}).get("total")}
