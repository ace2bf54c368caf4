"""A request whose key was replaced while it ran: what it writes is kept, and it learns nothing.

Somebody may have planted its key before the victim signed in, and hold the request open with a
slow body or a stream.
"""

import contextlib
from importlib import import_module

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user, login
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory

from sessionstore.middleware import SessionMiddleware

BACKEND = "django.contrib.auth.backends.ModelBackend"


def store(key=None):
    return import_module(django_settings.SESSION_ENGINE).SessionStore(key)


@pytest.fixture
def planted(database, engine):
    """The key of a visitor's session that its maker has given to somebody else."""
    session = store()
    session["planted"] = 1
    session.save()
    return session.session_key


@pytest.fixture
def ann(planted):
    return User.objects.create_user("ann")


def served(key, view):
    """Serve a request that comes with this key."""
    request = RequestFactory().get("/")
    request.COOKIES["sessionid"] = key
    return SessionMiddleware(view)(request)


def signs_in(key, user):
    """The victim signs in under the key; return the new one."""

    def view(request):
        login(request, user, backend=BACKEND)
        request.session["secret"] = "of ann"
        return HttpResponse()

    return served(key, view).cookies["sessionid"].value


def save(session):
    session["x"] = 1
    session.save()


def save_twice(session):
    save(session)
    session["y"] = {"deep": [1]}
    session.save()


def save_and_change_the_key(session):
    save(session)
    session.cycle_key()


def save_and_touch(session):
    save(session)
    session.touch()


def save_and_count(session):
    save(session)
    with contextlib.suppress(UpdateError):
        session.transact(count)


def transact(session):
    with contextlib.suppress(UpdateError):
        session.transact(count)


def count(session):
    session["n"] = session.get("n", 0) + 1
    if "secret" in session:
        session["seen"] = session["secret"]


def save_and_reload(session):
    save(session)
    session.reload()


LATE = [
    save,
    save_twice,
    save_and_change_the_key,
    save_and_touch,
    save_and_count,
    save_and_reload,
    transact,
]


@pytest.mark.parametrize("encrypt", [False, True])
@pytest.mark.parametrize("late", LATE)
def test_a_late_request_does_not_act_as_who_has_signed_in(planted, ann, settings, late, encrypt):
    """Neither in what it sees nor by a key that it gets; and the victim stays signed in."""
    settings.SESSIONSTORE_ENCRYPT = encrypt
    seen = {}

    def view(request):
        assert request.session["planted"] == 1
        seen["key"] = signs_in(planted, ann)
        with contextlib.suppress(UpdateError):
            late(request.session)
        seen["user"], seen["secret"] = get_user(request).username, request.session.get("secret")
        return HttpResponse()

    try:
        cookies = served(planted, view).cookies
    except SessionInterrupted:
        cookies = {}
    assert (seen["user"], seen["secret"]) == ("", None)
    given = cookies["sessionid"].value if "sessionid" in cookies else None
    assert "_auth_user_id" not in (store(given).load() if given else {})
    stored = store(seen["key"]).load()
    assert (stored["_auth_user_id"], stored["secret"]) == (str(ann.pk), "of ann")
    assert "seen" not in stored


def test_what_a_late_request_has_written_is_kept(planted, ann):
    """Each of its saves, also inside what stands there since."""
    late = store(planted)
    late.get("planted")
    key = signs_in(planted, ann)
    save_twice(late)
    late["y"]["deep"].append(2)
    late.save()
    stored = store(key).load()
    assert {name: stored[name] for name in ("planted", "x", "y")} == {
        "planted": 1,
        "x": 1,
        "y": {"deep": [1, 2]},
    }


def test_a_stream_that_begins_after_the_merge_shows_nothing(planted, ann):
    """The middleware has saved by then."""

    def view(request):
        request.session["x"] = 1
        signs_in(planted, ann)

        def parts():
            yield f"{get_user(request)} {request.session.get('secret')}"

        return StreamingHttpResponse(parts())

    assert b"".join(served(planted, view).streaming_content) == b"AnonymousUser None"


def test_a_change_of_key_after_a_late_save_goes_on_as_a_visitor(planted, ann):
    """It matched the row by what the merge had told, and took the session over."""
    late = store(planted)
    late.get("planted")
    key = signs_in(planted, ann)
    save_and_change_the_key(late)
    late.save()
    assert store(late.session_key).load() == {"planted": 1, "x": 1}
    assert store(key)["_auth_user_id"] == str(ann.pk)


@pytest.mark.parametrize(("after", "lives"), [(59, False), (61, True)])
def test_a_replaced_key_ends_the_session_for_a_minute_only(planted, ann, clock, after, lives):
    """A logout may have been under way; a planted key must not sign anybody out for ever."""
    key = signs_in(planted, ann)
    clock.advance(seconds=after)
    store(planted).flush()
    assert store().exists(key) is lives
