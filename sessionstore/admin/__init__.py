"""The admin's pages; Django finds them here."""

from sessionstore.admin.sessions import SessionAdmin

__all__ = ["SessionAdmin"]
