"""Names of the users whose keys sessions hold: for lists and for searches."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from sessionstore.models import user_id_of

# A search for a name that so many users share finds no more of them.
_MOST_USERS = 1000


def names_of(user_ids: Iterable[str]) -> dict[str, str]:
    """Return user names by the ids that sessions hold."""
    model: Any = get_user_model()
    keys = []
    for user_id in user_ids:
        try:
            keys.append(model._meta.pk.to_python(user_id))
        except ValidationError:  # left over from another type of user
            continue
    return {user_id_of(user): user.get_username() for user in _users().filter(pk__in=keys)}


def ids_named(term: str) -> list[str]:
    field = get_user_model().USERNAME_FIELD
    found = _users().filter(**{f"{field}__icontains": term})[:_MOST_USERS]
    return [user_id_of(user) for user in found]


def _users() -> Any:
    model: Any = get_user_model()
    return model._default_manager.only("pk", model.USERNAME_FIELD)
