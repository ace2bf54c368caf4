"""The formats that Express and its stores write, as facts with test vectors."""

import json
import math
import random
from tempfile import NamedTemporaryFile

import pytest

from sessionstore.core.express_format import (
    COOKIE_KEYS,
    RESERVED_NAMES,
    Stored,
    cookie_that_expires,
    decode,
    encode,
    iso_date,
    lifetime_ms,
    new_sid,
    rounded_half_up,
    rounded_up,
    sign,
    unsign,
)
from sessionstore.exceptions import SessionNotSerializable
from tests.harness.node import run_node

VECTORS = [
    (
        "abcdefghijklmnopqrstuvwxyz012345",
        "keyboard cat",
        "s%3Aabcdefghijklmnopqrstuvwxyz012345.2T3g1YIBqofc0ViEUEt59cUq%2Ba6Wlfi59xfb4RQsxSQ",
    ),
    (
        "Hn_A-Em7vtiCithbUhPirwUiE9YsDiQO",
        "session_cookie_secret",
        "s%3AHn_A-Em7vtiCithbUhPirwUiE9YsDiQO.51gWuvqjCu7LZXZ60loXESMPMkKK7GvA%2B6j8yo45Lag",
    ),
    (
        "has.dot-and_é",
        "clé",
        "s%3Ahas.dot-and_%C3%A9.VylCBOOPMHjg%2FdzZPSxCrJp11RCL4G2rV%2F7iMEFwqH4",
    ),
]
COOKIE = {"originalMaxAge": None, "expires": None, "httpOnly": True, "path": "/"}


class TestCookieValue:
    @pytest.mark.parametrize(("sid", "secret", "value"), VECTORS)
    def test_a_known_sid_is_signed_as_express_signs_it(self, sid, secret, value):
        """Three vectors of cookie-signature, among them a dot and letters beyond ASCII."""
        assert sign(sid, secret) == value
        assert unsign(value, [secret]) == sid

    def test_the_vectors_come_out_of_cookie_signature_itself(self):
        """The real module signs the same three pairs to the same three values."""
        script = """
            const { sign } = require('cookie-signature')
            const pairs = JSON.parse(process.argv[1])
            const signed = pairs.map(pair => encodeURIComponent('s:' + sign(...pair)))
            console.log(JSON.stringify(signed))
        """
        pairs = [[sid, secret] for sid, secret, _ in VECTORS]
        assert json.loads(run_node(script, json.dumps(pairs))) == [value for *_, value in VECTORS]

    def test_a_thousand_random_sids_agree_with_cookie_signature(self):
        """Python and Node sign each of a thousand new ids alike."""
        script = """
            const { sign } = require('cookie-signature')
            const sids = JSON.parse(process.argv[1])
            console.log(JSON.stringify(sids.map(s => encodeURIComponent('s:' + sign(s, 'clé')))))
        """
        sids = [new_sid() for _ in range(1000)]
        assert json.loads(run_node(script, json.dumps(sids))) == [sign(s, "clé") for s in sids]

    def test_secrets_of_any_unicode_and_of_bytes_agree_with_cookie_signature(self):
        """Text is hashed as UTF-8, halves of pairs as U+FFFD; a Buffer is taken as it is."""
        chance = random.Random(9)  # noqa: S311 - repeatable on purpose
        points = [*range(1, 0x300), 0xAC00, 0xD83D, 0xDE00, 0xD800, 0xDFFF, 0xFFFD, 0x1F36A]
        texts = [
            "".join(map(chr, chance.choices(points, k=chance.randrange(1, 9))))
            for _ in VECTORS * 99
        ]
        raw = [chance.randbytes(chance.randrange(1, 100)) for _ in VECTORS * 99]
        script = """
            const { sign } = require('cookie-signature')
            const [texts, raw] = JSON.parse(require('fs').readFileSync(process.argv[1]))
            const all = [...texts, ...raw.map(one => Buffer.from(one, 'hex'))]
            console.log(JSON.stringify(all.map(one => encodeURIComponent('s:' + sign('sid', one)))))
        """
        with NamedTemporaryFile("w") as file:
            json.dump([texts, [one.hex() for one in raw]], file)
            file.flush()
            signed = json.loads(run_node(script, file.name))
        assert [sign("sid", secret) for secret in [*texts, *raw]] == signed
        pairs = zip(signed, [*texts, *raw], strict=True)
        assert {unsign(value, [secret]) for value, secret in pairs} == {"sid"}

    def test_any_listed_secret_opens_a_cookie_and_no_other(self):
        """Secrets rotate: the first signs, each of them verifies, a dropped one does not."""
        value = sign("sid", "old")
        assert unsign(value, ["new", "old"]) == "sid"
        assert unsign(value, ["new"]) is None

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "s:",
            "s:.",
            "sid",
            "s:sid",
            "sid.signature",
            "j:{}",
            sign("sid", "cat")[:-1],
            sign("sid", "cat") + "=",
            sign("sid", "cat").replace("sid", "SID"),
            sign("sid", "cat").replace("s%3A", ""),
            sign("", "cat"),
            sign("x" * 129, "cat"),
            sign("nul\0", "cat"),
            "s%3Asid.%ff%fe",
            "s:\ud800.x",
            "s:sid.\ud800",
            "%",
            "s:" + "x" * 100_000,
        ],
    )
    def test_whatever_express_did_not_sign_is_no_session(self, value):
        """Malformed, cut, padded, unsigned, too long or binary values all mean: no session."""
        assert unsign(value, ["cat"]) is None

    def test_a_value_that_was_not_percent_encoded_is_accepted(self):
        """Express decodes only what is encoded, and so do we."""
        assert unsign("s:" + VECTORS[0][2].removeprefix("s%3A"), ["keyboard cat"]) == VECTORS[0][0]

    def test_a_sid_has_the_form_of_express(self):
        """24 random bytes in base64url: 32 characters, never twice the same."""
        sids = {new_sid() for _ in range(1000)}
        assert len(sids) == 1000
        assert {len(sid) for sid in sids} == {32}


