"""Sessions that are larger than the native engine takes: Express has no limit but its column."""

import pytest

from sessionstore.backends.express import SessionStore
from sessionstore.exceptions import SessionTooLarge

SIZE = 1_200_000


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_a_session_of_more_than_a_mebibyte_works_on_both_sides(browser):
    """It is read, changed and written by both."""
    browser.express(["fill", "big", SIZE])
    assert len(browser.django()["session"]["big"]) == SIZE // 2
    browser.django(["set", "cart", {"oat": 2}])
    answer = browser.express(["set", "views", 1])["session"]
    assert (len(answer["big"]), answer["cart"]) == (SIZE // 2, {"oat": 2})
    assert browser.django()["session"]["views"] == 1


@pytest.mark.only_on("sqlite", "mariadb")
def test_django_makes_one_too_unless_the_setting_says_less(shared_table, settings):
    """The error names the setting."""
    shared_table()
    session = SessionStore()
    session["big"] = "x" * SIZE
    session.save()
    settings.SESSIONSTORE_MAX_BYTES = 1024
    other = SessionStore()
    other["big"] = "x" * SIZE
    with pytest.raises(SessionTooLarge, match="SESSIONSTORE_MAX_BYTES"):
        other.save()
    same = SessionStore(session.session_key)
    same["big"] = "y" * SIZE
    same.save()
    assert SessionStore(session.session_key)["big"] == "y" * SIZE
