"""What a database error means, by its code and never by Django's class of it.

PostgreSQL's 25006 and 25P02 arrive as InternalError, MariaDB's 4025 differs between drivers: only
the code tells. Sources: the error references of MySQL, MariaDB, PostgreSQL (appendix A) and SQLite.
"""

import enum
import re

_MYSQL_TRANSIENT = {1020, 1205, 1213, 3572}
_MYSQL_LOST = {
    *(1047, 1053, 1290, 1792, 1836, 1927),
    *(2002, 2003, 2006, 2013, 2014, 2045, 2055, 4031),
}
_POSTGRES_TRANSIENT = {"40001", "40P01", "55P03"}
_POSTGRES_LOST = {"57P01", "57P02", "57P03", "57P05", "25P03", "25006"}
_SQLITE_TRANSIENT = {5, 6}  # SQLITE_BUSY and SQLITE_LOCKED with all their extended codes
_SQLITE_TAKEN_ID, _SQLITE_UNIQUE = 1555, 2067  # SQLITE_CONSTRAINT_PRIMARYKEY and _UNIQUE
_MYSQL_TAKEN, _POSTGRES_TAKEN = 1062, "23505"
_MISSING_TABLE = {1146, "42P01"}
_names_our_key = re.compile(r"for key '([^']*\.)?(PRIMARY|digest)'$").search
_CLOSED = ("closed", "Lost connection", "gone away", "server closed the connection", "terminating")
# psycopg reports a failed connect without its code; these texts are 53300, 28P01 and 3D000.
_REFUSED = ("too many clients", "connection slots", "authentication failed", "does not exist")
_LIBPQ_BAD = 1  # ConnStatusType CONNECTION_BAD


class Fault(enum.Enum):
    """TRANSIENT: again on this connection. LOST: again on a new one. PERMANENT: raise at once."""

    TRANSIENT = "transient"
    LOST = "lost"
    PERMANENT = "permanent"


def code_of(error: BaseException) -> int | str | None:
    """Return the driver's code: a number of MySQL or SQLite, a SQLSTATE of PostgreSQL, or None."""
    cause = error.__cause__ or error
    sqlstate = getattr(cause, "sqlstate", None)
    if isinstance(sqlstate, str):
        return sqlstate
    sqlite_code = getattr(cause, "sqlite_errorcode", None)
    if isinstance(sqlite_code, int):
        return sqlite_code
    first = cause.args[0] if cause.args else None
    return first if isinstance(first, int) else None


def classify(error: BaseException, *, connection_closed: bool = False) -> Fault:
    """Tell what to do about ``error``.

    ``connection_closed`` is what the driver says of its connection: psycopg reports some losses
    without a code.
    """
    cause = error.__cause__ or error
    code = code_of(error)
    if hasattr(cause, "sqlite_errorcode"):
        busy = isinstance(code, int) and code & 0xFF in _SQLITE_TRANSIENT
        return Fault.TRANSIENT if busy else Fault.PERMANENT
    if code in _MYSQL_TRANSIENT or code in _POSTGRES_TRANSIENT:
        return Fault.TRANSIENT
    if code in _MYSQL_LOST or code in _POSTGRES_LOST:
        return Fault.LOST
    if isinstance(code, str) and code.startswith("08"):
        return Fault.LOST
    # mysqlclient answers (0, '') on a connection that is closed already; psycopg no code at all.
    if code in (None, 0) and (connection_closed or _tells_of_loss(cause)):
        return Fault.LOST
    return Fault.PERMANENT


def _tells_of_loss(cause: BaseException) -> bool:
    text = str(cause)
    if any(words in text for words in _REFUSED):
        return False
    is_bad = getattr(getattr(cause, "pgconn", None), "status", None) == _LIBPQ_BAD
    return is_bad or any(words in text for words in _CLOSED)


def is_taken_id(error: BaseException) -> bool:
    """Tell whether an INSERT failed because its id or its digest exists, and for nothing else."""
    cause = error.__cause__ or error
    code = code_of(error)
    if hasattr(cause, "sqlite_errorcode"):
        is_digest = code == _SQLITE_UNIQUE and str(cause).endswith(".digest")
        return code == _SQLITE_TAKEN_ID or is_digest
    if code == _MYSQL_TAKEN:
        # The text itself: str() of the error escapes its quotes when the digest contains one.
        return bool(_names_our_key(str(cause.args[-1])))
    if code == _POSTGRES_TAKEN:
        constraint = getattr(getattr(cause, "diag", None), "constraint_name", None) or ""
        return constraint.endswith(("_pkey", "_digest_key"))
    return False


def is_missing_table(error: BaseException) -> bool:
    """Tell whether a statement failed because there is no such table."""
    return code_of(error) in _MISSING_TABLE or "no such table" in str(error)
