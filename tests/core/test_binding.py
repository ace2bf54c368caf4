"""The wire of device-bound sessions, and the tokens that they hand out."""

import json

import pytest

from sessionstore.core.binding import dbsc, tokens
from tests.binding.client import DeviceKey, base64url, dumped

KEY = DeviceKey()
SECRETS, ROW, NOW = [b"new", b"old"], bytes(range(16)), 1_800_000_000_000
MINUTE = 60_000
DEEP = '{"jti":' + "[" * 1500 + "]" * 1500 + "}"


def proof(*, registers=False, **changed):
    return dbsc.read_proof(KEY.proof("c", registers=registers, **changed), registers=registers)


def with_jwk(**members):
    return proof(registers=True, head={"jwk": {**KEY.jwk, **members}})


@pytest.mark.parametrize("around", ["{}", '"{}"', " {} "])
def test_a_proof_comes_bare_or_as_a_string(around):
    """Chromium sends it bare, the draft says otherwise."""
    text = around.format(KEY.proof("c", registers=False))
    found = dbsc.read_proof(text, registers=False)
    assert found.challenge == "c"
    assert found.is_signed_by(KEY.point)


def test_a_registration_brings_its_key():
    """Which verifies its own proof."""
    found = proof(registers=True)
    assert found.public_key == KEY.point
    assert found.is_signed_by(found.public_key)


def test_what_else_a_browser_says_is_ignored():
    """An audience comes and goes with a feature of Chromium; a later release may say more."""
    payload = {"jti": "c", "aud": "https://host/", "authorization": "a"}
    assert proof(payload=payload, head={"kid": "1"}).challenge == "c"


@pytest.mark.parametrize(
    "head",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "RS256"},
        {"alg": "es256"},
        {"alg": None},
        {"typ": "JWT"},
        {"typ": None},
        {"crit": ["exp"]},
        {"b64": False},
        {"jwk": KEY.jwk},
        '{"alg":"none","alg":"ES256","typ":"dbsc+jwt"}',
        "[]",
        "null",
        "not json",
        DEEP,
    ],
)
def test_only_the_one_kind_of_head_is_read(head):
    """No other algorithm, no key of its own, nothing that has to be understood."""
    assert proof(head=head) is None


@pytest.mark.parametrize(
    "payload",
    [{}, {"jti": 1}, {"jti": None}, '{"jti":"a","jti":"c"}', "[]", '"c"', "", DEEP, '{"jti":"c"'],
)
def test_only_a_challenge_makes_a_payload(payload):
    """Once, as text, in an object."""
    assert proof(payload=payload) is None


@pytest.mark.parametrize(
    "members",
    [
        {"kty": "RSA"},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"x": None},
        {"x": base64url(b"1" * 31)},
        {"y": base64url(b"1" * 33)},
        {"x": KEY.jwk["x"] + "="},
        {"d": base64url(b"1" * 32)},
    ],
)
def test_only_a_public_key_on_p_256_is_read(members):
    """Of the right length, and never a private one."""
    assert with_jwk(**members) is None


@pytest.mark.parametrize("jwk", [None, [], "key", {}])
def test_a_registration_without_a_key_is_none(jwk):
    """Whatever stands in its place."""
    assert proof(registers=True, head={"jwk": jwk}) is None


def test_a_point_off_the_curve_signs_nothing():
    """The check of the signature tells."""
    found = with_jwk(y=base64url(b"\x07" * 32))
    assert not found.is_signed_by(found.public_key)


@pytest.mark.parametrize("signature", [bytes(64), b"\xff" * 64, b"\x01" * 64])
def test_a_made_up_signature_is_none(signature):
    """Zeros and numbers above the order of the group, too."""
    assert not proof(signature=signature).is_signed_by(KEY.point)


@pytest.mark.parametrize("length", [1, 63, 65, 70, 128])
def test_a_signature_has_64_bytes(length):
    """Not the form of other libraries."""
    assert proof(signature=b"\x01" * length) is None


def test_another_key_has_not_signed():
    """Nor has this one signed another text."""
    found, other = proof(), proof(payload={"jti": "other"})
    assert not found.is_signed_by(DeviceKey().point)
    assert not dbsc.Proof("c", None, other.signed, found.signature).is_signed_by(KEY.point)
    assert not found.is_signed_by(b"")


@pytest.mark.parametrize("text", [None, "", ".", "..", "a.b", "a.b.c.d", "ä.b.c", "a.b.c\n"])
def test_what_is_no_proof_is_none(text):
    """Whatever a client sends."""
    assert dbsc.read_proof(text, registers=False) is None


def test_nothing_of_a_long_proof_is_looked_at():
    """One that would be right but for its length."""
    filler = {"jti": "c", "more": "x" * 8192}
    assert proof(payload=filler) is None
    assert proof(payload={"jti": "c", "more": "x" * 500}) is not None


def test_a_second_spelling_of_a_proof_is_none():
    """Base64url has bits that say nothing."""
    signed, _, signature = KEY.proof("c", registers=False).rpartition(".")
    last = chr(ord(signature[-1]) + 1)
    assert dbsc.read_proof(f"{signed}.{signature[:-1]}{last}", registers=False) is None


@pytest.mark.parametrize(
    ("header", "name"),
    [
        *[("sabc", "sabc"), ('"sabc"', "sabc"), (" sabc ", "sabc"), ("abc", None), (None, None)],
        *[("s" + "a" * 100, None), ("s\r\nSet-Cookie: a=b", None), ('sa";b="c', None)],
    ],
)
def test_an_id_is_one_of_ours_or_none(header, name):
    """Bare or as a string; it goes back into a header and JSON."""
    assert dbsc.session_id(header) == name


