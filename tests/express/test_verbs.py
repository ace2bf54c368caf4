"""The three tables meet one Protocol: mypy checks it for `get_table()`, and this for each name."""

import inspect

import pytest

from sessionstore.cache.rows import CachedTable
from sessionstore.express.rows import SharedTable
from sessionstore.table.rows import SqlTable
from sessionstore.table.verbs import Table

NAMES = [name for name in vars(Table) if not name.startswith("_")]
VERBS = [name for name in NAMES if inspect.isfunction(getattr(Table, name))]


def parameters(function) -> list[str]:
    """Return kinds, names, types and defaults; whether it is a static method is its own affair."""
    found = inspect.signature(function).parameters.values()
    return [f"{one.kind.name} {one}" for one in found if one.name != "self"]


@pytest.mark.parametrize("table", [SqlTable, CachedTable, SharedTable])
@pytest.mark.parametrize("verb", VERBS)
def test_each_table_has_each_verb_with_the_same_parameters(table, verb):
    """Whoever calls one by keyword, or with a default, may have any of them."""
    assert parameters(getattr(table, verb)) == parameters(getattr(Table, verb))


@pytest.mark.parametrize("table", [SqlTable, CachedTable, SharedTable])
def test_each_table_has_each_property(table):
    """A property is one in each of them, or a word."""
    for name in set(NAMES) - set(VERBS):
        assert isinstance(inspect.getattr_static(table, name), property | str), name


def test_the_verbs_are_those_of_the_design():
    """A Protocol without members would be met by anything."""
    assert {"fetch", "find", "insert", "update", "touch", "remove", "expired"} <= set(VERBS)
    place = {"alias", "table", "name_parts", "holds"}
    assert set(NAMES) - set(VERBS) == {*place, "batch_size", "pause_s", "can_lock"}
