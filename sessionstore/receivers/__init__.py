"""What listens to the signals of Django and of its neighbours."""

from sessionstore.receivers import impersonators
from sessionstore.receivers.accounts import connect_accounts

__all__ = ["connect_accounts", "impersonators"]
