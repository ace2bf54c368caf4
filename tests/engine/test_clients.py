"""What is recorded of a client, and whose word is taken for its address."""

import pytest

from sessionstore.clients import client_of, forwarded_for, remote_addr

BEHIND_PROXY = "tests.engine.test_clients.behind_one_proxy"
behind_one_proxy = forwarded_for(1)


def test_the_peer_is_the_client_by_default(rf):
    """X-Forwarded-For can be made up by anybody."""
    request = rf.get("/", REMOTE_ADDR="192.0.2.7", headers={"X-Forwarded-For": "203.0.113.9"})
    assert client_of(request).ip == remote_addr(request) == "192.0.2.7"


@pytest.mark.parametrize(
    ("hops", "header", "address"),
    [
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "evil, 203.0.113.9", "203.0.113.9"),
        (1, "203.0.113.9:51234", "203.0.113.9"),
        (1, "[2001:db8::1]:443", "2001:db8::1"),
        (2, "evil, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", "192.0.2.7"),
        (1, "", "192.0.2.7"),
    ],
)
def test_behind_proxies_the_outermost_trusted_one_is_believed(rf, hops, header, address):
    """What stands left of its entry can be made up by the client."""
    headers = {"X-Forwarded-For": header} if header else {}
    request = rf.get("/", REMOTE_ADDR="192.0.2.7", headers=headers)
    assert forwarded_for(hops)(request) == address


@pytest.mark.parametrize("hops", [0, -1])
def test_hops_must_be_counted_from_one(hops):
    """Zero proxies is the default, remote_addr."""
    with pytest.raises(ValueError, match=f"it is {hops}"):
        forwarded_for(hops)


def test_the_callable_is_a_setting(rf, settings):
    """By its dotted path."""
    settings.SESSIONSTORE_CLIENT_IP_CALLABLE = BEHIND_PROXY
    request = rf.get("/", headers={"X-Forwarded-For": "203.0.113.9"})
    assert client_of(request).ip == "203.0.113.9"


def test_what_trusted_proxies_tell_is_recorded(rf, settings):
    """A number of them, or their networks; in the header of choice, and in no other."""
    headers = {"X-Forwarded-For": "1.2.3.4, 203.0.113.9:51234", "Forwarded": "for=198.51.100.7"}
    request = rf.get("/", REMOTE_ADDR="10.0.0.1", headers=headers)
    for trusted, address in (
        (None, "10.0.0.1"),
        (1, "203.0.113.9"),
        (["10.0.0.0/8"], "203.0.113.9"),
        (["192.0.2.0/24"], "10.0.0.1"),
        ({"Forwarded": 1}, "198.51.100.7"),
        ({"Forwarded": ["10.0.0.1"]}, "198.51.100.7"),
    ):
        settings.SESSIONSTORE_TRUSTED_PROXIES = trusted
        assert client_of(request).ip == address
    settings.SESSIONSTORE_TRUSTED_PROXIES = 1
    settings.SESSIONSTORE_RECORD_CLIENT = "shortened"
    assert client_of(request).ip == "203.0.113.0"


def test_a_callable_goes_before_the_proxies(rf, settings):
    """It is for what is special; E006 tells that the other one does nothing."""
    settings.SESSIONSTORE_TRUSTED_PROXIES = {"Forwarded": 1}
    settings.SESSIONSTORE_CLIENT_IP_CALLABLE = BEHIND_PROXY
    headers = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=198.51.100.7"}
    assert client_of(rf.get("/", headers=headers)).ip == "203.0.113.9"


@pytest.mark.parametrize(
    ("address", "all_of_it", "shortened"),
    [
        ("192.0.2.77:51234", "192.0.2.77", "192.0.2.0"),
        ("[2001:db8:1:2::3]:443", "2001:db8:1:2::3", "2001:db8:1::"),
        ("192.0.2.77", "192.0.2.77", "192.0.2.0"),
        ("2001:db8:1:2::3", "2001:db8:1:2::3", "2001:db8:1::"),
        ("::ffff:192.0.2.77", "192.0.2.77", "192.0.2.0"),
        ("fe80::1%eth0", "fe80::1", "fe80::"),
        ("", None, None),
        ("unix:", None, None),
        ("<script>", None, None),
    ],
)
def test_addresses_are_recorded_as_the_site_wants(rf, settings, address, all_of_it, shortened):
    """All, shortened to /24 and /48, or nothing."""
    request = rf.get("/", REMOTE_ADDR=address, headers={"User-Agent": "Browser"})
    assert client_of(request).ip == all_of_it
    settings.SESSIONSTORE_RECORD_CLIENT = "shortened"
    assert client_of(request).ip == shortened
    settings.SESSIONSTORE_RECORD_CLIENT = "nothing"
    assert (client_of(request).ip, client_of(request).user_agent) == (None, None)


def test_a_user_agent_loses_control_characters(rf):
    """It ends up in logs and on pages (ASVS 16.2.5)."""
    request = rf.get("/", headers={"User-Agent": "a\r\nb\x1b[31m\x9f" + "c" * 600})
    agent = client_of(request).user_agent
    assert agent.startswith("ab[31mc")
    assert len(agent) == 512


def test_an_unknown_client_never_overwrites_a_known_one(store, signed_in):
    """A task that saves a session has no client."""
    from sessionstore.core.record import Client  # noqa: PLC0415

    signed_in.client = Client("192.0.2.7", "Browser")
    signed_in["a"] = 1
    signed_in.save()
    for client in (None, Client(None, None), Client(None, "Other")):
        session = store(signed_in.session_key)
        session.client = client
        session["a"] += 1
        session.save()
        row = store.get_model_class().objects.using(session.table.alias).get()
        assert row.ip == "192.0.2.7"
        assert row.user_agent in ("Browser", "Other")


def test_a_client_that_moved_is_written_once_an_interval(store, signed_in, clock):
    """The device page shows the last address, and a flapping one does not write each time."""
    from sessionstore.core.record import Client  # noqa: PLC0415

    session = store(signed_in.session_key)
    session.client = Client("192.0.2.8", "Browser")
    assert session["_auth_user_id"] == "7"
    assert not session.modified
    clock.advance(seconds=60)
    assert session.modified
    session.save()
    assert store.get_model_class().objects.using(session.table.alias).get().ip == "192.0.2.8"


def test_nothing_is_recorded_of_anonymous_visitors(store, database):
    """Their row has no user whose devices it could show."""
    from sessionstore.core.record import Client  # noqa: PLC0415

    session = store()
    session.client = Client("192.0.2.8", "Browser")
    session["a"] = 1
    session.save()
    row = store.get_model_class().objects.using(database).get()
    assert (row.ip, row.user_agent) == (None, None)
