"""An engine of a site's own, built on that of Express."""

from sessionstore.backends import express


class SessionStore(express.SessionStore):
    """The same, elsewhere."""
