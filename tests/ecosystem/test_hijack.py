"""django-hijack: an administrator works as another user, and comes back."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessionstore.models import SessionEvent
from tests.ecosystem.conftest import OUR_STACKS, STACKS, Table, give_a_code, key_of


@pytest.fixture
def admin(client: Client, boss: User) -> Client:
    client.post("/login/", {"username": "boss", "password": "secret"})
    return client


def acquire(admin: Client, user: User) -> None:
    assert admin.post("/hijack/acquire/", {"user_pk": user.pk}).status_code == 302


def test_acquire_and_release(admin: Client, table: Table, ann: User, boss: User) -> None:
    """Each change of user takes a new key, and no session of the other stays behind."""
    first = key_of(admin)
    acquire(admin, ann)
    second = key_of(admin)
    held = table.held(second)
    assert (held["_auth_user_id"], held["hijack_history"]) == (str(ann.pk), [str(boss.pk)])
    assert admin.post("/hijack/release/").status_code == 302
    third = key_of(admin)
    assert (table.user(third), table.held(third)["hijack_history"]) == (str(boss.pk), [])
    assert len({first, second, third}) == 3
    assert (table.held(first), table.held(second), table.rows()) == ({}, {}, 1)


def test_the_administrator_is_still_in_after_the_release(
    admin: Client, ann: User, boss: User
) -> None:
    """The page greets the user of the moment."""
    acquire(admin, ann)
    assert b"page ann" in admin.get("/page/").content
    admin.post("/hijack/release/")
    assert b"page boss" in admin.get("/page/").content


def test_a_chain_of_users_unwinds(admin: Client, table: Table, ann: User, boss: User) -> None:
    """The history is a list that hijack changes in place."""
    other = User.objects.create_superuser("other", "other@example.com", "secret")
    acquire(admin, other)
    acquire(admin, ann)
    assert table.held(key_of(admin))["hijack_history"] == [str(boss.pk), str(other.pk)]
    admin.post("/hijack/release/")
    assert table.user(key_of(admin)) == str(other.pk)
    admin.post("/hijack/release/")
    assert table.user(key_of(admin)) == str(boss.pk)


def test_the_expiry_is_kept(admin: Client, table: Table, ann: User) -> None:
    """hijack carries `_session_expiry` over the flush as a plain key."""
    session = admin.session
    session.set_expiry(900)
    session.save()
    acquire(admin, ann)
    assert admin.session["_session_expiry"] == 900
    assert admin.cookies["sessionid"]["max-age"] == 900


@pytest.mark.parametrize("stack", [name for name in STACKS if name != "stock"], indirect=True)
def test_an_impersonation_is_no_proof_of_who_acts(admin: Client, table: Table, ann: User) -> None:
    """What asks for a recent login goes on asking, as the other user and on the way back."""
    assert stamp(table, admin) is not None
    acquire(admin, ann)
    assert stamp(table, admin) is None
    admin.post("/hijack/release/")
    assert stamp(table, admin) is None


def stamp(table: Table, client: Client) -> int | None:
    """When the user of a session proved who they are."""
    return table.store(key_of(client)).authenticated_at_ms


def test_logout_while_hijacked_ends_all(admin: Client, table: Table, ann: User) -> None:
    """Neither user is logged in afterwards."""
    acquire(admin, ann)
    admin.post("/logout/")
    assert (table.rows(), key_of(admin)) == (0, None)


@pytest.mark.parametrize("stack", [name for name in STACKS if name != "stock"], indirect=True)
def test_who_acts_is_told_and_proves_nothing(
    admin: Client, ann: User, boss: User, settings: Any
) -> None:
    """By whom, at level 0, whatever the administrator has proved; on the way back nothing."""
    give_a_code(admin, settings)
    acquire(admin, ann)
    [fact] = admin.session.sign_ins
    assert (fact.method, fact.level, fact.by) == ("impersonation", 0, str(boss.pk))
    assert admin.get("/strong/").status_code == 302
    admin.post("/hijack/release/")
    assert admin.session.sign_ins == ()
    assert admin.get("/strong/").status_code == 302


@pytest.mark.parametrize("stack", OUR_STACKS, indirect=True)
def test_the_history_tells_who_acted(admin: Client, ann: User, boss: User, settings: Any) -> None:
    """In whose name, by whom, and until when; what follows is no confirmation of hers."""
    settings.SESSIONSTORE_HISTORY = 3600
    acquire(admin, ann)
    admin.post("/hijack/release/")
    events = SessionEvent.objects.filter(user_id=str(ann.pk))
    assert sorted(events.values_list("what", "actor_id", "ip")) == [
        ("acting_began", str(boss.pk), None),
        ("acting_ended", str(boss.pk), None),
        ("ended", str(boss.pk), None),
    ]
