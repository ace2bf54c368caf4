"""Two sites on one table: their users have the same keys, and are not the same people."""

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

from sessionstore.backends.sql import SessionStore
from sessionstore.models import Session
from sessionstore.signals import session_revoked
from sessionstore.table.rows import SqlTable
from sessionstore.users import devices
from tests.harness import commands
from tests.harness.statements import record_statements
from tests.web.conftest import PASSWORD

ANOTHER = override_settings(SECRET_KEY="that of the other site" * 3)


@pytest.fixture(params=[False, True], ids=["sealed", "encrypted"])
def user(request, database, settings) -> User:
    """A user of ours, whose key is also that of somebody at the other site."""
    settings.SESSIONSTORE_ENCRYPT = request.param
    return User.objects.create_user("ann", password=PASSWORD)


def login(user_id) -> SessionStore:
    session = SessionStore()
    session["_auth_user_id"] = str(user_id)
    session.save()
    return SessionStore(session.session_key)


@pytest.fixture
def strangers(user) -> list[str]:
    """Keys of the other site's user."""
    with ANOTHER:
        return [login(user.pk).session_key for _ in range(3)]


def are_live(keys) -> bool:
    with ANOTHER:
        return all(SessionStore(key).load() for key in keys)


def count(user) -> int:
    return len(Session.objects.using(SessionStore().table.alias).for_user(user).own())


def test_the_list_of_devices_has_no_strangers(user, strangers, monkeypatch):
    """On no page, and nothing there ends them."""
    own = [login(user.pk) for _ in range(5)]
    for session in own:
        session.load()
    monkeypatch.setattr(devices, "PER_PAGE", 2)
    pages = [devices.list_devices(user, own[0], number=number) for number in (1, 2, 3)]
    assert [len(page.devices) for page in pages] == [2, 2, 1]
    assert [page.has_next for page in pages] == [True, True, False]
    shown = {device.handle for page in pages for device in page.devices}
    assert shown == {session.handle for session in own}
    with ANOTHER:
        stranger = own[0].table.objects.by_key(strangers[0]).get()
    assert devices.revoke(user, own[0], stranger.handle) is False
    assert devices.revoke(user, own[0], own[1].handle) is True
    assert (devices.revoke_others(user, own[0]), count(user)) == (3, 1)
    assert are_live(strangers)


def test_a_page_without_strangers_is_one_query(user):
    """And reads no data."""
    own = login(user.pk)
    own.get("a")
    with record_statements() as seen:
        devices.list_devices(user, own)
    assert len(seen.about("sessionstore_session")) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda user: (user.set_password("new"), user.save()),
        lambda user: (setattr(user, "is_active", False), user.save()),
        lambda user: user.delete(),
        lambda user: commands.run("revokesessions", "--user-id", str(user.pk), "--no-input"),
        lambda user: commands.run("revokesessions", "--user", "ann", "--no-input"),
        lambda user: commands.run("revokesessions", "--inactive", "--no-input"),
    ],
    ids=["password", "disabled", "deleted", "user-id", "user", "inactive"],
)
def test_what_ends_a_users_sessions_ends_no_strangers(
    user, strangers, change, monkeypatch, request
):
    """However many there are of them."""
    monkeypatch.setattr("sessionstore.table.rows.BATCH", 2)
    own = [login(user.pk) for _ in range(3)]
    if "inactive" in request.node.callspec.id:
        User.objects.filter(pk=user.pk).update(is_active=False)
    change(user)
    assert [one for one in own if SessionStore(one.session_key).load()] == []
    assert are_live(strangers)


def test_however_many_strangers_there_are_own_rows_end(user, strangers, monkeypatch):
    """The rows of the other site were written first, and are more than any number of looks."""
    monkeypatch.setattr("sessionstore.table.rows.BATCH", 2)
    monkeypatch.setattr("sessionstore.table.rows._ROUNDS", 2)
    with ANOTHER:
        strangers += [login(user.pk).session_key for _ in range(8)]
    own = [login(user.pk) for _ in range(3)]
    with record_statements() as seen:
        user.set_password("new")
        user.save()
    assert [one for one in own if SessionStore(one.session_key).load()] == []
    assert are_live(strangers)
    assert "NOT IN" not in str([str(one) for one in seen.about("sessionstore_session")])


