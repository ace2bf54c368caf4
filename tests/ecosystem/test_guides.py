"""The guides of docs/ that are about neighbours: allauth, Django REST framework, Channels."""

import json
from datetime import timedelta
from typing import Any

import pytest
from allauth.headless import urls as headless_urls
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.template import Context, Template
from django.test import Client
from django.urls import include, path

from sessionstore.models import Session
from sessionstore.signals import session_revoked
from tests.docs.pages import DOCS, Shop, blocks, files, settings_of
from tests.ecosystem.conftest import Table, key_of
from tests.harness.clock import Clock

GUIDES = DOCS / "guides"
pytestmark = pytest.mark.parametrize("stack", ["ours"], indirect=True)


@pytest.fixture
def allauth_site(stack: str, settings: Any, monkeypatch: Any) -> None:
    """A site by the settings and urls of the guide."""
    page = GUIDES / "allauth.md"
    shown = settings_of(files(page)["settings.py"])
    assert set(shown.pop("INSTALLED_APPS")) <= set(settings.INSTALLED_APPS)
    for name, value in shown.items():
        setattr(settings, name, value)
    made = Shop(page, monkeypatch, urls=files(page)["urls.py"])
    made.urls.urlpatterns.append(path("_allauth/", include(headless_urls)))
    settings.ROOT_URLCONF = "shop.urls"


def log_in(client: Client) -> None:
    answer = client.post("/accounts/login/", {"login": "ann", "password": "secret"})
    assert answer.status_code == 302


@pytest.mark.usefixtures("allauth_site")
def test_whoever_signs_in_by_allauth_sees_the_devices(
    client: Client, ann: User, clock: Clock
) -> None:
    """Ending one asks allauth for a proof once the login has grown old, and then does it."""
    other = Client()
    log_in(other)
    log_in(client)
    assert client.get("/account/devices/").status_code == 200
    clock.advance(minutes=16)
    asked = client.post("/account/devices/revoke-others/")
    assert asked.url.startswith("/accounts/reauthenticate/?next=")
    client.post(asked.url, {"password": "secret"})
    client.post("/account/devices/revoke-others/")
    assert Session.objects.for_user(ann).count() == 1
    assert client.get("/account/devices/").status_code == 200
    assert Client().get("/account/login/").status_code == 404


@pytest.mark.usefixtures("allauth_site")
def test_the_button_leads_to_the_logout_of_allauth(client: Client, ann: User) -> None:
    """As the guide's template has it."""
    log_in(client)
    request = client.get("/account/devices/").wsgi_request
    [source] = blocks(GUIDES / "allauth.md", "html+django")
    html = Template(source).render(Context({"request": request, "csrf_token": "x"}))
    assert 'action="/accounts/logout/"' in html
    assert 'href="/account/devices/"' in html


@pytest.mark.usefixtures("allauth_site")
def test_an_app_is_a_device_that_a_new_password_ends(client: Client, ann: User) -> None:
    """Its token is the key of a session."""
    asked = Client(headers={"user-agent": "ShopApp"}).post(
        "/_allauth/app/v1/auth/login",
        {"username": "ann", "password": "secret"},
        "application/json",
    )
    token = asked.json()["meta"]["session_token"]
    assert Session.objects.by_key(token).get().user_agent == "ShopApp"
    log_in(client)
    assert b"ShopApp" in client.get("/account/devices/").content
    ann.set_password("another")
    ann.save()
    assert not Session.objects.by_key(token).exists()


@pytest.fixture
def api_site(stack: str, settings: Any, monkeypatch: Any) -> None:
    """The API of the guide, and our pages."""
    made = Shop(GUIDES / "rest-framework.md", monkeypatch)
    made.urls.urlpatterns.append(path("account/", include("sessionstore.urls")))
    settings.ROOT_URLCONF = "shop.urls"


