"""How a session is read: the row that a cookie opens, if it is live and undamaged.

Like ``saving``, this changes nothing on the session: what it knows of its row comes in, and what
is known after the look goes out.
"""

from dataclasses import dataclass

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.keys import Key
from sessionstore.core.record import Record
from sessionstore.signals import Refusal, session_expired, session_refused
from sessionstore.table.receipts import receipt_for

from .engine import Engine
from .known import Known, Standing
from .sealed import Opened


@dataclass(slots=True)
class Look:
    """What is known after a look at the table, and what the row holds; None for no row.

    ``withheld`` is a row that the cookie opens, and that this request is not given.
    """

    known: Known
    opened: Opened | None
    withheld: Record | None = None


def read(engine: Engine, known: Known) -> Look:
    """Return what the cookie opens; no row and no key where it opens nothing."""
    if known.standing in (Standing.NEW, Standing.GONE):
        return Look(known, None)
    key, record = look_up(engine, known)
    if key is None or record is None:
        _tell_refused(engine, known.key)
        return Look(known.missing(), None)
    if engine.withholds(record):
        return _in_place_of(engine, record)
    opened = engine.read_row(record, key)
    if opened is None:
        # Whoever could write to the table must not get a session that goes on under their key.
        return Look(Known.arriving(None), None)
    if engine.has_ended(record, opened):
        _tell_expired(engine, record)
        return Look(known.missing(), None)
    return Look(known_of(engine, known, record, opened, key), opened)


def withheld(engine: Engine, known: Known) -> Record | None:
    """Return the row that a session would not be given which nobody has read; one SELECT."""
    is_read = known.standing is not Standing.UNREAD
    if known.key is None or is_read or conf.device_age_ms is None:
        return None
    record = engine.table.fetch(known.key.digest, expiry.now_ms())
    return record if record is not None and engine.withholds(record) else None


def _in_place_of(engine: Engine, record: Record) -> Look:
    """Return what a visitor has in place of a session that is withheld.

    It may have a session of its own, as any visitor has. Security: never one of a user, whose
    cookie is the other one.
    """
    nobody = Look(Known.arriving(None), None, record.without_data())
    known = Known.arriving(engine.visitor_cookie)
    key = engine.keyring.open(known.text)
    found = None if key is None else engine.table.fetch(key.digest, expiry.now_ms())
    if key is None or found is None or found.user_id is not None:
        return nobody
    opened = engine.read_row(found, key)
    if opened is None or engine.has_ended(found, opened):
        return nobody
    known = known_of(engine, known.opened(key), found, opened, key)
    return Look(known, opened, nobody.withheld)


def find_row(engine: Engine, known: Known) -> Known | None:
    """Return what is known of the row of a session whose data are there already."""
    key, record = look_up(engine, known)
    if key is None or record is None or engine.withholds(record):
        return None
    return known_of(engine, known, record, engine.read_row(record, key), key)


def look_up(engine: Engine, known: Known) -> tuple[Key | None, Record | None]:
    """Return the live row that the cookie opens, and the key that it has here."""
    if known.key is not None:
        return known.key, engine.table.fetch(known.key.digest, expiry.now_ms())
    if known.text is not None and engine.adoption.takes(known.text):
        return engine.adoption.adopt(engine, known.text) or (None, None)
    return None, None


def known_of(
    engine: Engine, known: Known, record: Record, opened: Opened | None, key: Key
) -> Known:
    """Return what is known once a row has been read."""
    is_adopted = known.key is None
    return known.found(
        record,
        None if opened is None else opened.payload,
        engine.keyring.renew(key) if key.stale else key,
        is_stale=key.stale or (opened is not None and opened.is_stale),
        receipt=receipt_for(engine.table.alias) if is_adopted else None,
        adopted_from=known.text if is_adopted else None,
    )


def _tell_refused(engine: Engine, key: Key | None) -> None:
    """Send the signal of a cookie that is forged, unknown, or of a session that has expired.

    Only the last two cost a SELECT: a row that has expired is there until it is cleaned up.
    Nothing here changes what the visitor gets.
    """
    row = None if key is None else engine.table.fetch(key.digest, expiry.LONG_AGO_MS)
    if row is not None:
        _tell_expired(engine, row)
        return
    reason = Refusal.FORGED if key is None else Refusal.UNKNOWN
    session_refused.send(engine.sender, handle=None, reason=reason, client=engine.client)


def _tell_expired(engine: Engine, row: Record) -> None:
    now = expiry.now_ms()
    session_expired.send(
        engine.sender,
        handle=engine.table.handle_of(row.id),
        user_id=row.user_id,
        # A timeout that was tightened ends it before the row's own end.
        ended_at_ms=row.expires_at if row.expires_at <= now else row.last_seen_at,
    )
