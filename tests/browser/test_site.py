"""The server of these tests: when it dies, one test fails and says how it died."""

import urllib.request

import pytest

from tests.harness.process import ServerEndedError


def test_a_server_that_died_fails_its_test_and_is_started_again(kept_site):
    """The test after it finds the site at the same address."""
    with (
        pytest.raises(ServerEndedError, match=r"demo \(process \d+\) ended by SIGKILL"),
        kept_site.watched(),
    ):
        kept_site.server.kill()
    with kept_site.watched(), urllib.request.urlopen(kept_site.address, timeout=30) as page:  # noqa: S310 - our own address
        assert page.status == 200
