"""Write down what is kept about the sessions of a user, as JSON: for requests under privacy law."""

import json
import os
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.db import router

from sessionstore.conf.zones import aware
from sessionstore.core import expiry
from sessionstore.history.table import events
from sessionstore.history.writing import is_on
from sessionstore.management.base import SessionCommand, database_errors
from sessionstore.management.engines import session_engine
from sessionstore.management.people import user_named
from sessionstore.models import user_id_of
from sessionstore.table.refusals import Named
from sessionstore.users.devices import described, not_seen

_EPILOG = """\
exit codes:
  0  it is written
  1  there is no such user, the file is there already, or the database refused
  2  a wrong argument

The live sessions in words, and the history where SESSIONSTORE_HISTORY keeps one. Never a key,
never what a session holds. The file is readable for its owner alone.
"""
_SESSION = ("handle", "browser", "name", "address", "place", "signed_in_by")
_SESSION_TIMES = ("signed_in_at", "last_seen_at", "expires_at", "bound_at")
_EVENT = ("happened_at", "what", "reason", "handle", "ip", "user_agent")


class Command(SessionCommand):
    help = "Write down what is kept about the sessions of a user, as JSON."
    epilog = _EPILOG

    def add_arguments(self, parser: CommandParser) -> None:
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--user", metavar="NAME", help="with this login name or primary key")
        who.add_argument(
            "--user-id", metavar="ID", help="with this primary key, also if the account is gone"
        )
        parser.add_argument(
            "--output", metavar="FILE", help="a new file to write it to (default: print it)"
        )

    def handle(self, **options: Any) -> None:
        table = session_engine()().table
        users: Any = get_user_model()
        with database_errors(table, Named(router.db_for_read(users), users._meta.db_table)):
            if options["user"] is not None:
                user_id = user_id_of(user_named(options["user"]))
            else:
                user_id = user_id_of(options["user_id"])
            told = json.dumps(_kept_about(user_id), indent=2, ensure_ascii=False)
        if options["output"] is None:
            self.stdout.write(told)
        else:
            _write(options["output"], told)


def _kept_about(user_id: str) -> dict[str, Any]:
    session = session_engine()()
    live = [described(row) for row in session.table.live_of(user_id)]
    return {
        "user_id": user_id,
        "exported_at": _text(expiry.to_datetime(expiry.now_ms())),
        "not_seen": not_seen(session),
        "sessions": [_told(one, *_SESSION, *_SESSION_TIMES) for one in live],
        "history": _history_of(user_id) if is_on() else None,
    }


def _history_of(user_id: str) -> list[dict[str, Any]]:
    """Return the events of a user. Who else did something is not the user's to know."""
    return [
        {**_told(event, *_EVENT), "by_user": event.actor_id == user_id}
        for event in events.objects.of_user(user_id).iterator()
    ]


def _told(thing: Any, *names: str) -> dict[str, Any]:
    return {name: _text(getattr(thing, name)) for name in names}


def _text(value: Any) -> Any:
    """Return what JSON holds: moments in UTC."""
    return aware(value).isoformat() if isinstance(value, datetime) else value


def _write(path: str, told: str) -> None:
    """Write a file that is not there yet. Security: nobody else on this host may read it."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        message = f"{path} cannot be made: {error.strerror}. Name a file that is not there yet."
        raise CommandError(message) from None
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(told + "\n")
