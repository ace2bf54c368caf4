"""The table that sessions come from, or leave to, as a clean-up sees it."""

import pytest
from django.contrib.sessions.models import Session as DjangoSession

from sessionstore.backends.leaving import SessionStore as LeavingStore
from sessionstore.backends.sql import SessionStore
from sessionstore.moving.old_table import OldTable, tables_to_clear


def test_its_batches_are_as_large_as_those_of_ours(database):
    """The help states one size for each database."""
    old = OldTable(DjangoSession).using(database)
    assert old.batch_size == SessionStore.get_table().batch_size


@pytest.mark.only_on("sqlite")
def test_it_is_cleared_once_when_sessions_leave_to_where_they_came_from(database, settings):
    """SESSIONSTORE_ADOPT_FROM may still be set."""
    settings.SESSIONSTORE_ADOPT_FROM = "django.contrib.sessions.backends.db"
    tables = [rows.table for rows in tables_to_clear(LeavingStore)]
    assert tables == ["sessionstore_session", "django_session"]
