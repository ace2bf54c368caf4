"""Rows that model-bakery makes: sessions nobody's cookie opens, as pages and queries see them."""

import pytest
from django.contrib.auth.models import User
from django.db import models
from django.test.utils import isolate_apps
from model_bakery import baker

from sessionstore.models import Session

pytestmark = pytest.mark.django_db


def test_a_session_needs_no_arguments():
    """It is live, nobody's, and holds nothing."""
    made = baker.make(Session)
    found = Session.objects.live().by_handle(made.handle).get()
    assert (found.user_id, found.get_decoded(), found.is_foreign) == (None, {}, False)
    assert (made.is_live, made.expires_at) == (True, found.expires_at)


def test_many_sessions_of_a_user_are_theirs():
    """Each has an id and a digest of its own."""
    user = baker.make(User)
    made = baker.make(Session, 3, user_id=user.pk)
    assert {row.pk for row in Session.objects.for_user(user)} == {row.pk for row in made}


@isolate_apps("sessionstore")
def test_what_refers_to_a_session_gets_one():
    """By its foreign key."""

    class CartLine(models.Model):
        session = models.ForeignKey(Session, on_delete=models.CASCADE)

        class Meta:
            app_label = "sessionstore"

        def __str__(self) -> str:
            return str(self.session)

    assert baker.prepare(CartLine, _save_related=True).session.is_live
