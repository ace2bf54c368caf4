"""``SessionBackend``, which every engine is: for ``isinstance``."""

from sessionstore.session.store import SessionBackend

__all__ = ["SessionBackend"]
