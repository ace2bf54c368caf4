"""Users whose keys are text and differ by a blank, by case or by an accent are not each other's."""

from functools import partial

import pytest

from sessionstore.models import Session
from sessionstore.signals import Reason
from sessionstore.users import devices, mass_revocation
from sessionstore.users.limits import keep_limit
from sessionstore.users.revocation import revoke_all_of, revoke_all_of_each
from tests.web.accounts.models import TextUser

NAMES = ["anna", "anna ", " anna", "Anna", "ånna", "anna\t", "anna\u200b", "\uff41nna"]


@pytest.fixture
def sessions(store, database, settings):
    """Two sessions of each user."""
    settings.AUTH_USER_MODEL = "accounts.TextUser"
    for name in [*NAMES, *NAMES]:
        session = store()
        session["_auth_user_id"] = name
        session.save()
    return Session.objects.using(database)


def left(sessions) -> dict[str, int]:
    """How many sessions each user still has."""
    rows = list(sessions.values_list("user_id", flat=True))
    return {name: rows.count(name) for name in NAMES}


def by_lookup(name, store, sessions):
    assert {row.user_id for row in sessions.for_user(name)} == {name}
    store().table.remove_many([row.pk for row in sessions.for_user(name)])


def by_the_devices_page(name, store, sessions):
    ann = TextUser(id=name)
    assert len(devices.list_devices(ann, store()).devices) == 2
    devices.revoke_others(ann, store())


def by_limit(name, store, sessions, settings):
    settings.SESSIONSTORE_MAX_PER_USER = 1
    keep_limit(store(), name)
    assert left(sessions)[name] == 1
    revoke_all_of(name, reason=Reason.ADMIN)


def by_command(name, store, sessions):
    assert mass_revocation.count(store(), mass_revocation.of_user(name)).live == 2
    mass_revocation.revoke(store(), mass_revocation.of_user(name))


def by_many(name, store, sessions):
    revoke_all_of_each([name, "nobody"], reason=Reason.ADMIN)


@pytest.mark.parametrize("name", ["anna", "anna ", "Anna"])
@pytest.mark.parametrize(
    "end",
    [by_lookup, by_the_devices_page, by_limit, by_command, by_many],
    ids=lambda one: one.__name__,
)
def test_the_end_of_one_is_none_of_another(sessions, store, settings, end, name):
    """Byte for byte, whatever the server pads or folds."""
    if end is by_limit:
        end = partial(end, settings=settings)
    end(name, store, sessions)
    assert left(sessions) == {**dict.fromkeys(NAMES, 2), name: 0}


def test_all_who_are_lost_are_found_page_by_page(sessions, store, monkeypatch):
    """Their order is that of their bytes too: none is skipped, none told twice."""
    monkeypatch.setattr(mass_revocation, "_PAGE", 3)
    assert sorted(mass_revocation.inactive_user_ids(store())) == sorted(NAMES)
