"""Sessions as the engine before ours left them, for the tests that move sessions."""

from datetime import timedelta
from importlib import import_module

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore as DjangoStore
from django.contrib.sessions.models import Session as DjangoSession
from django.core import signing
from django.utils import timezone

from sessionstore.conf import conf
from sessionstore.models import Session
from sessionstore.moving.old_engine import OldEngine

DJANGO = "django.contrib.sessions.backends.db"


def old_session(path=DJANGO, **data) -> str:
    """Return the cookie of a session that the old engine stored."""
    session = import_module(path).SessionStore()
    session.update({"a": 1, **data})
    session.save(must_create=True) if path.startswith("user_sessions") else session.create()
    return session.session_key


def sign_over(cookie: str, payload: bytes, path=DJANGO) -> None:
    """Put a payload into the row of an old session, signed as the old engine signs."""

    class Raw:
        def dumps(self, payload):
            return payload

    store = import_module(path).SessionStore()
    text = signing.dumps(payload, salt=store.key_salt, serializer=Raw, compress=True)
    OldEngine(path).model.objects.filter(pk=cookie).update(session_data=text)


def signed_in(name: str = "ann") -> str:
    """Return the old cookie of a new user who has signed in."""
    user = get_user_model().objects.create_user(name)
    return old_session(
        **{
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
    )


def make_old_sessions(number: int) -> list[str]:
    """Fill Django's table; return the cookies."""
    store = DjangoStore()
    keys = [f"{n:032x}" for n in range(number)]
    end = timezone.now() + timedelta(days=1)
    rows = (
        DjangoSession(key, store.encode({"number": number}), end) for number, key in enumerate(keys)
    )
    DjangoSession.objects.bulk_create(rows, batch_size=500)
    return keys


def ours():
    """Return the rows of our table, to see what has moved."""
    return Session.objects.using(conf.database or "default")
