"""Code of somebody else that fails at the same moment keeps no session from being ended."""

import contextlib

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_out
from django.db import connections, transaction
from django.db.models.signals import post_save
from django.test import Client

from sessionstore.backends.sql import SessionStore
from sessionstore.models import Session
from sessionstore.receivers import connect_accounts
from sessionstore.signals import Reason, session_revoked
from sessionstore.users.revocation import revoke_all_of, revoke_each
from tests.harness.statements import record_statements


class MailServerError(Exception):
    """What a callback or a receiver of the site raises."""


def fail(**_):
    raise MailServerError


@pytest.fixture
def user(database, engine) -> User:
    """Somebody with two sessions."""
    user = User.objects.create_user("ann", password="a-password")
    for _ in range(2):
        session = SessionStore()
        session["_auth_user_id"] = str(user.pk)
        session.save()
    return user


def rows(database):
    return Session.objects.using(database).count()


@pytest.mark.parametrize("nested", [False, True])
def test_a_callback_of_others_that_fails_before_ours(user, database, nested):
    """It was left for the commit first; the account is disabled, and no session lives."""
    with contextlib.suppress(MailServerError), transaction.atomic():
        transaction.on_commit(fail)
        with transaction.atomic() if nested else contextlib.nullcontext():
            user.is_active = False
            user.save()
    assert (User.objects.get().is_active, rows(database)) == (False, 0)


def test_a_receiver_of_others_that_fails_before_ours(user, database):
    """It was connected first, as those of a models module are; the change is in the table."""
    post_save.disconnect(sender=User, dispatch_uid="sessionstore.auth.User")
    post_save.connect(fail, sender=User)
    connect_accounts()
    try:
        user.is_active = False
        with pytest.raises(MailServerError):
            user.save()
    finally:
        post_save.disconnect(fail, sender=User)
    assert (User.objects.get().is_active, rows(database)) == (False, 0)


@pytest.mark.parametrize("end", ["of a user", "of a list", "logout", "limit"])
def test_a_receiver_of_our_signal_that_fails(user, database, end, settings, caplog):
    """It is logged; what was to end has ended, all of it, and everybody else is told."""
    told = []

    def tell(reason, **_):
        told.append(reason)

    session_revoked.connect(fail)
    session_revoked.connect(tell)
    try:
        if end == "of a user":
            revoke_all_of(str(user.pk), reason=Reason.ADMIN)
        elif end == "of a list":
            revoke_each(Session.objects.using(database), reason=Reason.ADMIN)
        elif end == "logout":
            for row in Session.objects.using(database):
                session = SessionStore()
                session.table.remove(bytes(row.pk))
            session = SessionStore()
            session["a"] = 1
            session.save()
            session.flush()
        else:
            settings.SESSIONSTORE_MAX_PER_USER = 1
            session = SessionStore()
            session["_auth_user_id"] = str(user.pk)
            session.save()
    finally:
        session_revoked.disconnect(fail)
        session_revoked.disconnect(tell)
    assert rows(database) == (1 if end == "limit" else 0)
    assert len(told) == (1 if end == "logout" else 2)
    assert "MailServerError" in caplog.text


@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("page", ["logout", "devices/revoke"])
def test_a_receiver_of_a_logout_that_fails(user, database, settings, monkeypatch, page, atomic):
    """Django sends the signal before it ends the session; here the error goes up, and it has."""
    monkeypatch.setitem(connections[database].settings_dict, "ATOMIC_REQUESTS", atomic)
    browser, told = Client(raise_request_exception=False), []
    browser.force_login(user)

    def tell(reason, **_):
        told.append(reason)

    user_logged_out.connect(fail)
    session_revoked.connect(tell)
    try:
        answer = browser.post(f"/account/{page}/", {"handle": browser.session.handle})
    finally:
        user_logged_out.disconnect(fail)
        session_revoked.disconnect(tell)
    assert (answer.status_code, told, rows(database)) == (500, [Reason.LOGOUT], 2)


def test_callbacks_of_ours_keep_their_order_before_those_of_others(database):
    """And in the first of them the session knows already that its row is there to stay."""
    session, seen = SessionStore(), []

    def save_more():
        session["b"] = 2
        with record_statements() as statements:
            session.save()
        seen.append(("one", [one.sql.split()[0] for one in statements]))

    with transaction.atomic(using=database):
        transaction.on_commit(lambda: seen.append("others"), using=database)
        session.table.on_commit(save_more)
        session.table.on_commit(lambda: seen.append("two"))
        session["a"] = 1
        session.save()
    assert seen == [("one", ["UPDATE"]), "two", "others"]
