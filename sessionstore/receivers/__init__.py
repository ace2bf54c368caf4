"""What listens to the signals of Django and of its neighbours."""

from sessionstore.receivers import impersonators, outside
from sessionstore.receivers.accounts import connect_accounts
from sessionstore.receivers.factors import connect_factors

__all__ = ["connect_accounts", "connect_factors", "impersonators", "outside"]
