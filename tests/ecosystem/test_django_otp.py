"""django-otp and django-two-factor-auth: a code on top of the password."""

from typing import Any

import pytest
from django.conf import settings as site
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from tests.docs.pages import DOCS, Shop
from tests.ecosystem.conftest import OUR_STACKS, sign_ins_of
from tests.harness.clock import Clock

pytestmark = pytest.mark.parametrize("stack", OUR_STACKS[:1], indirect=True)
PASSWORD = {"username": "ann", "password": "secret"}
BOTH = [("password", 1), ("otp", 2)]


@pytest.fixture
def device(ann: User, settings: Any) -> TOTPDevice:
    """What makes ann's codes; the site asks django-otp's page for one where it matters."""
    settings.MIDDLEWARE = [*site.MIDDLEWARE, "django_otp.middleware.OTPMiddleware"]
    settings.SESSIONSTORE_REAUTH_URL = {2: "otp-login"}
    device: TOTPDevice = TOTPDevice.objects.create(user=ann, name="default")
    return device


def code_of(device: TOTPDevice) -> str:
    return f"{TOTP(device.bin_key, device.step, device.t0, device.digits).token():06d}"


def test_a_code_opens_what_the_password_does_not(client: Client, device: TOTPDevice) -> None:
    """The whole way: the login, the page, the code, the page."""
    client.post("/login/", PASSWORD)
    asked = client.get("/strong/")
    assert (asked.status_code, asked.url) == (302, "/otp-login/?next=/strong/")
    answer = client.post(
        asked.url, {"otp_device": device.persistent_id, "otp_token": code_of(device)}
    )
    assert (answer.status_code, answer.url) == (302, "/strong/")
    assert sign_ins_of(client) == BOTH
    assert client.get("/strong/").content == b"strong"


def test_a_recovery_code_is_a_second_factor(client: Client, device: TOTPDevice) -> None:
    """By its own name."""
    static = StaticDevice.objects.create(user=device.user)
    static.token_set.create(token="once")
    fields = {"otp_device": static.persistent_id, "otp_token": "once", **PASSWORD}
    client.post("/otp-login/", fields)
    assert sign_ins_of(client) == [("password", 1), ("recovery_code", 2)]


def test_signing_the_same_user_in_again_proves_no_code(
    client: Client, device: TOTPDevice, clock: Clock
) -> None:
    """A password alone, in a session that once had a code."""
    fields = {"otp_device": device.persistent_id, "otp_token": code_of(device), **PASSWORD}
    client.post("/otp-login/", fields)
    assert sign_ins_of(client) == BOTH
    clock.advance(minutes=16)
    client.post("/login/", PASSWORD)
    assert sign_ins_of(client) == [*BOTH, ("password", 1)]
    assert client.get("/strong/").status_code == 302


def test_a_view_that_signs_its_own_user_in_again_proves_no_code(
    client: Client, device: TOTPDevice
) -> None:
    """The device hangs on the user of the request, from before."""
    fields = {"otp_device": device.persistent_id, "otp_token": code_of(device), **PASSWORD}
    client.post("/otp-login/", fields)
    request: Any = client.get("/page/").wsgi_request
    assert request.user.is_verified()
    login(request, request.user, "django.contrib.auth.backends.ModelBackend")
    assert [fact.method for fact in request.session.sign_ins] == ["password", "otp", "password"]


ASKED = """
from django.http import HttpResponse
from django.urls import include, path
from shop.second_factor import is_asked, second_factor

urlpatterns = [
    path("second/", second_factor),
    path("asked/", lambda request: HttpResponse(str(is_asked(request)))),
    path("", include("tests.ecosystem.urls")),
]
"""


def test_a_trusted_browser_leaves_the_code_out(
    client: Client, device: TOTPDevice, settings: Any, monkeypatch: Any
) -> None:
    """The view of the documentation; until the password changes, and in no other browser."""
    settings.SESSIONSTORE_KNOWN_DEVICES = True
    Shop(DOCS / "known-devices.md", monkeypatch, urls=ASKED)
    settings.ROOT_URLCONF = "shop.urls"

    def is_asked(browser: Client, **fields: str) -> str:
        browser.post("/login/", {**PASSWORD, **fields})
        return browser.get("/asked/").content.decode()

    assert is_asked(client) == "True"
    fields = {"otp_device": device.persistent_id, "otp_token": code_of(device), "remember": "on"}
    assert client.post("/second/", fields).url == "/"
    assert client.get("/asked/").content == b"False"
    client.post("/account/logout/")
    assert is_asked(client) == "False"
    assert [fact.method for fact in client.session.sign_ins] == ["password"]  # type: ignore[attr-defined]
    assert is_asked(Client()) == "True"
    device.user.set_password("another")
    device.user.save()
    assert is_asked(client, password="another") == "True"


def two_factor(client: Client, step: str, **fields: str) -> Any:
    return client.post("/two-factor/account/login/", {"login_view-current_step": step, **fields})


def test_two_factor_auth_asks_for_both(client: Client, device: TOTPDevice, settings: Any) -> None:
    """A browser that it remembers has given the password alone."""
    for expected in (BOTH, [("password", 1)]):
        first = two_factor(client, "auth", **{"auth-username": "ann", "auth-password": "secret"})
        if expected == BOTH:
            assert first.status_code == 200
            token = {"token-otp_token": code_of(device), "token-remember": "on"}
            assert two_factor(client, "token", **token).status_code == 302
        assert sign_ins_of(client) == expected
        client.post("/logout/")


def test_a_code_device_that_goes_ends_the_others(client: Client, device: TOTPDevice) -> None:
    """Also one that comes (ASVS 7.4.3); a code that is used is no change."""
    other = Client()
    for browser in (client, other):
        browser.post("/login/", PASSWORD)
    device.save()
    assert b"page ann" in client.get("/page/").content
    assert b"page ann" in other.get("/page/").content
    device.delete()  # as in a view of the other browser
    assert b"page Anonymous" in client.get("/page/").content
    assert b"page ann" in other.get("/page/").content
