"""Two requests change one session: what is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore.core.merge import is_same, merge

BOTH = {"x": 1, "y": 2}
LOGIN = {"_auth_user_id": "1", "_auth_user_backend": "b", "_auth_user_hash": "h"}
OTHER = {"_auth_user_id": "2", "_auth_user_backend": "b", "_auth_user_hash": "i"}


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        ({}, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": 2}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {}, {"a": 1}, {}),
        ({"a": 1}, {"a": 1}, {}, {}),
        ({"a": 1}, {}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": 2}, {}, {"a": 2}),
        ({"a": {"x": 1}}, {"a": {"x": 1, "y": 2}}, {"a": {"x": 3}}, {"a": {"x": 3, "y": 2}}),
        ({"a": {"b": {}}}, {"a": {"b": {"x": 1}}}, {"a": {"b": {"y": 2}}}, {"a": {"b": BOTH}}),
        ({}, {"cart": {"x": 1}}, {"cart": {"y": 1}}, {"cart": {"x": 1, "y": 1}}),
        ({"a": 1}, {"a": True}, {"a": 1, "b": 1}, {"a": True, "b": 1}),
    ],
)  # fmt: skip
def test_changes_of_both_sides_are_kept(base, ours, theirs, merged):
    """Each row is one rule of the design, none of them a conflict."""
    outcome = merge(base, ours, theirs)
    assert is_same(outcome.data, merged)
    assert outcome.conflicts == ()


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged", "path"),
    [
        ({"a": 1}, {"a": 2}, {"a": 3}, {"a": 2}, ("a",)),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 3]}, {"a": [1, 2]}, ("a",)),
        ({"a": {"x": 1}}, {"a": {"x": 2}}, {"a": {"x": 3}}, {"a": {"x": 2}}, ("a", "x")),
        ({"a": 1}, {"a": {"x": 1}}, {"a": {"y": 1}}, {"a": {"x": 1}}, ("a",)),
        ({}, LOGIN, OTHER, LOGIN, ("_auth_user_id",)),
    ],
)
def test_the_same_value_changed_twice_is_ours_and_is_told(base, ours, theirs, merged, path):
    """Lists and scalars are whole values; the path names what the other side lost."""
    outcome = merge(base, ours, theirs)
    assert outcome.data == merged
    assert outcome.conflicts == (path,)


def test_a_login_moves_as_one():
    """Half of one login and half of another would be a user who never signed in."""
    changed_hash = {**LOGIN, "_auth_user_hash": "new"}
    outcome = merge(LOGIN, changed_hash, {**OTHER, "cart": 1})
    assert outcome.data == {**changed_hash, "cart": 1}


def test_a_login_beside_another_change_keeps_both():
    """The anonymous visitor's cart survives the login in the other tab."""
    outcome = merge({}, {"cart": 1}, LOGIN)
    assert outcome.data == {"cart": 1, **LOGIN}


def test_a_logout_by_hand_beside_another_change_stays():
    """Removing the three keys is one deletion."""
    assert merge(LOGIN, {}, {**LOGIN, "a": 1}).data == {"a": 1}


def test_one_and_true_are_two_values():
    """Python says that 1 == True == 1.0; JSON does not."""
    assert not is_same({"a": [1]}, {"a": [True]})
    assert not is_same(1, 1.0)
    assert is_same({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]})


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)
sessions = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


@given(sessions, sessions)
def test_one_side_alone_is_that_side(base, changed):
    """Nobody else wrote: the merge is what was saved."""
    assert is_same(merge(base, changed, base).data, changed)
    assert is_same(merge(base, base, changed).data, changed)
    assert is_same(merge(base, changed, changed).data, changed)


@given(sessions, sessions, sessions)
def test_the_order_matters_only_in_conflicts(base, ours, theirs):
    """Without a conflict both requests come to the same session, whoever is first."""
    outcome, mirrored = merge(base, ours, theirs), merge(base, theirs, ours)
    assert set(outcome.conflicts) == set(mirrored.conflicts)
    if not outcome.conflicts:
        assert is_same(outcome.data, mirrored.data)


@given(sessions, sessions, sessions)
def test_merging_changes_none_of_the_three(base, ours, theirs):
    """The caller still compares with them afterwards."""
    before = repr((base, ours, theirs))
    merge(base, ours, theirs)
    assert repr((base, ours, theirs)) == before
