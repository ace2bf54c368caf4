"""Two requests change one session: what is kept."""

import copy
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore.core import merge as module
from sessionstore.core.merge import is_same, merge, put_in_place

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
    changed_backend = {**LOGIN, "_auth_user_backend": "c"}
    changed_hash = {**LOGIN, "_auth_user_hash": "new"}
    outcome = merge(LOGIN, changed_hash, {**changed_backend, "cart": 1})
    assert outcome.data == {**changed_hash, "cart": 1}


@pytest.mark.parametrize("theirs", [{}, OTHER])
def test_a_new_hash_does_not_bring_back_whom_another_request_replaced(theirs):
    """A new password of the user that this request knows signs nobody in."""
    changed_hash = {**LOGIN, "_auth_user_hash": "new", "cart": 1}
    assert merge(LOGIN, changed_hash, theirs).data == {**theirs, "cart": 1}


def test_a_login_beside_another_change_keeps_both():
    """The anonymous visitor's cart survives the login in the other tab."""
    outcome = merge({}, {"cart": 1}, LOGIN)
    assert outcome.data == {"cart": 1, **LOGIN}


def test_a_logout_by_hand_beside_another_change_stays():
    """Removing the three keys is one deletion."""
    assert merge(LOGIN, {}, {**LOGIN, "a": 1}).data == {"a": 1}


@pytest.mark.parametrize("ours", [{}, LOGIN, {**LOGIN, "_auth_user_hash": "new"}, OTHER])
@pytest.mark.parametrize("theirs", [{}, LOGIN, OTHER])
@pytest.mark.parametrize("base", [{}, LOGIN])
def test_a_late_request_keeps_the_login_that_is_stored(base, ours, theirs):
    """It was loaded before a login that changed the key; its other changes are merged as ever."""
    outcome = merge(base, {**ours, "a": 1}, {**theirs, "b": 2}, keeps_login=True)
    assert outcome.data == {**theirs, "a": 1, "b": 2}
    assert outcome.conflicts == ()


def test_one_and_true_are_two_values():
    """Python says that 1 == True == 1.0; JSON does not."""
    assert not is_same({"a": [1]}, {"a": [True]})
    assert not is_same(1, 1.0)
    assert is_same({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]})


@pytest.mark.parametrize("text", ["10000000000", "1.5", '"a text"', '[{"a": [1.5, "x"]}]'])
def test_equal_values_are_the_same_whoever_has_read_them(text):
    """Two requests never hold one object."""
    assert is_same(json.loads(text), json.loads(text))


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


# --- size and depth


def nested(depth, **leaf):
    """Return a dict of so many levels, with a value on each of them."""
    data = {"level": depth, **leaf}
    for level in range(depth - 1, 0, -1):
        data = {"level": level, "inner": data}
    return data


def comparisons(monkeypatch, *sides):
    """Return how many values a merge looks at, and what it makes of them."""
    looked = []

    def counted(one, other):
        looked.append(1)
        return is_same(one, other)

    with monkeypatch.context() as patch:
        patch.setattr(module, "is_same", counted)
        outcome = merge(*sides)
    return len(looked), outcome


@pytest.mark.parametrize("ground", ["the same", "none"])
def test_the_cost_of_a_merge_is_linear_in_the_depth(monkeypatch, ground):
    """Whole dicts compared on each level would cost their size times their depth."""

    def cost(depth):
        base = nested(depth) if ground == "the same" else {}
        sides = base, nested(depth, ours=1), nested(depth, theirs=2)
        number, outcome = comparisons(monkeypatch, *sides)
        assert outcome.data == nested(depth, ours=1, theirs=2)
        assert outcome.conflicts == ()
        return number

    assert cost(100) <= 2 * cost(50) + 10 <= 1000


def test_the_cost_of_a_merge_is_linear_in_the_breadth(monkeypatch):
    """A thousand carts beside one another, half of them changed by each side."""
    base = {str(n): {"cart": {"lines": [n]}} for n in range(1000)}
    ours, theirs = copy.deepcopy(base), copy.deepcopy(base)
    for n in range(1000):
        (ours if n % 2 else theirs)[str(n)]["cart"]["total"] = n
    number, outcome = comparisons(monkeypatch, base, ours, theirs)
    assert outcome.data == {
        name: {"cart": {"lines": [int(name)], "total": int(name)}} for name in base
    }
    assert number < 20_000


def shape(depth, entries, **last):
    """Return so many entries at the end of a chain of dicts; only the last of them is changed."""
    data = {str(n): {"name": "thing", "count": n} for n in range(entries)} | {"last": last}
    for _ in range(depth - 1):
        data = {"level": 1, "inner": data}
    return data


