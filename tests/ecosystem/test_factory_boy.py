"""Rows that factory_boy makes: the columns that are not given have their defaults."""

from datetime import timedelta

import factory
import pytest
from django.utils import timezone

from sessionstore.models import Session

pytestmark = pytest.mark.django_db


class SessionFactory(factory.django.DjangoModelFactory):
    """As a site writes it."""

    class Meta:
        model = Session

    user_id = factory.Sequence(str)
    ip = factory.Faker("ipv4")

    class Params:
        ended = factory.Trait(
            expires_at=factory.LazyFunction(lambda: timezone.now() - timedelta(hours=1))
        )


def test_a_batch_has_live_and_ended_ones():
    """By a trait; all with keys of their own."""
    SessionFactory.create_batch(2)
    ended = SessionFactory(ended=True)
    assert list(Session.objects.expired()) == [ended]
    assert Session.objects.live().count() == 2


def test_what_is_built_is_not_stored():
    """And can be read all the same."""
    built = SessionFactory.build()
    assert (built.is_live, len(built.handle), built.get_decoded()) == (True, 22, {})
    assert Session.objects.count() == 0
