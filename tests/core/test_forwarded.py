"""Who the client is, by the word of the proxies that are trusted, and of nobody else."""

import ipaddress
import time

import pytest

from sessionstore.core.headers.forwarded import FORWARDED, X_FORWARDED_FOR, Proxies, address_of

PEER = "10.0.0.1"
NETS = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "2001:db8:1::/48")))


def by_count(told, *, count=1, header=X_FORWARDED_FOR, peer=PEER):
    return Proxies(header, count=count).client_of(peer, told)


def by_network(told, *, header=X_FORWARDED_FOR, peer=PEER):
    return Proxies(header, networks=NETS).client_of(peer, told)


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:51234", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:DB8:0::1]:_port", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%<b>]:80", "fe80::1"),
    ],
)
def test_an_address_is_known_with_its_port(entry, address):
    """As load balancers write it."""
    assert by_count(entry) == by_count(f"evil, {entry}") == by_network(entry) == address


@pytest.mark.parametrize(
    "entry",
    [
        *("unknown", "_hidden", "evil", "203.0.113.9:", "203.0.113.9:x", "203.0.113.9:123456"),
        *("[2001:db8::1", "[2001:db8::1]443", "203.0.113.09", "1.2.3", "203.0.113.9 1.2.3.4", ""),
    ],
)
def test_what_is_no_address_is_unknown(entry):
    """And what stands left of it is never taken in its place."""
    told = f"1.2.3.4, {entry}"
    assert (by_count(told), by_network(told)) == (None, None)
    with pytest.raises(ValueError, match="IPv4 or IPv6"):
        address_of(entry)


@pytest.mark.parametrize(
    ("told", "count", "address"),
    [
        ("", 1, PEER),
        ("203.0.113.9", 2, PEER),
        ("203.0.113.9, 10.0.0.2", 2, "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9, 10.0.0.2", 2, "203.0.113.9"),
        ("1.2.3.4, , 203.0.113.9", 2, None),
        ("1.2.3.4, unix:", 1, None),
    ],
)
def test_so_many_entries_from_the_right_are_believed(told, count, address):
    """With fewer of them the request did not come through the proxies."""
    assert by_count(told, count=count) == address


@pytest.mark.parametrize(
    ("peer", "told", "address"),
    [
        ("192.0.2.7", "203.0.113.9", "192.0.2.7"),
        (PEER, "1.2.3.4, 203.0.113.9, 10.9.9.9:80", "203.0.113.9"),
        (PEER, "1.2.3.4, 203.0.113.9, [2001:db8:1::5]:443", "203.0.113.9"),
        (PEER, "10.0.0.7, 10.0.0.2", "10.0.0.7"),
        (PEER, "", PEER),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("", "203.0.113.9", "203.0.113.9"),
        ("unix:", "1.2.3.4, 203.0.113.9, unix:", "203.0.113.9"),
        ("", "", None),
        (PEER, "1.2.3.4, unknown, 10.0.0.2", None),
    ],
)
def test_the_first_from_the_right_that_is_no_proxy_is_the_client(peer, told, address):
    """Whoever comes past the proxies is not asked; a unix socket is this machine's."""
    assert by_network(told, peer=peer) == address


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("for=203.0.113.9", "203.0.113.9"),
        ('For="[2001:db8::1]:4711"', "2001:db8::1"),
        ("for=203.0.113.9:80;proto=https", "203.0.113.9"),
        ('by=10.0.0.1 ; for="203.0.113.9:_x";host="a,b;for=1.2.3.4"', "203.0.113.9"),
        ("for=1.2.3.4, for=203.0.113.9", "203.0.113.9"),
        (r'for="203.0.113.\9"', "203.0.113.9"),
        # What a client may send to make the proxy's part look like a part of its own.
        ('for=1.2.3.4;x=", for=203.0.113.9', "203.0.113.9"),
        ('for=1.2.3.4;x=", for="[2001:db8::1]"', "2001:db8::1"),
        (r'for=1.2.3.4;x="\, for="203.0.113.9"', "203.0.113.9"),
        ("for=1.2.3.4, for=_hidden", None),
        ("for=1.2.3.4, for=unknown", None),
        ("for=1.2.3.4, proto=https", None),
        ("for=1.2.3.4, for=1.2.3.4;for=203.0.113.9", None),
        ('for=1.2.3.4, for="203.0.113.9', None),
        ("for=1.2.3.4, 203.0.113.9", None),
        ("", PEER),
    ],
)
def test_forwarded_is_read_as_the_rfc_writes_it(told, address):
    """RFC 7239: names in any case, quotes, ports, names in place of addresses."""
    assert by_count(told, header=FORWARDED) == address
    assert by_network(told, header=FORWARDED) == address


def test_each_trusted_element_of_forwarded_counts():
    """A broken one in between is never skipped: what a client wrote would move up."""
    told = "for=1.2.3.4, for=203.0.113.9, for=10.0.0.2"
    assert by_count(told, count=2, header=FORWARDED) == "203.0.113.9"
    quoted = 'for=203.0.113.9, for=10.0.0.2;host="b, for=10.0.0.3"'
    assert by_count(quoted, count=2, header=FORWARDED) == "203.0.113.9"
    assert by_count('for=1.2.3.4, host=", for=10.0.0.2', count=2, header=FORWARDED) is None


PARTS = [",", 'a="', 'for="', "a=b;", '\\",', "=", ' ,for="a,', "a", " ", "a=", 'a="\\', "a,"]


@pytest.mark.parametrize("end", ["", ";", '"', "=", "for=1.1.1.1"])
@pytest.mark.parametrize("start", ["", "a=b;", 'for="'])
@pytest.mark.parametrize("part", PARTS)
def test_a_long_header_costs_little(part, start, end):
    """As much as a web server lets through."""
    told = start + part * (65536 // len(part)) + end
    started = time.perf_counter()
    by_network(told, header=FORWARDED)
    by_network(told)
    assert time.perf_counter() - started < 0.5
