"""Ends that are no date, in a table of Express."""

import pytest

from sessionstore.backends.express import SessionStore


@pytest.mark.parametrize("seconds", [2 * 10**11, -(10**10)])
def test_the_first_and_the_last_dates_are_stored(shared_table, seconds):
    """As far as the column goes; what makes no date is refused."""
    shared_table()
    session = SessionStore()
    session["a"] = 1
    with pytest.raises(ValueError, match="set_expiry"):
        session.set_expiry(10**12)
    session.set_expiry(seconds)
    session.save()
    assert bool(SessionStore(session.session_key).load()) is (seconds > 0)
