"""What listens to the signals of Django and of its neighbours."""

from sessionstore.receivers.accounts import connect_accounts
from sessionstore.receivers.history import connect_history

__all__ = ["connect_accounts", "connect_history"]
