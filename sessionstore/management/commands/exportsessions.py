"""Write down what is kept about the sessions of a user, as JSON: for requests under privacy law."""

import json
import os
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, router

from sessionstore.conf.zones import aware
from sessionstore.core import expiry
from sessionstore.core.keys import handle_of, id_of
from sessionstore.history.table import events
from sessionstore.known_devices.rows import known_devices
from sessionstore.links.rows import links
from sessionstore.management.base import SessionCommand, database_errors
from sessionstore.management.engines import session_engine
from sessionstore.management.people import user_named
from sessionstore.models import user_id_of
from sessionstore.table.faults import is_missing_table
from sessionstore.table.refusals import Named
from sessionstore.table.routed import parts
from sessionstore.users.devices import described, not_seen
from sessionstore.users.words import browser_in_words

_EPILOG = """\
exit codes:
  0  it is written
  1  there is no such user, the file is there already, or the database refused
  2  a wrong argument

The live sessions in words, the known devices, and the history, as far as the site keeps them.
Never a key, never what a session holds. The file is readable for its owner alone.
"""
_SESSION = ("handle", "browser", "name", "address", "place", "signed_in_by")
_SESSION_TIMES = ("signed_in_at", "last_seen_at", "expires_at", "bound_at")
_DEVICE = ("handle", "name", "ip", "created_at", "signed_in_at", "trusted_until")
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
    rows = list(session.table.live_of(user_id))
    issuers = _issuers_of([id_of(session.table.handle_of(row.pk)) for row in rows])
    live = [described(row) for row in rows]
    return {
        "user_id": user_id,
        "exported_at": _text(expiry.to_datetime(expiry.now_ms())),
        "not_seen": not_seen(session),
        "sessions": [
            {**_told(one, *_SESSION, *_SESSION_TIMES), "linked_to": issuers.get(one.handle, [])}
            for one in live
        ],
        "known_devices": _if_there(partial(_devices_of, user_id)),
        "history": _if_there(partial(_history_of, user_id)),
    }


def _if_there(read: Callable[[], list[Any]]) -> list[Any] | None:
    """Return what a table has, also of a setting that is off by now; None without the table."""
    try:
        return read()
    except DatabaseError as error:
        if not is_missing_table(error):
            raise
        return None


def _issuers_of(session_ids: list[bytes]) -> dict[str, list[str]]:
    """Return who knows these sessions by names of their own, by handle; never the names."""
    found: dict[str, list[str]] = {}
    if links.is_used():
        for part in parts(session_ids):
            for link in links.of_sessions(part):
                found.setdefault(handle_of(bytes(link.session_id)), []).append(link.issuer)
    return found


def _devices_of(user_id: str) -> list[dict[str, Any]]:
    return [
        {"browser": browser_in_words(row.user_agent), **_told(row, *_DEVICE)}
        for row in known_devices.kept_about(user_id)
    ]


def _history_of(user_id: str) -> list[dict[str, Any]]:
    """Return the events of a user. Who else did something is not the user's to know."""
    return [
        {
            **_told(event, *_EVENT),
            "methods": event.facts.get("methods", []),
            "by_user": event.actor_id == user_id,
        }
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
