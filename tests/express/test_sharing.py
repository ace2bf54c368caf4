"""One session, two applications: what one half writes, the other half reads."""

import pytest

pytestmark = pytest.mark.only_on("mariadb", "mysql", "postgresql")


def test_a_value_of_django_is_read_by_express_and_the_reverse(browser):
    """Each half adds a key to the session that the other half began."""
    browser.django(["set", "a", 1])
    assert browser.express(["set", "b", 2])["loaded"]["a"] == 1
    assert browser.django()["session"] == {"a": 1, "b": 2}
