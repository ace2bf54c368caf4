"""What somebody can do who can write the table, and knows neither SECRET_KEY nor anybody's cookie.

docs/security.md says it in one place; this holds both halves of it.
"""

from datetime import timedelta

import pytest

from sessionstore.backends.sql import SessionStore
from sessionstore.models import Session

USER = "_auth_user_id"


@pytest.fixture(params=[False, True], ids=["signed", "encrypted"], autouse=True)
def site(request, settings):
    """With and without encryption."""
    settings.SESSIONSTORE_ENCRYPT = request.param


@pytest.fixture
def rows(database):
    """The table, as it is to whoever writes it."""
    return Session.objects.using(database)


def signed_in(**data):
    """Return a session in which the user 1 is signed in."""
    session = SessionStore()
    session.update({USER: "1", **data})
    session.mark_authenticated()
    session.save()
    return session


def opened(session):
    """Return what the cookie opens by now."""
    return SessionStore(session.session_key).load()


def copied(row):
    """Return the columns of a row, to be written back."""
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


# --- what can be done


def test_an_older_state_of_the_same_login_can_be_put_back(rows):
    """Data, not the user: what must not run backwards belongs into a table of its own."""
    session = signed_in(coupons=1)
    before = rows.get().data
    session["coupons"] = 0
    session.save()
    rows.update(data=before)
    assert opened(session)["coupons"] == 1


def test_an_ended_row_can_be_put_back_until_the_absolute_end(rows, settings, clock):
    """Its cookie opens it again, whatever end the row claims, as long as the login is young."""
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = timedelta(hours=1)
    session = signed_in()
    row = copied(rows.get())
    session.delete()
    assert opened(session) == {}
    end = row["expires_at"] + timedelta(days=3650)
    rows.create(**{**row, "expires_at": end, "last_seen_at": end})
    assert opened(session)[USER] == "1"
    clock.advance(minutes=61)
    assert opened(session) == {}


def test_an_idle_session_can_be_kept_alive_until_the_absolute_end(rows, settings, clock):
    """The time of last use is written at each touch, and so under no seal."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = timedelta(minutes=10)
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = timedelta(hours=1)
    session = signed_in()
    clock.advance(minutes=30)
    rows.update(last_seen_at=clock.now, expires_at=clock.now + timedelta(days=1))
    assert opened(session)[USER] == "1"
    clock.advance(minutes=31)
    rows.update(last_seen_at=clock.now, expires_at=clock.now + timedelta(days=1))
    assert opened(session) == {}


# --- what cannot be done


def test_a_state_from_before_the_login_opens_nothing(rows):
    """A login changes the key, and the digest is under the seal."""
    visitor = SessionStore()
    visitor["cart"] = [1]
    visitor.save()
    before = rows.get().data
    visitor.cycle_key()
    visitor[USER] = "1"
    visitor.save()
    rows.update(data=before)
    assert opened(visitor) == {}


@pytest.mark.parametrize(
    "columns",
    [
        lambda row, _: {"user_id": "2"},
        lambda row, _: {"authenticated_at": row.authenticated_at + timedelta(days=1)},
        lambda row, _: {"created_at": row.created_at + timedelta(days=1)},
        lambda row, own: {"data": own.data},
        lambda row, own: {"data": own.data, "user_id": own.user_id},
    ],
    ids=["user", "login", "birth", "blob", "blob and user"],
)
def test_a_row_that_claims_another_user_or_age_opens_nothing(rows, columns):
    """Nor does a blob that was taken from another row, such as the attacker's own."""
    session = signed_in()
    row = rows.get()
    signed_in(**{USER: "2"})
    own = rows.exclude(pk=row.pk).get()
    rows.filter(pk=row.pk).update(**columns(row, own))
    assert opened(session) == {}


def test_a_row_that_is_given_the_digest_of_ones_own_cookie_opens_nothing(rows):
    """The key cannot be changed from outside: nobody comes in as somebody else."""
    row_of_victim = signed_in() and rows.get()
    own = SessionStore()
    own["a"] = 1
    own.save()
    digest = rows.exclude(pk=row_of_victim.pk).get().digest
    rows.exclude(pk=row_of_victim.pk).delete()
    rows.update(digest=digest)
    assert opened(own) == {}
