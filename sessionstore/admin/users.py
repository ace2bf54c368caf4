"""Names of the users whose keys sessions hold: for lists and for searches."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model

from sessionstore.models import user_id_of, user_key_of

# A search for a name that so many users share finds no more of them.
_MOST_USERS = 1000
# So many keys in a statement stay below the 999 values of an old SQLite.
_KEYS = 500


def users_of(user_ids: Iterable[str]) -> dict[str, Any]:
    """Return users, with no more than key and name, by the ids that sessions hold."""
    keys = [key for key in map(user_key_of, user_ids) if key is not None]
    parts = (keys[start : start + _KEYS] for start in range(0, len(keys), _KEYS))
    return {user_id_of(user): user for part in parts for user in _users().filter(pk__in=part)}


def names_of(user_ids: Iterable[str]) -> dict[str, str]:
    """Return user names by the ids that sessions hold."""
    return {user_id: user.get_username() for user_id, user in users_of(user_ids).items()}


def ids_named(term: str) -> list[str]:
    field = get_user_model().USERNAME_FIELD
    found = _users().filter(**{f"{field}__icontains": term})[:_MOST_USERS]
    return [user_id_of(user) for user in found]


def _users() -> Any:
    model: Any = get_user_model()
    return model._default_manager.only("pk", model.USERNAME_FIELD)
