"""Signals of the life of a session; docs/signals.md lists them with their arguments.

``sender`` is the engine's class; ``handle`` names the session and opens nothing. Receivers run
inside the request that caused the event, and what one raises goes up to it; not that of
``session_revoked``, ``session_bound`` and ``new_device``, which is logged.
"""

from enum import StrEnum

from django.dispatch import Signal


class Reason(StrEnum):
    """Why a session was ended before its time."""

    LOGOUT = "logout"  # Django's logout()
    FLUSHED = "flushed"  # flush() by other code, such as the login of somebody else
    DELETED = "deleted"  # delete() by other code
    OWNER = "owner"  # the user, on the devices page
    ADMIN = "admin"  # staff, in the admin
    COMMAND = "command"  # revokesessions
    LIMIT = "limit"  # SESSIONSTORE_MAX_PER_USER
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a reason
    FACTOR_CHANGED = "factor_changed"  # a second factor has come or gone
    ACCOUNT_DISABLED = "account_disabled"
    ACCOUNT_DELETED = "account_deleted"
    PROVIDER = "provider"  # the user, at the provider that they signed in by
    REPLACED = "replaced"  # a login in a browser that could not prove to be the bound device


class Refusal(StrEnum):
    """Why a cookie opened no session."""

    FORGED = "forged"  # malformed, or not signed by us
    UNKNOWN = "unknown"  # signed by us, but there is no such row (any more)
    DISGUISED = "disguised"  # under a name that is only nearly the session cookie's
    UNPROVED = "unproved"  # bound to a device, and nobody has shown that it is this one
    AMBIGUOUS = "ambiguous"  # several under that name, and no single one can be ours


# handle, user_id: a row was inserted.
session_created = Signal()
# handle, user_id, request: somebody signed in, or proved again who they are.
session_logged_in = Signal()
# handle, user_id, session, is_login, is_proof, has_new_key: a login, another proof of who somebody
# is, or another key stands in the row now; in the transaction of that write.
session_secured = Signal(use_caching=True)
# handle (None without a row), user_id: the key was changed and the data kept.
session_cycled = Signal()
# handle, user_id, conflicts: two requests changed the session at once. Conflicts are the paths of
# keys that both changed differently (ours was taken).
session_merged = Signal()
# handle, user_id, reason: a session was ended before its time.
session_revoked = Signal(use_caching=True)  # Optimization: 2 % of a logout.
# handle, user_id, ended_at_ms: a cookie came whose session had reached its end.
session_expired = Signal()
# handle (None but for UNPROVED), reason, client: a cookie came that opens nothing.
session_refused = Signal()
# handle, request: a browser has bound its session to a key of its device.
session_bound = Signal()
# handle, user_id: a request wanted to save a session that had been ended meanwhile.
session_interrupted = Signal()
# user, device, handle, request: somebody who had signed in before did so in a browser that was not
# known (SESSIONSTORE_KNOWN_DEVICES). Sent once that is there to stay.
new_device = Signal()
