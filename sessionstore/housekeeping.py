"""What a clean-up has to do on this site: one table after the other."""

from collections.abc import Iterator
from typing import Any

from sessionstore.cleaning import Clearable
from sessionstore.conf import conf
from sessionstore.history.table import events
from sessionstore.known_devices.rows import known_devices
from sessionstore.moving.old_table import tables_to_clear
from sessionstore.outside.linked import GoneLinks


def all_to_clear(store: Any) -> Iterator[Clearable]:
    """Yield the tables that hold sessions of an engine, and then what is kept beside them."""
    yield from tables_to_clear(store)
    yield from kept_beside()
    # Each schema of a tenant has links of its own: whether there are any, each is asked for itself.
    yield GoneLinks(store.get_table())


def kept_beside() -> Iterator[Clearable]:
    """Yield what this site keeps beside its sessions by its settings."""
    if conf.known_devices is not None:
        yield known_devices
    if conf.history_ms is not None:
        yield events
