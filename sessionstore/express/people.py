"""Whose the rows of a shared table are, by two columns that its triggers keep from the JSON.

What the columns hold is a candidate: Python reads the row and decides, as it does at a load.
"""

from dataclasses import dataclass
from datetime import datetime

from sessionstore.conf.express import ExpressSettings, passport_user
from sessionstore.conf.zones import shown
from sessionstore.core import expiry
from sessionstore.core.express_format import TOMBSTONE
from sessionstore.core.merge import USER_KEY
from sessionstore.express.keys import handle_of_sid
from sessionstore.express.record import contents_of, record_of
from sessionstore.express.statements import columns_there, words_of
from sessionstore.express.table.user_columns import UserColumns
from sessionstore.express.table.user_triggers import key_of
from sessionstore.table.verbs import Knows


@dataclass(frozen=True, slots=True)
class PeopleStatements:
    """The SQL text for the rows of a user, with its parameters; `mine` as ExpressStatements has."""

    ids: str  # user id, now, *mine, and all of them once more
    rows: str  # sids, by for_each


# Security: no repr, for the row's id is the secret of a cookie.
@dataclass(frozen=True, slots=True, repr=False)
class OwnedRow:
    """A row of a user, under the names that a model's instance has for the same."""

    pk: bytes
    user_id: str
    signed_in_by: str
    authenticated_at: datetime | None
    created_at: datetime | None
    last_seen_at: datetime | None
    expires_at: datetime | None
    is_live: bool
    # Neither half keeps them.
    ip: None = None
    user_agent: None = None
    device_name: None = None
    bound_at: None = None

    @property
    def handle(self) -> str:
        return handle_of_sid(self.pk)

    @property
    def digest(self) -> bytes:
        return self.pk


def owned_row(row_id: bytes, text: str | None, expires_at: int) -> OwnedRow | None:
    """Return a row with its owner; None for a mark, for damaged JSON, and for nobody's.

    A row that a deadline of Django's has ended is one too: Express goes on with it.
    """
    if text in (None, TOMBSTONE):
        return None
    now = expiry.now_ms()
    record = record_of(row_id, text, expires_at, now)
    is_over = record is None
    if record is None:
        record = record_of(row_id, text, expires_at, 0)
    if record is None or record.user_id is None:
        return None
    contents = contents_of(record)
    return OwnedRow(
        pk=row_id,
        user_id=record.user_id,
        signed_in_by="Django" if USER_KEY in (contents.data or {}) else "Express",
        authenticated_at=_shown(record.authenticated_at),
        created_at=_shown(record.created_at) if contents.is_stamped else None,
        last_seen_at=None if is_over else _shown(record.last_seen_at),
        expires_at=_shown(expires_at),
        is_live=expires_at > now,
    )


def known_users(settings: ExpressSettings) -> Knows:
    """Return how many sign-ins two columns tell: a callable looks where no trigger can."""
    return Knows.ALL if settings.user in (None, passport_user) else Knows.SOME


def compose_people(alias: str, settings: ExpressSettings) -> PeopleStatements | None:
    """Return the statements; None while the table has not got all of ``UserColumns``."""
    columns = columns_there(alias, settings)
    people = UserColumns(alias, settings)
    if people.refusal(columns) is not None:
        return None
    if not set(settings.users) <= set(columns) or not people.is_filled():
        return None
    words = words_of(alias, settings, columns)
    words["key"] = key_of(people.vendor, _GIVEN[people.vendor])
    users = [people.quote(name).replace("%", "%%") for name in settings.users]
    halves = [_IDS.format(**words, user=user) for user in users]
    return PeopleStatements(
        ids=f"{' UNION '.join(halves)} ORDER BY 2 DESC", rows=_ROWS.format(**words)
    )


def _shown(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else shown(expiry.to_datetime(milliseconds))


_IDS = (
    "SELECT {sid}, {seconds} FROM {table} WHERE {user} IN ({key}, '?') "
    "AND {unmarked} AND {expires} >= {at} AND {mine}"
)
_ROWS = "SELECT {sid}, {stored}, {seconds} FROM {table} WHERE {unmarked} AND {sid} IN"
_GIVEN = {
    "mysql": "CONVERT(%s USING utf8mb4) COLLATE utf8mb4_bin",
    "postgresql": "CAST(%s AS text)",
    "sqlite": "CAST(%s AS text)",
}
