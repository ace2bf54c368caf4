"""What a database error means, by its code and never by Django's class of it.

PostgreSQL's 25006 and 25P02 arrive as InternalError, MariaDB's 4025 differs between drivers: only
the code tells. Sources: the error references of MySQL, MariaDB, PostgreSQL (appendix A) and SQLite;
of what speaks their protocols: https://docs.pingcap.com/tidb/stable/error-codes, Vitess'
go/mysql/sqlerror/sql_error.go, CockroachDB's pkg/sql/pgwire/pgcode/codes.go, YugabyteDB's release
notes (D38655) and https://docs.yugabyte.com/stable/architecture/transactions/read-restart-error.
"""

import enum
import re


class Fault(enum.Enum):
    """What to do about an error.

    TRANSIENT: again on this connection. LOST: again on a new one. FULL: no connection is to be had
    now; once more, for whoever keeps asking makes it worse. PERMANENT: raise at once.
    """

    TRANSIENT = "transient"
    LOST = "lost"
    FULL = "full"
    PERMANENT = "permanent"


_MYSQL_TRANSIENT = {
    *(1020, 1205, 1213, 3572),
    # Group Replication: refused at its certification, as the COMMIT finds (1180: "Got error 149").
    *(1180, 3101),
    # TiDB: conflicts that were rolled back (8002, 8005, 8022, 9007), a changed schema (8027, 8028),
    # no time for the locks of others (9004).
    *(8002, 8005, 8022, 8027, 8028, 9004, 9007),
}
_MYSQL_FULL = {
    *(1040, 1135, 1203, 1226),
    # TiDB: TiKV is busy, or takes no more. Vitess: throttled.
    *(9003, 9008, 1041),
}
_MYSQL_LOST = {
    *(1047, 1053, 1152, 1290, 1792, 1836, 1927, 3032, 4031, 6400),
    # Group Replication: a member that leaves, recovers, has lost the others or has just become the
    # primary. Another one may answer, and so may this one when the vote is over.
    *(3100, *range(3781, 3784), *range(3796, 3800)),
    3168,  # Vitess: no tablet serves
    *(8120, 9001, 9002, 9005),  # TiDB: PD or TiKV does not answer, or the region has no leader
    *range(1156, 1162),  # packets that came out of order, or not at all
    # The client library's: no connection was made (2001 to 2005, 2012, 2015 to 2018, 2026), or the
    # one that was made is out of step or gone.
    *(2000, 2001, 2002, 2003, 2004, 2005, 2006, 2008, 2012, 2013, 2014, 2015, 2016, 2017, 2018),
    *(2026, 2027, 2045, 2048, 2050, 2055, 5013, 5014, 5015),
}
_POSTGRES_TRANSIENT = {"40001", "40P01", "55P03"}
_POSTGRES_FULL = {"53300"}
_POSTGRES_LOST = {
    *("57P01", "57P02", "57P03", "57P05", "25P03", "25006"),
    # CockroachDB: it does not know whether it has committed, no replica of the range answers, a
    # connection between its nodes broke.
    *("40003", "58C00", "58C01"),
}
# Codes that stand for much, so the text has to tell: Vitess while it moves the primary; YugabyteDB
# when its nodes do not know the same schema yet (releases before 2025.1).
_MEANT_BY_TEXT = {
    1105: (Fault.LOST, ("not serving", "reparent", "code = Unavailable", "Connection Closed")),
    "XX000": (Fault.TRANSIENT, ("schema version mismatch", "Catalog Version Mismatch")),
}
_SQLITE_TRANSIENT = {5, 6}  # SQLITE_BUSY and SQLITE_LOCKED with all their extended codes
_SQLITE_TAKEN_ID, _SQLITE_UNIQUE = 1555, 2067  # SQLITE_CONSTRAINT_PRIMARYKEY and _UNIQUE
_MYSQL_TAKEN, _POSTGRES_TAKEN = 1062, "23505"
_MISSING_TABLE = {1146, "42P01"}
_TAKEN = {_MYSQL_TAKEN, _POSTGRES_TAKEN, _SQLITE_TAKEN_ID, _SQLITE_UNIQUE}
_names_our_key = re.compile(r"for key '([^']*\.)?(PRIMARY|digest)'$").search
_LOST = (
    *("closed", "Lost connection", "gone away", "server closed the connection", "terminating"),
    *("timeout expired", "failed to resolve host"),  # psycopg at the connect
    "Packet sequence number wrong",  # PyMySQL
)
# psycopg reports a failed connect without its code; these texts are 53300 (and PgBouncer's), and
# 28P01 and 3D000.
_CROWDED = ("too many clients", "connection slots", "too many connections", "no more connections")
_REFUSED = ("authentication failed", "does not exist")
_POOL, _POOL_FULL = "psycopg_pool", {"PoolTimeout", "TooManyRequests"}
_LIBPQ_BAD = 1  # ConnStatusType CONNECTION_BAD


def code_of(error: BaseException) -> int | str | None:
    """Return the driver's code: a number of MySQL or SQLite, a SQLSTATE of PostgreSQL, or None.

    The errors of psycopg's pool have none; their names take its place.
    """
    cause = error.__cause__ or error
    if type(cause).__module__.partition(".")[0] == _POOL:
        return type(cause).__name__
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
    if code in _MYSQL_FULL or code in _POSTGRES_FULL or code in _POOL_FULL:
        return Fault.FULL
    if code in _MYSQL_LOST or code in _POSTGRES_LOST:
        return Fault.LOST
    if isinstance(code, str) and code.startswith("08"):
        return Fault.LOST
    # mysqlclient answers (0, '') on a connection that is closed already; psycopg no code at all.
    if code in (None, 0):
        return _told_without_code(cause, connection_closed=connection_closed)
    fault, texts = _MEANT_BY_TEXT.get(code, (Fault.PERMANENT, ("",)))
    return fault if any(words in str(cause) for words in texts) else Fault.PERMANENT


def _told_without_code(cause: BaseException, *, connection_closed: bool) -> Fault:
    text = str(cause)
    if any(words in text for words in _CROWDED):
        return Fault.FULL
    if connection_closed:
        return Fault.LOST
    if any(words in text for words in _REFUSED):
        return Fault.PERMANENT
    is_bad = getattr(getattr(cause, "pgconn", None), "status", None) == _LIBPQ_BAD
    return Fault.LOST if is_bad or any(words in text for words in _LOST) else Fault.PERMANENT


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


def is_taken(error: BaseException) -> bool:
    """Tell whether an INSERT failed because a key exists, whatever that key is called."""
    return code_of(error) in _TAKEN


def is_missing_table(error: BaseException) -> bool:
    """Tell whether a statement failed because there is no such table."""
    cause = error.__cause__ or error
    return code_of(error) in _MISSING_TABLE or str(cause).startswith("no such table")
