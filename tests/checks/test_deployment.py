"""What the system checks say of a configuration that is about to face the world."""

import pytest

from tests.checks.messages import found


@pytest.mark.parametrize(
    ("name", "wrong", "right", "check"),
    [
        ("SESSION_COOKIE_SECURE", False, True, "sessionstore.W010"),
        ("SESSION_COOKIE_HTTPONLY", False, True, "sessionstore.W013"),
        ("SESSION_COOKIE_NAME", "sessionid", "__Host-sessionid", "sessionstore.W021"),
        ("SESSION_COOKIE_NAME", "__Secure-sessionid", "__Host-sessionid", "sessionstore.W021"),
        ("SESSION_COOKIE_SAMESITE", "None", "Lax", "sessionstore.W022"),
        ("SESSION_COOKIE_SAMESITE", "nOnE", "sTRICT", "sessionstore.W022"),
        ("SESSION_COOKIE_SAMESITE", False, "Lax", "sessionstore.W022"),
        ("SESSIONSTORE_ABSOLUTE_TIMEOUT", None, 30 * 86_400, "sessionstore.W023"),
        ("SESSIONSTORE_ABSOLUTE_TIMEOUT", 31 * 86_400, 86_400, "sessionstore.W023"),
    ],
)
def test_deployment_is_checked(settings, name, wrong, right, check):
    """Only with --deploy, and each can be put right."""
    settings.SESSION_COOKIE_SECURE = True
    setattr(settings, name, wrong)
    assert check not in found()
    assert check in found(deploy=True)
    setattr(settings, name, right)
    assert check not in found(deploy=True)


def test_a_host_cookie_with_a_domain_is_told(settings):
    """Browsers refuse it without a word."""
    settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_DOMAIN = "__Host-id", "example.org"
    assert "sessionstore.W021" in found(deploy=True)


@pytest.mark.parametrize("name", ["__Host-id", "__Secure-id"])
def test_a_prefix_without_the_secure_flag_is_told(settings, name):
    """Browsers refuse such a cookie, so nobody can sign in."""
    settings.SESSION_COOKIE_DOMAIN = "example.org" if name == "__Secure-id" else None
    settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_SECURE = name, True
    assert "sessionstore.W021" not in found(deploy=True)
    settings.SESSION_COOKIE_SECURE = False
    assert "sessionstore.W021" in found(deploy=True)


@pytest.mark.parametrize(
    ("version", "told"),
    [((5, 2, 15), True), ((5, 2, 16), False), ((6, 0, 6), True), ((6, 1, 0), False)],
)
def test_releases_with_holes_are_told(monkeypatch, version, told):
    """Django before 5.2.16, and 6.0.0 to 6.0.6."""
    monkeypatch.setattr("django.VERSION", (*version, "final", 0))
    assert ("sessionstore.W020" in found(deploy=True)) is told
