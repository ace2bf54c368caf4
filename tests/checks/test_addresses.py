"""What the system checks say of the addresses that are recorded."""

import pytest
from django.core.checks import run_checks

from sessionstore.models import Session
from tests.checks import messages
from tests.ops.rows import add_rows


def found(alias: str, *, deploy: bool = True) -> bool:
    told = run_checks(databases=[alias], include_deployment_checks=deploy)
    return "sessionstore.W026" in {message.id for message in told}


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "172.18.0.0", "100.64.0.1", "fd00::1"]
)
def test_one_private_address_of_everybody_is_told(database, address):
    """Nobody has configured the proxy, and every user sees its address."""
    add_rows(9, expires_in_s=60, alias=database, ip=address)
    add_rows(5, expires_in_s=60, alias=database, ip=None)
    assert not found(database)  # so few may be a coincidence
    add_rows(1, expires_in_s=60, alias=database, ip=address)
    assert found(database)
    assert not found(database, deploy=False)


@pytest.mark.parametrize("other", ["10.0.0.2", "8.8.8.8"])
def test_two_addresses_are_nothing_to_tell(database, other):
    """Also two private ones: an intranet."""
    add_rows(20, expires_in_s=60, alias=database, ip="10.0.0.1")
    add_rows(1, expires_in_s=60, alias=database, ip=other)
    assert not found(database)


def test_one_public_address_is_nothing_to_tell(database):
    """An office, whose users all come from there."""
    add_rows(20, expires_in_s=60, alias=database, ip="8.8.8.8")
    assert not found(database)


@pytest.mark.only_on("sqlite")
def test_a_table_that_is_not_there_is_told_elsewhere(database, monkeypatch):
    """By E040."""
    monkeypatch.setattr(Session._meta, "db_table", "not_there")
    assert not found(database)


def test_two_settings_that_say_who_the_client_is_are_an_error(settings):
    """One of them would silently do nothing."""
    settings.SESSIONSTORE_TRUSTED_PROXIES = 1
    assert "sessionstore.E006" not in messages.found()
    settings.SESSIONSTORE_CLIENT_IP_CALLABLE = "tests.engine.test_clients.behind_one_proxy"
    assert "sessionstore.E006" in messages.found()
    settings.SESSIONSTORE_TRUSTED_PROXIES = None
    assert "sessionstore.E006" not in messages.found()
