"""The admin's pages; Django finds them here."""

from .sessions import SessionAdmin

__all__ = ["SessionAdmin"]
