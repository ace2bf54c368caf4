"""What listens to the signals of Django and of its neighbours."""

from sessionstore.receivers import outside
from sessionstore.receivers.accounts import connect_accounts

__all__ = ["connect_accounts", "outside"]
