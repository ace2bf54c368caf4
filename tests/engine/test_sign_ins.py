"""How a user has signed in, as the session of each engine keeps it."""

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.db import transaction
from django.test import Client

from sessionstore.backends.sql import SessionStore
from tests.harness.statements import record_statements

BACKEND = "django.contrib.auth.backends.ModelBackend"


def seen(session):
    return [(fact.method, fact.level) for fact in session.sign_ins]


@pytest.fixture
def proved(store, database):
    """A stored session of a user who has given the password."""
    session = store()
    session.update({"_auth_user_id": "7", "_auth_user_backend": "b", "_auth_user_hash": "h"})
    session.mark_authenticated("password")
    session.save()
    return session


def test_facts_are_written_with_the_login_itself(proved, store, database):
    """One UPDATE stores the stamp and the fact, and a reader sees both."""
    with record_statements() as statements:
        proved.mark_authenticated("otp", provider="app")
        proved.save()
    assert len(statements.on(database)) == 1
    again = store(proved.session_key)
    assert seen(again) == [("password", 1), ("otp", 2)]
    assert again.sign_ins[1].provider == "app"
    assert again.authenticated_at_ms == again.sign_ins[1].at_ms


def test_a_proof_stands_with_the_data_that_a_rolled_back_block_leaves(proved, store, database):
    """Noted after the first write of the block, and saved by it: the next save writes it again."""
    stamp = proved.authenticated_at_ms
    with transaction.atomic(using=database):
        proved.cycle_key()
        proved.mark_authenticated("otp")
        with transaction.atomic(using=database):
            proved.save()
        transaction.set_rollback(True, using=database)
    assert proved.authenticated_at_ms == proved.sign_ins[-1].at_ms >= stamp
    proved.save()
    assert seen(store(proved.session_key)) == [("password", 1), ("otp", 2)]


def test_two_requests_add_a_fact_each(proved, store, clock):
    """Both stay, whichever saves first."""
    one, other = store(proved.session_key), store(proved.session_key)
    for session, method in ((one, "otp"), (other, "webauthn")):
        assert seen(session) == [("password", 1)]
        clock.advance(seconds=1)
        session.mark_authenticated(method)
    one.save()
    other.save()
    assert seen(store(proved.session_key)) == [("password", 1), ("otp", 2), ("webauthn", 2)]


def test_facts_in_another_session_say_nothing(proved, store, clock):
    """A view has copied the data: into one of another user, and into one of the same."""
    proved.mark_authenticated("otp")
    proved.save()
    clock.advance(seconds=1)
    for user_id in ("8", "7"):
        copy = store()
        copy.update({**dict(proved.items()), "_auth_user_id": user_id})
        copy.save()
        assert (seen(copy), seen(store(copy.session_key))) == ([], [])
    copy.mark_authenticated("password")
    assert seen(copy) == [("password", 1)]


def test_a_user_whom_a_view_puts_there_has_proved_nothing(proved, store):
    """By hand and not by Django's login: neither how nor when is the other one's."""
    proved["_auth_user_id"] = "8"
    proved.save()
    again = store(proved.session_key)
    assert (again.authenticated_at_ms, seen(again)) == (None, [])


def test_a_new_key_keeps_the_facts_and_an_end_none(proved, store):
    """As the login itself."""
    proved.cycle_key()
    assert seen(store(proved.session_key)) == [("password", 1)]
    proved.flush()
    assert seen(proved) == []


def test_a_proof_of_nobody_leaves_no_fact(store, database):
    """A stamp without a user is one, and that is all."""
    session = store()
    session.mark_authenticated("password")
    session.save()
    assert (seen(session), "_session_sign_ins" in session) == ([], False)


def test_a_proof_without_a_method_is_one_factor(proved):
    """What sites call today."""
    proved.mark_authenticated()
    assert seen(proved)[-1] == ("", 1)
    with pytest.raises(ValueError, match="whole number from 1"):
        proved.mark_authenticated("otp", level=0)


def test_what_is_not_saved_does_not_count(proved, store):
    """A view that wants nothing saved, and one whose session has ended."""
    proved.mark_authenticated("otp")
    proved.modified = False
    proved.save()
    assert seen(store(proved.session_key)) == [("password", 1)]
    late = store(proved.session_key)
    late.mark_authenticated("otp")
    store(proved.session_key).flush()
    with pytest.raises(UpdateError):
        late.save()


def test_it_is_sealed_and_encrypted_with_the_data(store, database, settings):
    """The key of the cookie opens it, as all else."""
    settings.SESSIONSTORE_ENCRYPT = True
    session = store()
    session["_auth_user_id"] = "7"
    session.mark_authenticated("webauthn", level=2)
    session.save()
    assert seen(store(session.session_key)) == [("webauthn", 2)]


async def test_an_async_view_marks_too(rf):
    """The same body."""
    session = SessionStore()
    await session.aset("_auth_user_id", "7")
    await session.amark_authenticated("webauthn", level=2, provider="key")
    assert [(fact.method, fact.level, fact.provider) for fact in session.sign_ins] == [
        ("webauthn", 2, "key")
    ]


@pytest.mark.only_on("sqlite")
def test_the_login_of_another_user_inherits_nothing(database, settings):
    """Of what the one before has proved in the same browser."""
    settings.SESSION_ENGINE = "sessionstore.backends.sql"
    ann, bob = (User.objects.create_user(name, password="x") for name in ("ann", "bob"))
    browser = Client()
    browser.force_login(ann, BACKEND)
    assert seen(browser.session) == [("password", 1)]
    browser.force_login(bob, BACKEND)
    assert (seen(browser.session), browser.session["_auth_user_id"]) == ([], str(bob.pk))
