"""What the system checks say of SESSIONSTORE_ENCRYPT."""

from sessionstore.core import encryption
from tests.checks.messages import found


def test_encryption_without_its_library_is_an_error(settings, monkeypatch):
    """Said before the first request fails."""
    settings.SESSIONSTORE_ENCRYPT = True
    assert "sessionstore.E060" not in found()
    monkeypatch.setattr(encryption, "AESGCM", None)
    assert "sessionstore.E060" in found()
