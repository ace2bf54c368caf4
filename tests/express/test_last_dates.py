"""Ends that are no date, in a table of Express."""

import pytest

from sessionstore.backends.express import SessionStore


@pytest.mark.parametrize("layout", ["express-mysql-session", "connect-pg-simple"])
@pytest.mark.parametrize("seconds", [2 * 10**11, -(10**10)])
def test_the_first_and_the_last_dates_are_stored(shared_table, database, layout, seconds):
    """As far as the column goes; what makes no date is refused."""
    if layout == "connect-pg-simple" and "postgres" not in database:
        pytest.skip("that layout is PostgreSQL's")
    shared_table(layout=layout)
    session = SessionStore()
    session["a"] = 1
    with pytest.raises(ValueError, match="set_expiry"):
        session.set_expiry(10**12)
    session.set_expiry(seconds)
    session.save()
    assert bool(SessionStore(session.session_key).load()) is (seconds > 0)