def test_a_login_in_the_middle_is_ended_and_told(user, monkeypatch):
    """What is told is what was removed, not what somebody saw before."""
    told, late = [], []
    remove = SqlTable.remove_of_users

    def login_first(self, *args, **options):
        late.append(login(user.pk))
        return remove(self, *args, **options)

    def hear(handle, **_):
        told.append(handle)

    own = login(user.pk)
    monkeypatch.setattr(SqlTable, "remove_of_users", login_first)
    session_revoked.connect(hear)
    try:
        user.set_password("new")
        user.save()
    finally:
        session_revoked.disconnect(hear)
    for one in (own, *late):
        assert SessionStore(one.session_key).load() == {}
    assert len(told) == 2


def test_the_command_counts_what_it_would_end(user, strangers):
    """With --all those of everybody who uses the table."""
    login(user.pk)
    told = commands.run("revokesessions", "--user-id", str(user.pk), "--dry-run")
    assert told.startswith("Would end 1 session ")
    told = commands.run("revokesessions", "--all", "--no-input")
    assert told.startswith("Ended 4 sessions")
    assert not are_live(strangers[:1])


def test_strangers_do_not_count_for_the_limit(user, strangers, settings):
    """And make nobody leave, whoever signs in later."""
    settings.SESSIONSTORE_MAX_PER_USER = 2
    own = [login(user.pk) for _ in range(3)]
    assert [bool(SessionStore(one.session_key).load()) for one in own] == [False, True, True]
    assert are_live(strangers)


def test_the_admin_gives_strangers_no_name(user, strangers):
    """And ends only those that somebody has chosen."""
    User.objects.create_superuser("boss", password=PASSWORD)
    desk = Client()
    desk.post("/account/login/", {"username": "boss", "password": PASSWORD})
    address = "/admin/sessionstore/session/"
    assert "ann" not in desk.get(address).content.decode()
    own = login(user.pk)
    assert desk.get(address).content.decode().count(">ann<") == 1
    chosen = {"_selected_action": [one.handle for one in own_rows(user)], "select_across": "1"}
    desk.post(address, {"action": "end_all_of_users", "confirmed": "yes", **chosen})
    assert SessionStore(own.session_key).load() == {}
    assert are_live(strangers)


def test_the_admin_ends_no_strangers(user, strangers):
    """Whichever rows somebody has chosen; and tells how many were left alone."""
    User.objects.create_superuser("boss", password=PASSWORD)
    desk, own = Client(), login(user.pk)
    desk.post("/account/login/", {"username": "boss", "password": PASSWORD})
    chosen = {"_selected_action": [one.handle for one in own_rows(user)]}
    address = "/admin/sessionstore/session/"
    chosen |= {"action": "end_selected", "confirmed": "yes"}
    page = desk.post(address, chosen, follow=True).content.decode()
    assert SessionStore(own.session_key).load() == {}
    assert are_live(strangers)
    assert "1 session was ended." in page
    assert "3 sessions of another site were left alone." in page


def own_rows(user):
    return Session.objects.using(SessionStore().table.alias).for_user(user)


def test_the_first_own_rows_are_found_among_any_number_of_strangers(user, strangers, clock):
    """Those of another site cost one query more."""
    clock.advance(seconds=1)
    own = [login(user.pk).session_key for _ in range(4)]
    rows = own_rows(user).order_by("pk")
    ids = sorted(rows.by_key(key).get().pk for key in own)
    for most in (0, 1, 3, 9, None):
        with record_statements() as seen:
            found = rows.own(most)
        assert [row.pk for row in found] == ids[:most]
        assert len(seen.about("sessionstore_session")) == (
            1 if most in {9, None} else 2 * (most > 0)
        )


def test_a_secret_that_is_being_replaced_makes_nobody_a_stranger(user, settings):
    """As long as the old one is listed."""
    old = login(user.pk)
    with override_settings(SECRET_KEY="new" * 20, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert count(user) == 1
        user.set_password("new")
        user.save()
        assert SessionStore(old.session_key).load() == {}


def test_an_emptied_row_and_one_from_before_are_no_strangers(user):
    """Whatever is not known to be another's ends as ever."""
    login(user.pk)
    own_rows(user).update(data=b"")
    assert count(user) == 1
    own_rows(user).update(data=b"\x01" + b"x" * 40)
    assert count(user) == 1