class TestJson:
    def test_the_example_of_express_survives_byte_for_byte(self):
        """What Express wrote comes out unchanged when nothing was changed."""
        text = (
            '{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"views":1}'
        )
        stored = decode(text)
        assert stored == Stored({"views": 1}, COOKIE)
        assert encode(stored.data, stored.cookie) == text

    @pytest.mark.parametrize(
        "value",
        [
            None,
            True,
            False,
            0,
            -1,
            2**53,
            -(2**53),
            0.1,
            1e21,
            5e-324,
            "",
            "é€😀",
            '\0\b\t\n\f\r"\\/\x7f\u2028',
            "lone \ud83d surrogate",
            [],
            {},
            [1, [2, {"a": None}]],
            {"": {"__proto__": 1, "cookie": 2}},
        ],
        ids=ascii,
    )
    def test_each_type_of_json_value_is_the_same_after_node_has_saved_it(self, value):
        """Node parses and writes our JSON; what we read back equals what we wrote."""
        script = "console.log(JSON.stringify(JSON.parse(process.argv[1])))"
        by_node = run_node(script, encode({"value": value}, COOKIE))
        assert decode(by_node) == Stored({"value": value}, COOKIE)

    @pytest.mark.parametrize("text", ["", "{", "null", "[]", '"text"', "1", "{'a':1}", '{"a":NaN}'])
    def test_what_is_no_json_object_is_damaged(self, text):
        """A damaged row is named as such, for the engine to start an empty session."""
        assert decode(text) is None

    def test_a_row_without_a_cookie_object_gets_one_when_it_is_written(self):
        """Express fails on such a row at every request; our next write mends it."""
        stored = decode('{"cookie":3,"a":1}')
        assert stored == Stored({"a": 1}, {})
        assert encode(stored.data, stored.cookie) == '{"cookie":{},"a":1}'

    @pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
    def test_a_name_that_express_drops_is_refused_by_name(self, name):
        """Better an error here than a value that vanishes there."""
        with pytest.raises(SessionNotSerializable, match=name):
            encode({name: 1}, COOKIE)
        assert encode({"nested": {name: 1}}, COOKIE)

    def test_the_reserved_names_are_those_of_the_real_session_class(self):
        """The list is complete: every property of Express's own Session, and none else."""
        script = """
            const { Session } = require('express-session')
            const names = new Set(['cookie'])
            let owner = new Session({ sessionID: 'x' }, {})
            for (; owner; owner = Object.getPrototypeOf(owner)) {
              Object.getOwnPropertyNames(owner).forEach(name => names.add(name))
            }
            console.log(JSON.stringify([...names]))
        """
        assert set(json.loads(run_node(script))) == RESERVED_NAMES

    def test_a_reserved_name_in_a_row_is_left_out_as_express_leaves_it_out(self):
        """Else no session with such a name could ever be saved again."""
        assert decode('{"cookie":{},"id":1,"a":2}').data == {"a": 2}

    @pytest.mark.parametrize(
        ("value", "path"),
        [
            (2**53 + 1, "cart"),
            ({"lines": [{"id": -(2**60)}]}, r"cart\.lines\[0\]\.id"),
            ([1.0, math.nan], r"cart\[1\]"),
            ({"a": math.inf}, r"cart\.a"),
            ({"a": {1, 2}}, r"cart\.a"),
            ({"a": {(1, 2): 3}}, r"cart\.a"),
            ([b"bytes"], r"cart\[0\]"),
        ],
    )
    def test_what_javascript_cannot_hold_is_refused_with_its_path(self, value, path):
        """The error names the path of the key, so that the line of code can be found."""
        with pytest.raises(SessionNotSerializable, match=path):
            encode({"fine": 1, "cart": value}, COOKIE)

    def test_a_value_that_contains_itself_is_refused_by_name(self):
        """A cycle is an error that names its key, not an endless loop."""
        cycle: list[object] = []
        cycle.append(cycle)
        with pytest.raises(SessionNotSerializable, match="cart"):
            encode({"cart": cycle}, COOKIE)

    def test_long_digits_in_text_are_no_long_integer(self):
        """A card number in a string is stored."""
        assert encode({"card": "4000000000000000000"}, {}) == (
            '{"cookie":{},"card":"4000000000000000000"}'
        )

    @pytest.mark.parametrize("digits", ["1152921504606847000", "-9007199254740994", "1" + "0" * 40])
    def test_a_large_number_that_express_wrote_can_be_written_back(self, digits):
        """A number beyond 2^53 is read as the float it is, and Node reads the same again."""
        again = encode(decode('{"cookie":{},"n":' + digits + "}").data, {})
        script = "console.log(JSON.parse(process.argv[1]).n === Number(process.argv[2]))"
        assert run_node(script, again, digits) == "true"


