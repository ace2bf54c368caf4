"""Names of the users whose keys sessions hold: for lists and for searches."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model

from sessionstore.models import user_id_of
from sessionstore.users import accounts

# A search for a name that so many users share finds no more of them.
_MOST_USERS = 1000


def users_of(user_ids: Iterable[str]) -> dict[str, Any]:
    """Return the users whom the site's own manager shows, by the ids that sessions hold."""
    return accounts.users_of(user_ids, get_user_model()._default_manager)


def names_of(user_ids: Iterable[str]) -> dict[str, str]:
    """Return user names by the ids that sessions hold."""
    return {user_id: user.get_username() for user_id, user in users_of(user_ids).items()}


def ids_named(term: str) -> list[str]:
    model: Any = get_user_model()
    named = model._default_manager.filter(**{f"{model.USERNAME_FIELD}__icontains": term})
    return [user_id_of(user) for user in named.only("pk")[:_MOST_USERS]]
