"""A careless way to sign in, of the kind that one-time codes invite; and a cache that is down."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.cache.backends.locmem import LocMemCache


class WhoeverHasThisPassword(ModelBackend):
    """Ignores the name."""

    def authenticate(self, *_: Any, password: str | None = None, **__: Any) -> User | None:
        """Find the last user with the password."""
        users = User.objects.order_by("-pk")
        return next((user for user in users if user.check_password(password or "")), None)


class DeadCache(LocMemCache):
    """A cache whose server is down."""

    def get(self, *_: Any, **__: Any) -> Any:
        """Fail, and so does every other way to it."""
        message = "no server"
        raise ConnectionError(message)

    set = set_many = get
