"""What listens to the signals of Django and of its neighbours."""

from sessionstore.receivers import impersonators, outside
from sessionstore.receivers.accounts import connect_accounts
from sessionstore.receivers.factors import connect_factors
from sessionstore.receivers.forks import connect_forks
from sessionstore.receivers.history import connect_history
from sessionstore.receivers.known_devices import connect_known_devices

__all__ = [
    "connect_accounts",
    "connect_factors",
    "connect_forks",
    "connect_history",
    "connect_known_devices",
    "impersonators",
    "outside",
]
