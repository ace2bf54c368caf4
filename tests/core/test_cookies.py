"""The session's cookie in a request's own header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore.core.headers.cookies import as_many_as_fit, is_plain, named, other_places

HOST = "shop.example.com"
DISGUISES = ["\u2000", "\xa0", "\x85", "\x1f", "\u3000", "x"]


def in_header(text: str) -> str:
    """What a server hands over for a cookie header in UTF-8."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("a=1; id=2", ["id=2"]),
        ("id=2;\tid=3 ", ["id=2", "id=3"]),
        ("id =2", ["id =2"]),
        ("id", []),
        ("a=id; b=id=3", []),
        ("", []),
        *((in_header(f"a=1; {one}id=2"), []) for one in DISGUISES),
        *((in_header(f"a=1; id{one}=2"), []) for one in DISGUISES),
    ],
)
def test_only_the_exact_name_counts(header, found):
    """A space or a tab may stand around it; whatever else is blank is a part of it."""
    assert named(header, "id") == found


@pytest.mark.parametrize("header", ["", "a=1", "id=2", "a=1; id=2; b=3"])
def test_the_usual_header_is_seen_at_a_glance(header):
    """With one such cookie, or without any, nothing has to be taken apart."""
    assert is_plain(header, "id")


@pytest.mark.parametrize(
    "header",
    ["id=2; id=3", "a=1;id=2", *(in_header(f"{one}id=2") for one in DISGUISES)],
)
def test_everything_else_is_looked_at(header):
    """Also what turns out to be in order."""
    assert not is_plain(header, "id")


@pytest.mark.parametrize("domain", ["example.com", ".Example.com"])
def test_the_sites_own_place_is_left_out(domain):
    """Else the cookie of a newer login would go too."""
    found = other_places("id", host=HOST, path="/a/b/c", domain=domain, cookie_path="/")
    assert found[:2] == [(None, "/"), ("shop.example.com", "/")]
    assert ("example.com", "/") not in found
    assert {(None, "/a"), (None, "/a/"), (None, "/a/b"), ("example.com", "/a")} < set(found)
    assert len(found) == len(set(found))


def paths(path: str, cookie_path: str = "/") -> list[str]:
    """The paths where cookies are looked for on a host without domains above it."""
    places = other_places("id", host="localhost", path=path, domain=None, cookie_path=cookie_path)
    assert {domain for domain, _ in places} <= {None}
    return [at for _, at in places]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", []),
        ("/a/b", ["/a/b", "/a/", "/a"]),
        ("/a/b/", ["/a/b/", "/a/b", "/a/", "/a"]),
        ("/a//b", ["/a//b", "/a//", "/a/", "/a"]),
        ("//a", ["//a", "//"]),
        ("/\u00fcber/", ["/%C3%BCber/", "/%C3%BCber"]),
        ("/a b/", ["/a%20b/", "/a%20b"]),
        ("/a;b/", ["/a%3Bb/", "/a%3Bb"]),
        ("/100%/", ["/100%25/", "/100%25"]),
        ("/@x:y=z,(1)/", ["/@x:y=z,(1)/", "/@x:y=z,(1)"]),
        ("/a\r\nX: 1", ["/a%0D%0AX:%201"]),
        ("/\ud800", ["/%3F"]),
    ],
)
def test_the_paths_are_those_whose_cookies_came_with_the_request(path, found):
    """As the browser holds them: escaped, the deepest first, each beginning at a slash."""
    assert paths(path) == found


def test_a_path_that_browsers_ignore_is_left_out():
    """They would take the folder of the request for it, which may be the cookie's right place."""
    assert paths("/app/" + 2000 * "x", cookie_path="/app") == ["/", "/app/"]


def test_requests_that_are_repeated_reach_each_place():
    """However deep the folder is, and however many domains are above the host."""
    host, path = "a.b.c.d.example.com", "/one/two/three/four/five/six/"
    wanted = other_places("id", host=host, path=path, domain=None, cookie_path="/")
    sent = [as_many_as_fit(wanted) for _ in range(100)]
    assert {place for one in sent for place in one} == set(wanted)
    assert all(one[:10] == wanted[:10] for one in sent)


@given(st.text(max_size=3000), st.text("/a", max_size=3000))
def test_a_response_has_room_for_what_is_sent(tail, slashes):
    """Twenty lines, whose places have 1500 characters together, all of ASCII that can be seen."""
    places = other_places("id", host=HOST, path=f"/{slashes}{tail}", domain=None, cookie_path="/")
    sent = as_many_as_fit(places)
    assert len(sent) <= 20
    assert sum(len(domain or "") + len(path) for domain, path in sent) <= 1500
    text = "".join(path for _, path in places)
    assert text.isascii()
    assert text.isprintable()
    assert not set(text) & set('; "\\')


@pytest.mark.parametrize("domain", ["localhost", "192.0.2.1"])
def test_a_domain_that_browsers_take_for_none_is_the_sites_own_place(domain):
    """Deleting the cookie that has no domain would delete the right one."""
    assert other_places("id", host=f"{domain}:80", path="/", domain=domain, cookie_path="/") == []


@pytest.mark.parametrize("host", ["192.0.2.1:8000", "[2001:db8::1]:8000", "localhost"])
def test_an_address_has_no_domain_above_it(host):
    """Browsers take no domain for one."""
    assert other_places("id", host=host, path="/", domain=None, cookie_path="/") == []


def test_a_host_cookie_has_one_place():
    """So a browser cannot hold two of them."""
    assert other_places("__Host-id", host=HOST, path="/a", domain=None, cookie_path="/") == []
