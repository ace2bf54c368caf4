"""End sessions: a user's, old ones, visitors', those of users who are disabled or gone, or all."""

import sys
from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.db import router

from sessionstore.backends.base import SessionBackend
from sessionstore.cleaning import Ending, Pace, in_batches
from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.known_devices.rows import known_devices
from sessionstore.management.arguments import duration
from sessionstore.management.base import (
    ROWS_LEFT,
    SessionCommand,
    counted,
    database_errors,
    refuse_early,
    sessions,
    where,
)
from sessionstore.management.engines import session_engine
from sessionstore.management.interrupts import asked_to_stop
from sessionstore.management.people import user_named
from sessionstore.management.progress import progress
from sessionstore.models import user_id_of
from sessionstore.moving.old_engine import OldEngine, old_engine
from sessionstore.moving.old_table import OldTable
from sessionstore.table.refusals import Named, Placed
from sessionstore.table.routed import parts
from sessionstore.table.rows import SqlTable
from sessionstore.table.verbs import Knows
from sessionstore.users import mass_revocation
from sessionstore.users.mass_revocation import Ends, Which, of_users

NOT_TOLD = 4
# So many users' sessions are chosen at once: each choice is a loop with pauses.
_USERS = 100
_EPILOG = f"""\
exit codes:
  0  every session that was meant has ended (or was counted, with --dry-run)
  1  nobody or nothing of that name, no "yes", or the database refused
  2  a wrong argument
  {ROWS_LEFT}  stopped by SIGTERM before it was done: run it again
  {NOT_TOLD}  they have ended, but the cache could not be told: others may believe it for 60 s

A session that has ended is signed out at its next request, on every server.
"""


class Command(SessionCommand):
    help = "End sessions. Say which by exactly one of the first seven options."
    epilog = _EPILOG

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument(
            "--user", metavar="NAME", help="of the user with this login name or primary key"
        )
        which.add_argument(
            "--user-id", metavar="ID", help="of the user with this primary key, also if it is gone"
        )
        which.add_argument(
            "--handle", help="the one with this handle, as device page, admin and log show it"
        )
        which.add_argument(
            "--link",
            nargs=2,
            metavar=("ISSUER", "NAME"),
            help="those that ISSUER, such as a provider, calls NAME, as a session or as a user",
        )
        which.add_argument(
            "--older-than",
            type=duration,
            metavar="AGE",
            help="those that were signed in (or created) longer ago, such as 30d, 12h, 90m",
        )
        which.add_argument(
            "--inactive", action="store_true", help="of users who are disabled or gone"
        )
        which.add_argument(
            "--anonymous", action="store_true", help="of visitors, who have not signed in"
        )
        which.add_argument("--all", action="store_true", help="of everybody, visitors included")
        parser.add_argument(
            "--forget-devices",
            action="store_true",
            help="forget the known devices too; with --user, --user-id or --all",
        )
        parser.add_argument("--dry-run", action="store_true", help="only count; end nothing")
        parser.add_argument(
            "--no-input", "--noinput", action="store_true", help="do not ask for a yes"
        )

    def handle(self, **options: Any) -> None:
        if options["forget_devices"] and not (
            options["all"] or options["user"] is not None or options["user_id"] is not None
        ):
            message = "--forget-devices goes with --user, --user-id or --all."
            raise CommandError(message)
        session = session_engine()()
        with database_errors(*_tables(session)):
            if not isinstance(session.table, SqlTable):
                self._refuse_what_express_cannot_tell(session, options)
            self._revoke(session, _chosen(session, options), options)

    def _revoke(
        self, session: SessionBackend, chosen: list[Which], options: dict[str, Any]
    ) -> None:
        old = old_engine(conf.adopt_from) if conf.adopt_from else None
        count = sum((mass_revocation.count(session, which) for which in chosen), Ends())
        if old is not None and old.model is not None and options["all"]:
            count += Ends(old.count_maybe_live())
        words = "of users who are disabled or gone" if options["inactive"] else chosen[0].words
        if options["handle"] is not None and not count.rows:
            message = f"There is no session {words} (any more)."
            raise CommandError(message)
        shows = options["verbosity"] > 0
        if options["dry_run"]:
            self._tell(f"Would end {_told(count, words, 'delete')}", shows=shows)
            if options["forget_devices"]:
                known = known_devices.count_of(chosen[0].user_id)
                self._tell(f"Would forget {counted(known, known_devices.holds)}.", shows=shows)
            return
        if count.rows and not options["no_input"]:
            _ask(f"This ends {_told(count, words, 'deletes')}")
        with asked_to_stop() as stop, progress(lambda: count.rows, wanted=shows) as tell:
            # What has not moved goes first, for what moves in meanwhile is ended here.
            ended = Ends(_end_old(old, stop, tell) if old and old.model and options["all"] else 0)
            for which in chosen:
                ended += mass_revocation.revoke(session, which, stop=stop, on_batch=tell)
            forgotten = _forget(chosen[0].user_id, stop) if options["forget_devices"] else 0
            stopped = stop()
        is_told = session.table.pay_debts()
        self._tell(f"Ended {_told(ended, words, 'deleted')}", shows=shows)
        self._tell(
            f"Forgot {counted(forgotten, known_devices.holds)}.",
            shows=shows and options["forget_devices"],
        )
        if old is not None and options["handle"] is None:
            self._tell_of_what_has_not_moved(old, ends_all=options["all"])
        if not is_told:
            message = "The cache fails: servers that reach it may let them in for up to 60 seconds."
            again = " It was stopped before the end: run it again." if stopped else ""
            raise CommandError(message + again, returncode=NOT_TOLD)
        refuse_early(Ending.STOPPED if stopped else Ending.DONE)

    def _tell(self, text: str, *, shows: bool) -> None:
        if shows:
            self.stdout.write(text)

    def _refuse_what_express_cannot_tell(
        self, session: SessionBackend, options: dict[str, Any]
    ) -> None:
        """Raise CommandError for a choice that a table of Express has no columns for."""
        if options["older_than"] is not None or options["inactive"] or options["anonymous"]:
            message = (
                "A table of Express does not tell when a session began, nor the ids of all users: "
                "--user, --user-id, --handle, --link and --all choose there."
            )
            raise CommandError(message)
        if options["user"] is None and options["user_id"] is None:
            return
        knows = session.table.knows_users
        if knows is Knows.NONE:
            message = (
                f"{where(session.table)} does not tell whose its sessions are: run manage.py "
                f"expresstable --add-user first, or end one by --handle, or --all."
            )
            raise CommandError(message)
        if knows is Knows.SOME:
            self.stderr.write(
                'Who is found only by the callable of SESSIONSTORE_EXPRESS["user"] is not among '
                "them: no trigger can run it."
            )

    def _tell_of_what_has_not_moved(self, old: OldEngine, *, ends_all: bool) -> None:
        if old.model is None:
            self.stderr.write(
                f"Sessions of {old.path} that have not moved here cannot be listed: they live on. "
                f"Without SESSIONSTORE_ADOPT_FROM their cookies open nothing."
            )
        elif not ends_all and (live := old.count_maybe_live()):
            self.stderr.write(
                f"{sessions(live)} of {old.path} have not moved here and cannot be chosen from: "
                f"they live on. importsessions moves them; --all ends them too."
            )


