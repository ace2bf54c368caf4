"""Who may clean a table: one at a time."""

import tempfile

import pytest
from django.db import connections

from sessionstore.cleaning.turn import turn
from tests.faults.conftest import another_alias
from tests.harness.process import free_port


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


@pytest.mark.only_on("sqlite")
def test_a_lock_file_that_is_not_ours_stops_nobody(database, monkeypatch, tmp_path):
    """Security: never through a link that somebody else has put there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with turn(database, "sessions"):
        [lock] = tmp_path.iterdir()
    lock.unlink()
    lock.symlink_to(tmp_path / "elsewhere")
    with turn(database, "sessions") as is_ours:
        assert is_ours
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.only_on("mariadb", "postgresql")
def test_without_a_connection_to_spare_the_work_goes_on(database, monkeypatch, caplog):
    """The lock would be held on a connection of its own."""
    monkeypatch.setitem(connections[database].settings_dict, "PORT", free_port())
    with caplog.at_level("INFO", "sessionstore"), turn(database, "sessions") as is_ours:
        assert is_ours
    assert "Cleaning without an advisory lock" in caplog.text


@pytest.mark.only_on("postgresql")
def test_each_schema_has_a_turn_of_its_own(database):
    """Tenants have tables of one name, each in a schema; one that they share is one table."""
    with connections[database].cursor() as cursor:
        for schema in ("a", "b"):
            cursor.execute(f"CREATE SCHEMA {schema} CREATE TABLE sessions (id int)")
    paths = [{"OPTIONS": {"options": f"-c search_path={schema},public"}} for schema in ("a", "b")]
    try:
        with another_alias(database, "a", **paths[0]), another_alias(database, "b", **paths[1]):
            with turn("a", "sessions") as a, turn("b", "sessions") as b:
                assert (a, b) == (True, True)
            with turn("a", "sessions") as a, turn("a", "sessions") as again:
                assert (a, again) == (True, False)
            with turn("a", "auth_user") as a, turn("b", "auth_user") as b:
                assert (a, b) == (True, False)
    finally:
        with connections[database].cursor() as cursor:
            cursor.execute("DROP SCHEMA a CASCADE; DROP SCHEMA b CASCADE")