@pytest.mark.usefixtures("api_site")
def test_an_api_writes_the_session_and_asks_for_the_token(table: Table, ann: User) -> None:
    """Lines that are added one after the other are all there."""
    browser = Client(enforce_csrf_checks=True)
    assert browser.get("/api/cart/").status_code == 403
    browser.force_login(ann)
    assert browser.post("/api/cart/", {"product": "pear"}).status_code == 403
    browser.get("/account/login/")
    headers = {"x-csrftoken": browser.cookies["csrftoken"].value}
    counts = [
        browser.post("/api/cart/", {"product": one}, headers=headers).json()["count"]
        for one in ("pear", "oat")
    ]
    assert counts == [1, 2]
    assert browser.get("/api/cart/").json() == {"lines": ["pear", "oat"]}


@pytest.mark.usefixtures("api_site")
def test_an_api_asks_for_a_recent_login(client: Client, ann: User, clock: Clock) -> None:
    """403 with a sentence, which a page makes a question of."""
    client.post("/account/login/", {"username": "ann", "password": "secret"})
    assert client.put("/api/bank-account/").status_code == 200
    clock.advance(minutes=6)
    refused = client.put("/api/bank-account/")
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "Please confirm that it is you.",
    )


@pytest.mark.usefixtures("api_site")
def test_an_api_that_is_polled_does_not_count_as_use(
    client: Client, ann: User, clock: Clock, settings: Any
) -> None:
    """And the view is exempt from Django's own CSRF check, as before."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = timedelta(hours=1)
    client.force_login(ann)
    end = Session.objects.get().expires_at
    clock.advance(minutes=30)
    assert client.get("/api/poll/").status_code == 200
    assert Session.objects.get().expires_at == end
    client.get("/api/cart/")
    assert Session.objects.get().expires_at > end


@pytest.fixture
def sockets(stack: str, settings: Any, monkeypatch: Any) -> Any:
    """The consumer of the guide; its receiver is taken off again."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    monkeypatch.setattr(session_revoked, "receivers", [*session_revoked.receivers])
    made = Shop(GUIDES / "channels.md", monkeypatch)
    session_revoked.sender_receivers_cache.clear()
    yield made
    session_revoked.sender_receivers_cache.clear()


def socket(made: Any, key: str | None) -> ApplicationCommunicator:
    headers = [(b"cookie", f"sessionid={key}".encode())] if key else []
    scope = {"type": "websocket", "path": "/cart/", "query_string": b"", "headers": headers}
    return ApplicationCommunicator(made.asgi.websockets, scope)


@pytest.mark.usefixtures("close_other_threads")
async def test_a_socket_writes_the_session_and_is_closed_with_it(
    sockets: Any, table: Table, ann: User
) -> None:
    """Two messages are two lines in the cart; a logout elsewhere closes it."""
    client = Client()
    await sync_to_async(client.force_login)(ann)
    one = socket(sockets, key_of(client))
    await one.send_input({"type": "websocket.connect"})
    assert (await one.receive_output(timeout=5))["type"] == "websocket.accept"
    for product, count in (("pear", 1), ("oat", 2)):
        text = json.dumps({"product": product})
        await one.send_input({"type": "websocket.receive", "text": text})
        answer = await one.receive_output(timeout=5)
        assert json.loads(answer["text"]) == {"count": count}
    held = await sync_to_async(table.held)(str(key_of(client)))
    assert held["cart"] == ["pear", "oat"]
    await sync_to_async(client.logout)()
    closed = await one.receive_output(timeout=5)
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)
    await one.send_input({"type": "websocket.disconnect", "code": 4401})
    await one.wait(timeout=5)


@pytest.mark.usefixtures("close_other_threads")
async def test_a_socket_of_a_visitor_is_refused(sockets: Any) -> None:
    """It is in no group."""
    one = socket(sockets, None)
    await one.send_input({"type": "websocket.connect"})
    assert (await one.receive_output(timeout=5))["code"] == 4401
    await one.send_input({"type": "websocket.disconnect", "code": 4401})
    await one.wait(timeout=5)
