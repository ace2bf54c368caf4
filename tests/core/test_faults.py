"""What an error of a driver means, by its code."""

import pytest

from sessionstore.table.faults import is_taken_id


@pytest.mark.parametrize("digest", ["a1", 'a"1', "a'1", "a\\x8A\"'"])
@pytest.mark.parametrize("table", ["", "sessionstore_session."])
@pytest.mark.parametrize("name", ["PRIMARY", "digest"])
def test_a_taken_id_is_known_whatever_quotes_the_digest_contains(digest, table, name):
    """MariaDB and MySQL tell it by the name of the key alone, after the bytes of the value."""
    text = f"Duplicate entry '{digest}' for key '{table}{name}'"
    assert is_taken_id(Exception(1062, text))


@pytest.mark.parametrize("other", ["other", "old_digest", "my_table.other", "digest_2"])
def test_another_unique_key_is_no_taken_id(other):
    """Also when a value of that key says otherwise."""
    for ours in ("PRIMARY", "digest"):
        text = f"Duplicate entry 'x for key '{ours}'' for key '{other}'"
        assert not is_taken_id(Exception(1062, text))