class TestCookieObject:
    def test_the_keys_come_in_the_order_of_express(self):
        """originalMaxAge first, sameSite last, whatever the order they were given in."""
        given = dict.fromkeys(reversed(COOKIE_KEYS), 1)
        assert list(cookie_that_expires(given, max_age_ms=1, expires_at_ms=1)) == list(COOKIE_KEYS)

    def test_the_order_is_that_of_the_real_cookie_class(self):
        """Express's own Cookie lists its keys in this order."""
        script = """
            const { Cookie } = require('express-session')
            console.log(JSON.stringify(Object.keys(new Cookie().data)))
        """
        assert json.loads(run_node(script)) == list(COOKIE_KEYS)

    def test_another_expiry_keeps_what_we_do_not_understand(self):
        """Only the two keys of the expiry change; unknown keys follow the known ones."""
        cookie = cookie_that_expires(
            {**COOKIE, "later": [1], "priority": "high"}, max_age_ms=1500, expires_at_ms=61_500
        )
        assert json.dumps(cookie, separators=(",", ":")) == (
            '{"originalMaxAge":1500,"priority":"high","expires":"1970-01-01T00:01:01.500Z",'
            '"httpOnly":true,"path":"/","later":[1]}'
        )

    @pytest.mark.parametrize("at_ms", [0, 1, 999, 1000, 1_700_000_000_123, 253_402_300_799_000])
    def test_dates_are_written_as_javascript_writes_them(self, at_ms):
        """ISO 8601, UTC, exactly three digits of milliseconds, Z."""
        script = "console.log(new Date(Number(process.argv[1])).toJSON())"
        assert iso_date(at_ms) == run_node(script, str(at_ms))

    @pytest.mark.parametrize(
        ("age", "lifetime"),
        [(60_000, 60_000), (59_999.6, 60_000), (None, None), ("60000", None), (True, None)],
    )
    def test_the_lifetime_is_the_original_max_age(self, age, lifetime):
        """A number slides the session by as much; anything else means a browser session."""
        assert lifetime_ms({"originalMaxAge": age}) == lifetime


class TestSeconds:
    @pytest.mark.parametrize("ms", [0, 1, 499, 500, 501, 999, 1000, 1_700_000_000_500])
    def test_seconds_are_rounded_as_each_store_rounds_them(self, ms):
        """Math.round in express-mysql-session, Math.ceil in connect-pg-simple."""
        script = """
            const seconds = Number(process.argv[1]) / 1000
            console.log(Math.round(seconds), Math.ceil(seconds))
        """
        half_up, up = run_node(script, str(ms)).split()
        assert (rounded_half_up(ms), rounded_up(ms)) == (int(half_up), int(up))


