"""What the system checks say that ask no database."""

from typing import Any

from django.core.checks import CheckMessage, run_checks


def checked(*, deploy: bool = False) -> list[CheckMessage]:
    """Run our checks, those of the databases left out (Django 6.1 would include them)."""
    return run_checks(tags=["sessionstore"], databases=[], include_deployment_checks=deploy)


def found(*, deploy: bool = False) -> set[str]:
    """Return the ids of their messages."""
    ids = (str(message.id) for message in checked(deploy=deploy))
    return {one for one in ids if one.startswith("sessionstore.")}


class Router:
    """A site's own, which sends the sessions to an alias without SESSIONSTORE_DATABASE."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def db_for_write(self, model: Any, **_: Any) -> str | None:
        """Take our table only."""
        return self.alias if model._meta.app_label == "sessionstore" else None
