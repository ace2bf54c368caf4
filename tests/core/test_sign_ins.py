"""The facts of a sign-in as values: what counts, what is kept, what is read from odd contents."""

import json
from itertools import pairwise

import pytest

from sessionstore.core.merge import merge
from sessionstore.core.sign_ins.facts import SIGN_INS_KEY, SignIn, add, fact_of, sign_ins_in
from sessionstore.core.sign_ins.methods import level_in_claims, level_of


def note(data, method, at_ms, *, user="7", **more):
    """Add a fact beside those that count at the moment before it; return the data."""
    held = data.get(SIGN_INS_KEY, {})
    last = max((entry[1] for entry in held.values()), default=None)
    known = sign_ins_in(data, user, last)
    add(data, user, fact_of(method, at_ms, known=known, **more), known=known)
    return data


def counted(data, at_ms, *, user="7"):
    return [(fact.method, fact.level) for fact in sign_ins_in(data, user, at_ms)]


def test_a_second_factor_makes_two():
    """By itself it is one, like any other; a password after a code is no second one."""
    data = note(note({}, "password", 1), "otp", 2)
    assert counted(data, 2) == [("password", 1), ("otp", 2)]
    assert counted(note({}, "otp", 1), 1) == [("otp", 1)]
    assert level_of("password", ["otp"]) == 1


def test_facts_are_of_one_user_and_one_login():
    """Copied into another session they say nothing: of another user, or of another moment."""
    data = note(note({}, "password", 1), "otp", 2)
    assert counted(data, 2, user="8") == []
    assert counted(data, 3) == []
    assert counted(data, None) == []


def test_who_acts_as_the_user_is_told_and_proves_nothing():
    """No moment of a proof is needed to say so."""
    data = {}
    add(data, "7", fact_of("impersonation", 5, by="1"))
    assert sign_ins_in(data, "7", None) == (SignIn("impersonation", 5, 0, by="1"),)
    assert level_of("otp", []) == 1


def test_two_requests_add_a_fact_each():
    """The dict merges, and both stay."""
    base = note({"a": 1}, "password", 1)
    ours = note(json.loads(json.dumps(base)), "otp", 5)
    theirs = note(json.loads(json.dumps(base)), "webauthn", 6)
    merged = merge(base, ours, theirs)
    assert merged.conflicts == ()
    assert counted(merged.data, 6) == [("password", 1), ("otp", 2), ("webauthn", 2)]


def test_the_number_and_the_size_are_bounded():
    """The newest eight stay, and no text is longer than a column of a name."""
    data = {}
    for at in range(1, 30):
        note(data, "x" * 500, at, provider="y" * 500)
    facts = sign_ins_in(data, "7", 29)
    assert [fact.at_ms for fact in facts] == list(range(22, 30))
    assert {(len(fact.method), len(fact.provider)) for fact in facts} == {(64, 64)}
    assert len(json.dumps(data)) < 2500


GOOD = ["7", 5, "otp", 2, "", None]
ODD = [
    None,
    7,
    "text",
    [],
    {"a": None},
    {"a": 5},
    {"a": []},
    {"a": GOOD[:5]},
    {"a": [*GOOD, 1]},
    {"a": ["8", *GOOD[1:]]},
    {"a": ["7", "5", *GOOD[2:]]},
    {"a": ["7", True, *GOOD[2:]]},
    {"a": ["7", -1, *GOOD[2:]]},
    {"a": ["7", 10**30, *GOOD[2:]]},
    {"a": ["7", 5, None, *GOOD[3:]]},
    {"a": ["7", 5, "otp", 10, "", None]},
    {"a": ["7", 5, "otp", -1, "", None]},
    {"a": ["7", 5, "otp", 2.0, "", None]},
    {"a": ["7", 5, "otp", 2, [], {}]},
    {str(number): GOOD for number in range(100)},
]


@pytest.mark.parametrize("odd", ODD, ids=map(str, range(len(ODD))))
def test_odd_contents_are_no_facts(odd):
    """Never an error, and what is added afterwards counts."""
    data = {SIGN_INS_KEY: odd}
    assert sign_ins_in(data, "7", 5) == ()
    add(data, "7", fact_of("password", 9))
    assert counted(data, 9) == [("password", 1)]


def test_a_fact_that_is_right_counts():
    """What the odd ones differ from; also as a serializer gives tuples back, and with a moment."""
    assert counted({SIGN_INS_KEY: {"a": GOOD}}, 5) == [("otp", 2)]
    [fact] = sign_ins_in({SIGN_INS_KEY: {"a": tuple(GOOD)}}, "7", 5)
    assert fact.at.isoformat() == "1970-01-01T00:00:00.005000+00:00"


@pytest.mark.parametrize("level", [0, 10, True, "2", 1.0])
def test_a_level_that_is_none_is_named(level):
    """With what it may be."""
    with pytest.raises(ValueError, match=f"whole number from 1.* it is {level!r}"):
        fact_of("password", 1, level=level)


@pytest.mark.parametrize(
    ("claims", "level"),
    [
        ({}, 1),
        ({"amr": ["pwd"]}, 1),
        ({"amr": ["pwd", "pin"]}, 1),
        ({"amr": ["pwd", "otp"]}, 2),
        ({"amr": ["mfa"]}, 2),
        ({"amr": ["hwk", "fpt"]}, 2),
        ({"amr": "mfa"}, 1),
        ({"amr": [["mfa"], None]}, 1),
        ({"acr": "phr"}, 2),
        ({"acr": "https://refeds.org/profile/mfa"}, 2),
        ({"acr": "2"}, 1),
        ({"acr": ["phr"]}, 1),
    ],
)
def test_a_provider_says_how_many_factors_there_were(claims, level):
    """By RFC 8176, and by the classes that mean the same everywhere."""
    assert level_in_claims(claims) == level


def test_the_oldest_comes_first():
    """Whatever the order in the dict."""
    data = {SIGN_INS_KEY: {"a": GOOD, "b": ["7", 3, "password", 1, "", None]}}
    assert all(a.at_ms < b.at_ms for a, b in pairwise(sign_ins_in(data, "7", 5)))
