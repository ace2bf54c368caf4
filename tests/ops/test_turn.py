"""Who may clean a table: one at a time."""

import pytest
from django.db import connections

from sessionstore.cleaning.turn import turn


@pytest.mark.only_on("sqlite")
def test_a_folder_may_be_called_memory(database, monkeypatch, tmp_path):
    """Only a database that is in memory has no other process to keep away."""
    name = str(tmp_path / "memory-shop" / "db.sqlite3")
    monkeypatch.setitem(connections[database].settings_dict, "NAME", name)
    with turn(database, "sessions") as first, turn(database, "sessions") as second:
        assert (first, second) == (True, False)
    monkeypatch.setitem(connections[database].settings_dict, "NAME", ":memory:")
    with turn(database, "sessions") as first, turn(database, "sessions") as second:
        assert (first, second) == (True, True)
