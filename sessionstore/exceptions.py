# ruff: noqa: N818 - the names say what is, as Django's ObjectDoesNotExist does
"""The errors of the package, below one root; Django's UpdateError and CreateError keep theirs."""


class SessionStoreError(Exception):
    """Root of the errors that this package raises itself."""


class WrongSetting(SessionStoreError, ValueError):
    """A setting has a wrong type or value; the check E001 tells so before a request does."""


class SessionStoreUnavailable(SessionStoreError):
    """The database could not be reached or kept failing within the limits of the retries.

    The middleware answers 503 with Retry-After and leaves the cookie alone. ``__cause__`` is the
    driver's last error.
    """


class SessionUnreadable(SessionStoreUnavailable):
    """A row is not damaged, and this server cannot read it all the same: it is left as it is.

    It is of a later release, nested too deep, too large, or of another SESSION_SERIALIZER. To take
    it for an empty session would sign its user out, and the next write would replace its cookie.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"The session cannot be read, and is left as it is: {reason}.")
        self.reason = reason


class SessionTooLarge(SessionStoreError, ValueError):
    """The session is above SESSIONSTORE_MAX_BYTES, or above what the database takes at once.

    Nothing was written. Without ``largest_key`` it is MySQL's max_allowed_packet that is too small.
    """

    def __init__(
        self, *, size: int, limit: int, largest_key: str | None = None, largest_size: int = 0
    ) -> None:
        text = (
            f"The session takes {size} bytes and the limit is {limit} (SESSIONSTORE_MAX_BYTES). "
            f"Its largest key is {largest_key!r} with {largest_size} bytes: keep it in a table of "
            f"its own, or raise the limit."
        )
        if largest_key is None:
            text = (
                f"The session takes {size} bytes and the database takes no statement above {limit} "
                f"bytes (max_allowed_packet): raise that, or lower SESSIONSTORE_MAX_BYTES below it."
            )
        super().__init__(text)
        self.size = size
        self.limit = limit
        self.largest_key = largest_key


class UserIdTooLong(SessionStoreError, ValueError):
    """A user's primary key does not fit its column; nothing was written."""

    def __init__(self, key: str, *, size: int, limit: int) -> None:
        super().__init__(f"session[{key!r}] has {size} characters and its column holds {limit}.")


class SessionNotSerializable(SessionStoreError, TypeError):
    """A value cannot be written by SESSION_SERIALIZER; nothing was written."""


class TakenId(SessionStoreError):
    """An INSERT met an id that is in the table already."""


class NoSuchSession(SessionStoreError, LookupError):
    """No live session has this handle: it has ended, has expired, or never was."""


class KeyNeeded(SessionStoreError):
    """What was asked for takes the key of a session, and that is in its browser alone.

    Nothing was changed. The session can be ended without its key.
    """


class AppendOnly(SessionStoreError, TypeError):
    """An event of the history was to be changed or deleted: it is only ever added to."""


class EncryptionUnavailable(SessionStoreUnavailable):
    """An encrypted session was met, or should be written, without the extra ``[encryption]``."""