@pytest.mark.parametrize("depth", [1, 99])
def test_eight_times_as_much_takes_eight_times_as_many_looks(monkeypatch, depth):
    """Wide, and at the end of the longest chain that is saved."""

    def cost(entries):
        sides = shape(depth, entries), shape(depth, entries, a=1), shape(depth, entries, b=2)
        number, outcome = comparisons(monkeypatch, *sides)
        assert outcome.data == shape(depth, entries, a=1, b=2)
        return number

    assert cost(800) <= 8 * cost(100) <= 8 * (10 * 100 + 10 * depth)


class Named(str):
    """A key that counts how often somebody writes it down."""

    __slots__ = ()
    written = 0

    def __str__(self):
        type(self).written += 1
        return super().__str__()


def test_a_path_is_written_for_a_conflict_alone():
    """One for each value would cost the depth for each of them."""
    base = {Named(n): n for n in range(500)}
    ours, theirs = {**base, Named("z"): 1}, {**base, Named("z"): 2}
    for _ in range(98):
        base, ours, theirs = ({Named("in"): one} for one in (base, ours, theirs))
    Named.written = 0
    [path] = merge(base, ours, theirs).conflicts
    assert path == (*("in",) * 98, "z")
    assert Named.written == len(path)


@pytest.mark.parametrize("depth", [100, 200])
def test_deep_data_are_merged_and_compared(depth):
    """As deep as a save lets them get, and twice that; quickly."""
    base, ours, theirs = nested(depth), nested(depth, ours=1), nested(depth, theirs=2)
    lists = [[]]
    for _ in range(depth - 2):
        lists = [lists]
    began = time.process_time()
    outcome = merge(base | {"l": lists}, ours | {"l": lists}, theirs | {"l": copy.deepcopy(lists)})
    put_in_place(ours, outcome.data)
    assert time.process_time() - began < 0.5
    assert is_same(ours, nested(depth, ours=1, theirs=2) | {"l": lists})


# --- what the view holds


@given(sessions, sessions)
def test_what_is_put_in_place_is_equal_and_in_order(held, data):
    """Another order would look like a change of the session."""
    before = repr(data)
    put_in_place(held, data)
    assert is_same(held, data)
    assert repr(held) == repr(data) == before


def test_the_objects_that_a_view_holds_stay_in_the_session():
    """Whoever has taken a cart out of it goes on changing the session's cart."""
    lines = [{"id": 1}, {"id": 2}]
    cart = {"lines": lines}
    held = {"gone": 1, "cart": cart}
    second = lines[1]
    put_in_place(held, {"new": 1, "cart": {"total": 3, "lines": [{"id": 1}, {"id": 5}, {"id": 6}]}})
    assert held == {"new": 1, "cart": {"total": 3, "lines": [{"id": 1}, {"id": 5}, {"id": 6}]}}
    assert held["cart"] is cart
    assert cart["lines"] is lines
    assert lines[1] is second
    assert [*held] == ["new", "cart"]
    assert [*cart] == ["total", "lines"]


def test_a_value_of_another_type_takes_the_place():
    """A dict that has become a list cannot stay what it was."""
    was = {"x": 1}
    held = {"a": was, "b": [1]}
    put_in_place(held, {"a": [1], "b": {"x": 1}})
    assert held == {"a": [1], "b": {"x": 1}}
    assert was == {"x": 1}


def test_an_object_in_two_places_changes_in_one():
    """What another request did to one key does not get into the other."""
    for shared, changed in (([], [1]), ({}, {"x": 1}), ([{}], [{"x": 1}])):
        held = {"first": shared, "second": shared, "third": (shared,)}
        put_in_place(held, {"first": changed, "second": shared, "third": (shared,)})
        assert held == {"first": changed, "second": shared, "third": (shared,)}
        assert held["second"] is shared
        assert shared != changed


def test_each_of_several_objects_in_two_places_changes_in_one():
    """Also the second of them that is found, and one inside another."""
    lines, cart = [], {"note": {}}
    held = {"a": lines, "b": lines, "c": cart, "d": cart}
    put_in_place(held, {"a": [1], "b": lines, "c": {"note": {"x": 1}}, "d": cart})
    assert held == {"a": [1], "b": [], "c": {"note": {"x": 1}}, "d": {"note": {}}}
    assert (lines, cart) == ([], {"note": {}})


def test_entries_of_a_list_that_cannot_be_changed_are_replaced():
    """A number, and what is of another type; the list itself stays."""
    lines = [1, {"x": 1}, [1]]
    held = {"lines": lines}
    put_in_place(held, {"lines": [2, [3], {"y": 1}]})
    assert held == {"lines": [2, [3], {"y": 1}]}
    assert held["lines"] is lines


@given(sessions, sessions, sessions)
def test_a_merge_put_in_place_is_the_merge(base, ours, theirs):
    """The merged data hold objects of ours; changing ours in place must not change them."""
    expected = copy.deepcopy(merge(base, ours, theirs).data)
    put_in_place(ours, merge(base, ours, theirs).data)
    assert repr(ours) == repr(expected)
