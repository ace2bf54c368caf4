"""Finds the user whom an operator names."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from sessionstore.users.accounts import account_with


def user_named(name: str) -> Any:
    """Return the user who has this login name or primary key.

    Raises CommandError where these are two users: neither wins, for the other one would be meant.
    """
    model: Any = get_user_model()
    by_id = account_with(name)
    try:
        by_name = model._default_manager.get_by_natural_key(name)
    except model.DoesNotExist:
        by_name = None
    user = by_name or by_id
    if user is None:
        message = (
            f"There is no user {name!r}, by name or by id. If the account is deleted, use "
            f"--user-id with its primary key, or --inactive."
        )
        raise CommandError(message)
    if by_name and by_id and by_name.pk != by_id.pk:
        message = (
            f"{name!r} is the name of the user with the id {by_name.pk}, and the id of the user "
            f"{by_id.get_username()}. Say which: --user-id={by_name.pk} or --user-id={by_id.pk}."
        )
        raise CommandError(message)
    return user