def _tables(session: SessionBackend) -> list[Placed]:
    """Return what the command reads and writes: users are looked up, old sessions may be left."""
    users = get_user_model()
    found: list[Placed] = [
        session.table,
        Named(router.db_for_read(users), users._meta.db_table),
    ]
    old = old_engine(conf.adopt_from) if conf.adopt_from else None
    return [*found, OldTable(old.table)] if old and old.model else found


def _end_old(old: OldEngine, stop: Callable[[], bool], on_batch: Callable[[int], object]) -> int:
    """End the sessions of the engine that they are adopted from, which would still come."""
    last = ""

    def end(size: int) -> tuple[int, int]:
        nonlocal last
        keys = old.maybe_live_after(last, size)
        if keys:
            last = keys[-1]
            old.remove(keys)
        return len(keys), len(keys)

    table = OldTable(old.table)
    return in_batches(end, table, pace=Pace(), stop=stop, on_batch=on_batch).removed


def _forget(user_id: str | None, stop: Callable[[], bool]) -> int:
    """Forget the known devices of a user, or of everybody."""
    if user_id is not None:
        return known_devices.remove_of_users([user_id])

    def forget(size: int) -> tuple[int, int]:
        removed = known_devices.remove_all(size)
        return removed, removed

    return in_batches(
        forget, known_devices, pace=Pace(), stop=stop, on_batch=lambda _: None
    ).removed


def _chosen(session: SessionBackend, options: dict[str, Any]) -> list[Which]:
    if options["handle"] is not None:
        try:
            return [mass_revocation.of_handle(options["handle"])]
        except ValueError as error:
            raise CommandError(str(error)) from None
    if options["link"] is not None:
        return mass_revocation.of_link(*options["link"])
    if options["anonymous"]:
        return [mass_revocation.of_visitors()]
    if options["all"]:
        return [mass_revocation.all_until_now(session)]
    if options["inactive"]:
        ids = list(mass_revocation.inactive_user_ids(session))
        return [of_users(page) for page in parts(ids, _USERS)]
    if options["older_than"] is not None:
        age_ms = int(options["older_than"].total_seconds() * 1000)
        return [mass_revocation.started_before(expiry.now_ms() - age_ms)]
    if options["user_id"] is not None:
        return [mass_revocation.of_user(options["user_id"])]
    user = user_named(options["user"])
    return [mass_revocation.of_user(user_id_of(user), user.get_username())]


def _told(ends: Ends, words: str, deletes: str) -> str:
    """Return how many sessions end, and how many rows go that are no sessions any more."""
    besides = f", and {deletes} {sessions(ends.expired, 'expired')}" if ends.expired else ""
    return f"{sessions(ends.live)} {words}{besides}."


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        message = f"{question} Nobody is there to say yes: add --no-input."
        raise CommandError(message)
    if input(f"{question} Type 'yes' to go on: ") != "yes":
        message = "Nothing was ended."
        raise CommandError(message)
