"""What the tests of links share."""

import pytest

from sessionstore.outside.keys import key_sets
from tests.engine.conftest import signed_in, store  # noqa: F401 - fixtures
from tests.links.provider import CLIENT, serving


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
def provider(running, settings, monkeypatch):
    """A provider that this site believes, as new."""
    provider, certificate = running
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("NO_PROXY", "localhost")
    provider.__init__(int(provider.issuer.split(":")[2].split("/")[0]))
    key_sets.clear()
    settings.ROOT_URLCONF = "tests.links.urls"
    settings.SESSIONSTORE_OIDC = {
        provider.issuer: {"client_id": CLIENT, "jwks_url": provider.jwks_url}
    }
    return provider
