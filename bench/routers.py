"""The router that sends every engine to the database of the moment."""

from typing import Any


class Router:
    """Return one alias for all models; the benchmark changes it between its parts."""

    alias = "default"

    def db_for_read(self, model: type, **hints: Any) -> str:  # noqa: ARG002 - Django's signature
        return Router.alias

    db_for_write = db_for_read