class TestWithoutNode:
    """The same facts as plain figures, for whoever has no Node."""

    def test_text_is_written_as_javascript_writes_it(self):
        """Beyond ASCII as it is; half of a surrogate pair as an escape, or no driver takes it."""
        data = {"text": "é€😀\u2028\0", "half": "\ud83d", "other": "\udfff", "deep": {"": None}}
        assert encode(data, {"path": "/"}) == (
            '{"cookie":{"path":"/"},"text":"é€😀\u2028\\u0000","half":"\\ud83d",'
            '"other":"\\udfff","deep":{"":null}}'
        )

    @pytest.mark.parametrize(
        ("digits", "value"),
        [
            ("123456789012345", 123456789012345),
            ("9007199254740992", 2**53),
            ("-9007199254740992", -(2**53)),
            ("9007199254740994", 9007199254740994.0),
            ("-9007199254740994", -9007199254740994.0),
            ("1152921504606847000", 1152921504606847000.0),
        ],
    )
    def test_numbers_are_read_as_javascript_reads_them(self, digits, value):
        """Whole up to 2^53, a float beyond."""
        found = decode('{"n":' + digits + "}").data["n"]
        assert (found, type(found)) == (value, type(value))

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (
                {"req": 1},
                (
                    "'req' cannot be stored for Express: Express keeps this name for itself; "
                    "use another one."
                ),
            ),
            (
                {"a": [2**53 + 1]},
                (
                    "'a[0]' cannot be stored for Express: JavaScript rounds integers beyond 2^53; "
                    "store a string."
                ),
            ),
            (
                {"a": -math.inf},
                "'a' cannot be stored for Express: JSON has no -inf; store None or a string.",
            ),
            (
                {"a": {"b": {(1,): 2}}},
                "'a.b' cannot be stored for Express: JSON has no key of type tuple.",
            ),
            (
                {"a": (1, {2})},
                "'a[1]' cannot be stored for Express: JSON has no set; store text or a dict.",
            ),
        ],
    )
    def test_what_cannot_be_stored_is_said_with_the_way_out(self, data, message):
        """Path, reason, and what to store instead."""
        with pytest.raises(SessionNotSerializable) as caught:
            encode({"fine": [1, 0.5, True, None, {1: "x"}], **data}, {})
        assert str(caught.value) == f"The session's {message}"

    def test_a_cycle_is_named_as_one(self):
        """By the key under which it stands."""
        cycle = {}
        cycle["self"] = [cycle]
        with pytest.raises(SessionNotSerializable) as caught:
            encode({"cart": cycle}, {})
        assert str(caught.value) == (
            "The session's 'cart' cannot be stored for Express: it is nested too deeply or in "
            "itself."
        )

    @pytest.mark.parametrize(
        ("at_ms", "date"),
        [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (10**18, "9999-12-31T23:59:59.000Z"),
        ],
    )
    def test_dates(self, at_ms, date):
        """The year has four digits, so the last one is 9999."""
        assert iso_date(at_ms) == date

    @pytest.mark.parametrize(
        ("ms", "half_up", "up"),
        [(0, 0, 0), (1, 0, 1), (499, 0, 1), (500, 1, 1), (999, 1, 1), (1000, 1, 1), (1001, 1, 2)],
    )
    def test_seconds(self, ms, half_up, up):
        """Math.round and Math.ceil."""
        assert (rounded_half_up(ms), rounded_up(ms)) == (half_up, up)

    @pytest.mark.parametrize(
        ("age", "lifetime"),
        [
            (-5, 0),
            (0, 0),
            (0.4, 0),
            (10**16, (2**32 - 1) * 1000),
            (math.nan, None),
            (math.inf, None),
            (False, None),
        ],
    )
    def test_lifetimes_at_their_limits(self, age, lifetime):
        """Never negative, never beyond the column, and no number is no lifetime."""
        assert lifetime_ms({"originalMaxAge": age}) == lifetime

    def test_a_cookie_that_ends_with_the_browser(self):
        """Both keys are there, and null."""
        assert cookie_that_expires({"path": "/"}, max_age_ms=None, expires_at_ms=None) == {
            "originalMaxAge": None,
            "expires": None,
            "path": "/",
        }

    def test_the_shortest_and_the_longest_id(self):
        """The column of express-mysql-session holds 128 characters."""
        assert unsign(sign("x", "cat"), ["cat"]) == "x"
        assert unsign(sign("x" * 128, "cat"), ["cat"]) == "x" * 128
        assert unsign(sign("x" * 129, "cat"), ["cat"]) is None

    def test_bytes_that_are_no_text_are_not_read_as_another_id(self):
        """Python would put U+FFFD in their place, which somebody may have signed."""
        assert unsign(sign("a\ufffd", "cat"), ["cat"]) == "a\ufffd"
        assert unsign(sign("a\ufffd", "cat").replace("%EF%BF%BD", "%FF"), ["cat"]) is None
