"""django-impersonate: `request.user` is another one than the user of the session."""

from typing import Any

import pytest
from django.conf import settings as site
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.test import Client

from sessionstore.models import SessionEvent
from sessionstore.users import devices
from tests.ecosystem.conftest import OUR_STACKS, give_a_code
from tests.harness.clock import Clock

pytestmark = pytest.mark.parametrize("stack", OUR_STACKS, indirect=True)


@pytest.fixture
def admin(client: Client, boss: User, settings: Any) -> Client:
    """A browser in which the administrator has just signed in."""
    settings.MIDDLEWARE = [*site.MIDDLEWARE, "impersonate.middleware.ImpersonateMiddleware"]
    client.post("/login/", {"username": "boss", "password": "secret"})
    return client


@pytest.fixture
def hers(ann: User) -> Client:
    """Her own browser."""
    browser = Client()
    browser.force_login(ann, "django.contrib.auth.backends.ModelBackend")
    return browser


def act_as(admin: Client, user: User) -> None:
    assert admin.get(f"/impersonate/{user.pk}/").status_code == 302
    assert f"page {user}".encode() in admin.get("/page/").content


def is_in(browser: Client, user: User) -> bool:
    return f"page {user}".encode() in browser.get("/page/").content


@pytest.mark.parametrize("page", ["careful", "account/confirm", "account/devices"])
def test_what_asks_for_the_person_is_refused(admin: Client, ann: User, page: str) -> None:
    """The administrator's recent login is none of hers; the page says what to do."""
    assert admin.get(f"/{page}/").status_code == 200
    act_as(admin, ann)
    answer = admin.get(f"/{page}/")
    assert answer.status_code == 403
    assert b"You act as <strong>ann</strong>" in answer.content


def test_a_second_factor_of_the_administrator_is_none_of_hers(
    admin: Client, ann: User, settings: Any
) -> None:
    """The session is the administrator's, and so is what it tells."""
    give_a_code(admin, settings)
    act_as(admin, ann)
    assert admin.get("/strong/").status_code == 403


@pytest.mark.parametrize("end", ["revoke-others", "revoke"])
def test_nobody_is_signed_out_in_her_name(
    admin: Client, hers: Client, ann: User, boss: User, end: str
) -> None:
    """Neither she elsewhere, nor the administrator here."""
    act_as(admin, ann)
    for browser in (admin, hers):
        fields = {"handle": browser.session.handle}
        assert admin.post(f"/account/devices/{end}/", fields).status_code == 403
    assert is_in(hers, ann)
    admin.get("/impersonate/stop/")
    assert is_in(admin, boss)


def test_her_password_does_not_confirm_the_administrator(
    admin: Client, ann: User, clock: Clock
) -> None:
    """What she proves is nothing about the session, which is another's."""
    clock.advance(minutes=61)
    act_as(admin, ann)
    admin.post("/account/confirm/", {"password": "secret"})
    admin.post("/accounts/reauthenticate/", {"password": "secret"})
    admin.get("/impersonate/stop/")
    assert admin.get("/careful/").status_code == 302


def test_code_that_ends_the_others_is_stopped(
    admin: Client, hers: Client, ann: User, boss: User
) -> None:
    """A view of the site's own, after a new second factor say."""
    with pytest.raises(PermissionDenied, match="another user's"):
        devices.revoke_others(ann, admin.session)
    assert is_in(hers, ann)


def test_a_password_set_in_her_name_ends_all_of_hers(
    admin: Client, hers: Client, ann: User, boss: User
) -> None:
    """And none of the administrator's."""
    act_as(admin, ann)
    ann.set_password("another")
    ann.save()
    assert not is_in(hers, ann)
    admin.get("/impersonate/stop/")
    assert is_in(admin, boss)


def test_the_history_tells_who_acted(admin: Client, ann: User, boss: User, settings: Any) -> None:
    """In whose name, by whom, and until when; what follows is no confirmation of hers."""
    settings.SESSIONSTORE_HISTORY = 3600
    act_as(admin, ann)
    admin.get("/impersonate/stop/")
    events = SessionEvent.objects.filter(user_id=str(ann.pk)).order_by("pk")
    assert list(events.values_list("what", "actor_id", "ip")) == [
        ("acting_began", str(boss.pk), None),
        ("acting_ended", str(boss.pk), None),
    ]
