"""Django's own apps and test client are the first neighbours."""

from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.test import Client

from tests.ecosystem.conftest import Table, key_of

ANN = {"username": "ann", "password": "secret"}


def log_in(client: Client) -> None:
    response = client.post("/login/", ANN)
    assert response.status_code == 302


def test_an_anonymous_page_makes_no_row_and_no_cookie(client: Client, table: Table) -> None:
    """Visitors who store nothing cost nothing."""
    client.get("/page/")
    assert (table.rows(), key_of(client)) == (0, None)


def test_login_takes_a_new_key_and_keeps_the_cart(client: Client, table: Table, ann: User) -> None:
    """The key that somebody may have planted is worth nothing after the login."""
    client.get("/set/cart/pear/")
    before = key_of(client)
    log_in(client)
    after = key_of(client)
    assert before != after
    assert table.held(after)["cart"] == "pear"
    assert table.user(after) == str(ann.pk)
    assert table.held(before) == {}
    assert table.rows() == 1


def test_logout_deletes_row_and_cookie(client: Client, table: Table, ann: User) -> None:
    """The old cookie logs nobody in."""
    log_in(client)
    old = key_of(client)
    client.post("/logout/")
    assert (table.rows(), key_of(client)) == (0, None)
    client.cookies["sessionid"] = old
    assert client.get("/data/").json() == {}


def test_another_user_inherits_nothing(client: Client, table: Table, ann: User, boss: User) -> None:
    """Two people at one browser do not see each other's data."""
    log_in(client)
    client.get("/set/cart/pear/")
    old = key_of(client)
    client.post("/login/", {"username": "boss", "password": "secret"})
    held = table.held(key_of(client))
    assert held[SESSION_KEY] == str(boss.pk)
    assert "cart" not in held
    assert table.held(old) == {}
    assert table.rows() == 1


def test_client_session_is_seen_by_the_site(client: Client, table: Table) -> None:
    """`client.session` is how most test suites put data into a session."""
    session = client.session
    session["cart"] = "pear"
    session.save()
    assert client.get("/data/").json() == {"cart": "pear"}
    client.get("/set/colour/red/")
    assert dict(client.session.items()) == {"cart": "pear", "colour": "red"}
    assert table.rows() == 1


def test_client_login_keeps_data_and_client_logout_ends_it(
    client: Client, table: Table, ann: User
) -> None:
    """The test client logs in without a request of its own."""
    session = client.session
    session["cart"] = "pear"
    session.save()
    before = key_of(client)
    assert client.login(**ANN)
    assert key_of(client) != before
    assert client.get("/data/").json()["cart"] == "pear"
    assert client.get("/data/").json()[SESSION_KEY] == str(ann.pk)
    assert table.rows() == 1
    client.logout()
    assert table.rows() == 0


def test_force_login_without_a_session(client: Client, table: Table, ann: User) -> None:
    """`force_login` makes exactly one row."""
    client.force_login(ann)
    assert table.user(key_of(client)) == str(ann.pk)
    assert table.rows() == 1


def test_selenium_style_login(client: Client, table: Table, ann: User) -> None:
    """A session made by hand logs a browser in by its cookie alone."""
    session = table.store()
    session.create()
    session[SESSION_KEY] = str(ann.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = ann.get_session_auth_hash()
    session.save()
    client.cookies["sessionid"] = session.session_key
    assert b"page ann" in client.get("/page/").content
    assert table.rows() == 1


def test_data_saved_before_the_cookie_is_set(client: Client, table: Table, ann: User) -> None:
    """The other order of the same habit: fill, then save, never create."""
    session = table.store()
    session[SESSION_KEY] = str(ann.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = ann.get_session_auth_hash()
    session.save()
    client.cookies["sessionid"] = session.session_key
    assert b"page ann" in client.get("/page/").content


def test_login_required_middleware(client: Client, table: Table, settings: Any, ann: User) -> None:
    """It sends strangers to the login and makes no row for them."""
    settings.MIDDLEWARE += ["django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert client.get("/page/").headers["location"] == "/login/?next=/page/"
    assert table.rows() == 0
    log_in(client)
    assert b"page ann" in client.get("/page/").content
    client.post("/logout/")
    assert client.get("/page/").status_code == 302


def test_a_changed_password_ends_the_other_sessions(
    client: Client, table: Table, ann: User
) -> None:
    """`update_session_auth_hash` keeps this browser and turns the other away."""
    other = Client()
    log_in(client)
    log_in(other)
    before = key_of(client)
    client.post(
        "/accounts/password/change/",
        {"oldpassword": "secret", "password1": "new-Secret-9", "password2": "new-Secret-9"},
    )
    assert key_of(client) != before
    assert table.held(before) == {}
    assert b"page ann" in client.get("/page/").content
    assert b"page Anonymous" in other.get("/page/").content
    assert table.rows() == 1


# The CSRF token in the session


@pytest.fixture
def strict(stack: str, settings: Any) -> Client:
    """A browser under CSRF_USE_SESSIONS whose posts are checked."""
    settings.CSRF_USE_SESSIONS = True
    return Client(enforce_csrf_checks=True)


def test_csrf_token_lives_in_the_session(strict: Client, table: Table) -> None:
    """The form makes the row, and a post passes with its token only."""
    token = strict.get("/form/").content.decode()
    assert "_csrftoken" in table.held(key_of(strict))
    assert strict.post("/form/", {"csrfmiddlewaretoken": token}).status_code == 200
    assert strict.post("/form/", {"csrfmiddlewaretoken": "x" * 64}).status_code == 403
    assert table.rows() == 1


def test_login_changes_the_csrf_token(strict: Client, table: Table, ann: User) -> None:
    """A token from before the login is refused after it."""
    token = strict.get("/form/").content.decode()
    before = key_of(strict)
    assert strict.post("/login/", {**ANN, "csrfmiddlewaretoken": token}).status_code == 302
    assert key_of(strict) != before
    assert table.rows() == 1
    assert strict.post("/form/", {"csrfmiddlewaretoken": token}).status_code == 403
    fresh = strict.get("/form/").content.decode()
    assert strict.post("/form/", {"csrfmiddlewaretoken": fresh}).status_code == 200


# Messages in the session


@pytest.fixture
def messages(settings: Any) -> None:
    settings.MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"


def test_a_message_is_shown_once(messages: None, client: Client, table: Table) -> None:
    """It waits in the session, and showing it takes it out again."""
    client.get("/note/hello/")
    assert "_messages" in table.held(key_of(client))
    assert b"[hello]" in client.get("/page/").content
    assert b"[]" in client.get("/page/").content
    assert table.held(key_of(client) or "") == {}


def test_a_message_survives_the_login(
    messages: None, client: Client, table: Table, ann: User
) -> None:
    """ "Welcome back" is usually written before the key changes."""
    client.get("/note/hello/")
    log_in(client)
    assert b"page ann [hello]" in client.get("/page/").content
    assert table.rows() == 1
