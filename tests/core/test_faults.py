"""What an error of a driver means, by its code."""

import pytest

from sessionstore.table.faults import is_taken_id


@pytest.mark.parametrize("digest", ["a1", 'a"1', "a'1", "a\\x8A\"'"])
@pytest.mark.parametrize("key", ["PRIMARY", "sessionstore_session.PRIMARY"])
def test_a_taken_id_is_known_whatever_quotes_the_digest_contains(digest, key):
    """MariaDB and MySQL tell it by the name of the key alone, after the bytes of the value."""
    text = f"Duplicate entry '{digest}' for key '{key}'"
    assert is_taken_id(Exception(1062, text))


def test_another_unique_key_is_no_taken_id():
    """Also when a value of that key says otherwise."""
    text = "Duplicate entry 'x for key 'PRIMARY'' for key 'other'"
    assert not is_taken_id(Exception(1062, text))