def test_the_headers_are_structured_fields():
    """With what would end a string escaped."""
    assert dbsc.registration("/a", "c") == '(ES256);path="/a";challenge="c"'
    assert dbsc.challenge('c"', "s1") == '"c\\"";id="s1"'


def test_the_instructions_spell_every_attribute():
    """Else the browser takes the cookie for another one, and refreshes each time."""
    told = dbsc.instructions("s1", refresh_path="/r", cookie="b", attributes=["Path=/", "Secure"])
    assert json.loads(json.dumps(told)) == {
        "session_identifier": "s1",
        "refresh_url": "/r",
        "scope": {"include_site": False},
        "credentials": [{"type": "cookie", "name": "b", "attributes": "Path=/; Secure"}],
    }
    assert dbsc.end("s1") == {"session_identifier": "s1", "continue": False}


# --- tokens


def test_a_challenge_to_register_names_its_row_for_two_minutes():
    """And when it was asked."""
    challenge = tokens.registration_challenge(SECRETS, ROW, now=NOW)
    assert tokens.registered(SECRETS, challenge, now=NOW + 2 * MINUTE) == (ROW, NOW)
    assert tokens.registered(SECRETS, challenge, now=NOW + 2 * MINUTE + 1) is None


def test_a_challenge_to_refresh_is_of_one_binding():
    """For two minutes."""
    challenge = tokens.refresh_challenge(SECRETS, "s1", now=NOW)
    assert tokens.challenged_at(SECRETS, challenge, "s1", now=NOW + 2 * MINUTE) == NOW
    assert tokens.challenged_at(SECRETS, challenge, "s1", now=NOW + 2 * MINUTE + 1) is None
    assert tokens.challenged_at(SECRETS, challenge, "s2", now=NOW) is None


def shown(cookie, row=ROW, bound_at=5, now=NOW, secrets=SECRETS):
    return tokens.proved_at(secrets, cookie, row, bound_at, age_ms=10 * MINUTE, now=now)


def test_a_cookie_is_of_one_binding_and_lives_for_its_age():
    """And half a minute: clocks differ."""
    cookie = tokens.cookie(SECRETS, ROW, 5, proved_at=NOW)
    assert shown(cookie, now=NOW + 10 * MINUTE + 30_000) == NOW
    assert shown(cookie, now=NOW + 10 * MINUTE + 30_001) is None
    assert shown(cookie, row=bytes(16)) is None
    assert shown(cookie, bound_at=6) is None


def test_a_clock_that_is_ahead_is_believed_for_ten_minutes():
    """A server has stamped it; longer than that no clock goes wrong."""
    cookie = tokens.cookie(SECRETS, ROW, 5, proved_at=NOW)
    assert shown(cookie, now=NOW - 10 * MINUTE) == NOW
    assert shown(cookie, now=NOW - 10 * MINUTE - 1) is None


def test_each_secret_verifies_and_the_first_one_signs():
    """So that a change of SECRET_KEY signs nobody out."""
    cookie = tokens.cookie(["old"], ROW, 5, proved_at=NOW)
    assert shown(cookie, secrets=["new", "old"]) == NOW
    assert shown(cookie, secrets=["new"]) is None


def test_no_token_stands_for_another():
    """Each purpose has a key of its own."""
    challenge = tokens.registration_challenge(SECRETS, ROW, now=NOW)
    cookie = tokens.cookie(SECRETS, ROW, 5, proved_at=NOW)
    refresh = tokens.refresh_challenge(SECRETS, "s1", now=NOW)
    assert [shown(text) for text in (challenge, challenge[22:], refresh)] == [None, None, None]
    for text in (challenge, challenge[22:], cookie):
        assert tokens.challenged_at(SECRETS, text, "s1", now=NOW) is None
    for text in (refresh, challenge[:22] + cookie, challenge[:22] + refresh):
        assert tokens.registered(SECRETS, text, now=NOW) is None


@pytest.mark.parametrize("text", [None, "", "a" * 29, "a" * 30, "a" * 31, "ä" * 30, "a" * 52])
def test_what_is_no_token_is_none(text):
    """Whatever a browser sends."""
    assert shown(text) is None
    assert tokens.registered(SECRETS, text or "", now=NOW) is None
    assert tokens.challenged_at(SECRETS, text or "", "s1", now=NOW) is None


def test_a_changed_token_is_none():
    """In each of its characters, but for the bits that say nothing."""
    cookie = tokens.cookie(SECRETS, ROW, 5, proved_at=NOW)
    changed = [
        cookie[:at] + ("A" if cookie[at] != "A" else "B") + cookie[at + 1 :] for at in range(29)
    ]
    assert [text for text in changed if shown(text) is not None] == []


def test_an_identifier_is_a_token_that_begins_with_a_letter():
    """Browsers send it bare; a row that is bound again has another."""
    names = {tokens.identifier(ROW, moment) for moment in range(100)}
    assert len(names) == 100
    assert {len(name) for name in names} == {16}
    assert all(dbsc.session_id(name) == name for name in names)


def test_a_proof_shows_nothing():
    """Nor does what is cut off: error reports record each variable by its repr."""
    assert repr(proof()).startswith("<sessionstore.core.binding.dbsc.Proof object")
    assert dumped({}) == "e30"
