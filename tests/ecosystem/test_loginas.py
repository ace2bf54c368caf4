"""django-loginas: an administrator signs in as another user, by Django's own login."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessionstore.models import SessionEvent
from tests.ecosystem.conftest import OUR_STACKS, sign_ins_of

pytestmark = pytest.mark.parametrize("stack", OUR_STACKS, indirect=True)


@pytest.fixture
def admin(client: Client, boss: User) -> Client:
    client.post("/login/", {"username": "boss", "password": "secret"})
    assert client.get("/careful/").status_code == 200
    return client


def act_as(admin: Client, user: User) -> None:
    assert admin.post(f"/loginas/login/user/{user.pk}/").status_code == 302
    assert f"page {user}".encode() in admin.get("/page/").content


def test_an_impersonation_is_no_proof_of_who_acts(admin: Client, ann: User, boss: User) -> None:
    """What asks for a recent login asks, as the other user and on the way back."""
    act_as(admin, ann)
    assert admin.get("/careful/").url == "/account/confirm/?next=/careful/"
    admin.get("/loginas/logout/")
    assert b"page boss" in admin.get("/page/").content
    assert admin.get("/careful/").url == "/account/confirm/?next=/careful/"


def test_the_others_are_not_signed_out_in_her_name(admin: Client, ann: User) -> None:
    """Ending asks for her password first."""
    hers = Client()
    hers.force_login(ann, "django.contrib.auth.backends.ModelBackend")
    act_as(admin, ann)
    assert admin.post("/account/devices/revoke-others/").status_code == 302
    assert b"page ann" in hers.get("/page/").content


def test_who_signs_in_afterwards_with_a_password_is_recent(admin: Client, ann: User) -> None:
    """A login of its own, in a browser that nobody is signed in with."""
    act_as(admin, ann)
    admin.post("/logout/")
    admin.post("/login/", {"username": "ann", "password": "secret"})
    assert admin.get("/careful/").status_code == 200


def test_who_acts_is_told_and_proves_nothing(admin: Client, ann: User, boss: User) -> None:
    """By whom, at level 0; her password makes it a sign-in of its own, and nothing is told back."""
    act_as(admin, ann)
    [fact] = admin.session.sign_ins
    assert (fact.method, fact.level, fact.by) == ("impersonation", 0, str(boss.pk))
    session: Any = admin.session
    session.mark_authenticated("password")
    session.save()
    assert sign_ins_of(admin) == [("impersonation", 0), ("password", 1)]
    admin.get("/loginas/logout/")
    assert sign_ins_of(admin) == []


def test_the_history_tells_who_acted(admin: Client, ann: User, boss: User, settings: Any) -> None:
    """In whose name, by whom, and until when; what follows is no confirmation of hers."""
    settings.SESSIONSTORE_HISTORY = 3600
    act_as(admin, ann)
    events = SessionEvent.objects.filter(user_id=str(ann.pk)).order_by("pk")
    assert list(events.values_list("what", "actor_id", "ip")) == [
        ("acting_began", str(boss.pk), None),
    ]
